use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn map_of<'a>(names: impl IntoIterator<Item = &'a str>) -> CappedMap<u64> {
    let mut map = CappedMap::default();
    names.into_iter().for_each(|name| map.add(name, &1));
    map
}

#[test]
fn the_most_used_name_is_kept_however_much_comes_before_it() {
    let junk: Vec<_> = (0..5_000).map(|n| format!("junk-{n}")).collect();
    let mut map = map_of(junk.iter().map(String::as_str));
    (0..1_000).for_each(|_| map.add("export", &1));
    assert_eq!((map.get("export"), map.total()), (Some(&1_000), 6_000));
    let ranked = map.iter().filter(|(name, _)| *name != OTHER).max_by_key(|(_, count)| **count);
    assert_eq!(ranked, Some(("export", &1_000)));
    assert!(map.error() > 0 && map.error() <= 50, "{}", map.error());
}

#[test]
fn few_names_are_exact_and_say_so() {
    let names: Vec<_> = (0..MAX_COUNTER_NAMES).map(|n| format!("n{n}")).collect();
    let map = map_of(names.iter().map(String::as_str).chain([OTHER, OTHER]));
    assert_eq!((map.names(), map.error(), map.get(OTHER)), (MAX_COUNTER_NAMES, 0, Some(&2)));
}

/// Names of which some come much more often than others, and what they are really counted to.
fn skewed() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec((0u32..400, 1u32..400).prop_map(|(n, width)| n % width), 0..4_000)
}

fn truth(names: &[u32]) -> BTreeMap<String, u64> {
    let mut truth = BTreeMap::new();
    for name in names {
        *truth.entry(name.to_string()).or_default() += 1;
    }
    truth
}

/// Counts are as exact as they claim to be.
fn check(map: &CappedMap<u64>, truth: &BTreeMap<String, u64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(map.total(), truth.values().sum::<u64>());
    for (name, count) in truth {
        let counted = map.place(name).ok().map(|place| &map.counts[place]);
        let (at_least, at_most) = counted.map_or((0, map.floor), |counted| (counted.value, counted.most()));
        prop_assert!((at_least..=at_most).contains(count), "{}: {} in {}..={}", name, count, at_least, at_most);
        prop_assert!(counted.is_none_or(|counted| counted.slack <= map.floor));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_count_is_never_too_high_and_too_low_by_no_more_than_it_says(names in skewed()) {
        let texts: Vec<_> = names.iter().map(ToString::to_string).collect();
        let (map, truth) = (map_of(texts.iter().map(String::as_str)), truth(&names));
        check(&map, &truth)?;
        prop_assert!(map.floor <= names.len() as u64 / MAX_COUNTER_NAMES as u64);
        for (name, _) in truth.iter().filter(|(_, count)| **count > map.floor) {
            prop_assert!(map.get(name).is_some(), "{} is missing", name);
        }
    }

    #[test]
    fn sums_of_sources_keep_the_same_promise(names in skewed(), sources in 1usize..5) {
        let truth = truth(&names);
        let texts: Vec<_> = names.iter().map(ToString::to_string).collect();
        let parts: Vec<_> = (0..sources).map(|of| map_of(texts.iter().skip(of).step_by(sources).map(String::as_str))).collect();
        let sum = |order: &mut dyn Iterator<Item = &CappedMap<u64>>| {
            let mut sum = CappedMap::default();
            order.for_each(|part| sum.merge(part));
            sum
        };
        let forwards = sum(&mut parts.iter());
        prop_assert_eq!(&forwards, &sum(&mut parts.iter().rev()));
        check(&forwards, &truth)?;
        let capped = forwards.capped();
        check(&capped, &truth)?;
        prop_assert!(capped.names() <= MAX_COUNTER_NAMES);
        prop_assert_eq!(&capped.capped(), &capped);
        let stored = postcard::to_allocvec(&capped).unwrap();
        prop_assert_eq!(postcard::from_bytes::<CappedMap<u64>>(&stored).unwrap(), capped);
    }

    #[test]
    fn what_is_stored_goes_on_as_if_it_had_never_been(names in skewed(), at in any::<prop::sample::Index>()) {
        let texts: Vec<_> = names.iter().map(ToString::to_string).collect();
        let at = if texts.is_empty() { 0 } else { at.index(texts.len()) };
        let mut stored = postcard::to_allocvec(&map_of(texts[..at].iter().map(String::as_str))).unwrap();
        let mut map: CappedMap<u64> = postcard::from_bytes(&stored).unwrap();
        texts[at..].iter().for_each(|name| map.add(name, &1));
        stored = postcard::to_allocvec(&map).unwrap();
        prop_assert_eq!(stored, postcard::to_allocvec(&map_of(texts.iter().map(String::as_str))).unwrap());
    }
}
