//! A series in one line of text.

/// The heights, from nothing to all.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Characters of a line, at most: a longer series is drawn in steps, each the largest of its values.
const MAX_WIDTH: usize = 60;

/// The series as bars between zero and its largest value.
pub(crate) fn sparkline(series: impl IntoIterator<Item = f64>) -> String {
    let values: Vec<f64> =
        series.into_iter().map(|value| if value.is_finite() { value.max(0.0) } else { 0.0 }).collect();
    let step = values.len().div_ceil(MAX_WIDTH).max(1);
    let largest = values.iter().copied().fold(0.0, f64::max);
    let bar = |some: &[f64]| {
        let height = some.iter().copied().fold(0.0, f64::max);
        let share = if largest > 0.0 { height / largest } else { 0.0 };
        BARS[((share * (BARS.len() - 1) as f64).round() as usize).min(BARS.len() - 1)]
    };
    values.chunks(step).map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_values() {
        assert_eq!(sparkline([0.0, 7.0, 3.0, 14.0]), "▁▅▃█");
        assert_eq!(sparkline([0.0, 0.0]), "▁▁");
        assert_eq!(sparkline([]), "");
        assert_eq!(sparkline([f64::NAN, -1.0, 1.0]), "▁▁█");
        let year = sparkline((0..365).map(f64::from));
        assert_eq!((year.chars().count(), year.chars().last()), (53, Some('█')));
    }
}
