//! Which names a source's maps keep, found from its events in any order.

use std::collections::BTreeMap;

use super::capped::{OTHER, cut};
use super::{CappedMap, Counters, NONE, Weigh};
use crate::event::{Event, EventType};
use crate::limits::MAX_COUNTER_NAMES;
use crate::origin::Origin;

/// Of one source's events the names that come first in the order of origins: those that [`Counters::add`] keeps when it is
/// given the events in that order. Whatever their order and number, little more is held than what is kept.
///
/// ```
/// use headcount_core::counters::FirstNames;
/// let mut counters = FirstNames::default().counters();
/// counters.drop_unused();
/// assert_eq!(counters, Default::default());
/// ```
#[derive(Clone, Debug, Default)]
pub struct FirstNames {
    by_type: First,
    features: First,
    content: First,
    models: First,
    errors: First,
    platforms: First,
}

impl FirstNames {
    /// Looks at an event and where it came from.
    pub fn see(&mut self, event: &Event<'_>, origin: &Origin) {
        self.by_type.see(event.event_type.as_str(), origin);
        self.platforms.see(event.platform().as_deref().unwrap_or(NONE), origin);
        match &event.event_type {
            EventType::FeatureUse => self.features.see(event.feature().as_deref().unwrap_or(NONE), origin),
            EventType::ContentCreate => self.content.see(event.content_type().as_deref().unwrap_or(NONE), origin),
            EventType::Error => self.errors.see(event.error_type().as_deref().unwrap_or(NONE), origin),
            EventType::AiRequest => self.models.see(event.model().as_deref().unwrap_or(NONE), origin),
            EventType::PageView | EventType::Custom(_) => {}
        }
    }

    /// Counters that keep these names and no others, once maps are full: given the same events again in any order,
    /// they become what the order of origins makes, but for [`Counters::drop_unused`].
    pub fn counters(&self) -> Counters {
        Counters {
            by_type: self.by_type.map(),
            features: self.features.map(),
            content: self.content.map(),
            models: self.models.map(),
            errors: self.errors.map(),
            platforms: self.platforms.map(),
            ..Counters::default()
        }
    }
}

/// Names by their earliest origins. A name that is not among the first now can only become it by an earlier origin than
/// all that it had so far, so nothing is lost where it is forgotten.
#[derive(Clone, Debug, Default)]
struct First(BTreeMap<Box<str>, Origin>);

impl First {
    fn see(&mut self, name: &str, origin: &Origin) {
        let name = cut(name);
        match self.0.get_mut(name) {
            Some(first) if origin < first => first.clone_from(origin),
            Some(_) => {}
            // It is nobody's own.
            None if name == OTHER => {}
            None => {
                self.0.insert(name.into(), origin.clone());
                if self.0.len() >= 2 * MAX_COUNTER_NAMES {
                    let first: Vec<_> = self.first().map(str::to_owned).collect();
                    self.0.retain(|name, _| first.iter().any(|first| **first == **name));
                }
            }
        }
    }

    /// Those that are kept.
    fn first(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<_> = self.0.iter().map(|(name, origin)| (origin, &**name)).collect();
        names.sort_unstable();
        names.into_iter().take(MAX_COUNTER_NAMES).map(|(_, name)| name)
    }

    fn map<V: Weigh>(&self) -> CappedMap<V> {
        let mut map = CappedMap::default();
        self.first().for_each(|name| map.add(name, &V::default()));
        map
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::origin::Source;

    fn event((kind, name, platform): (u8, u16, u16)) -> Event<'static> {
        let (event_type, field) = match kind {
            0 => (EventType::FeatureUse, "feature"),
            1 => (EventType::ContentCreate, "contentType"),
            2 => (EventType::Error, "errorType"),
            3 => (EventType::AiRequest, "model"),
            _ => (EventType::PageView, "feature"),
        };
        let name = if name == 0 { OTHER.to_owned() } else { format!("n{name}") };
        Event {
            id: "e".into(),
            user_id: "u".into(),
            session_id: "s".into(),
            event_type,
            timestamp_ms: 1_772_323_200_000,
            event_data: json!({ field: name }).into(),
            metadata: json!({ "platform": format!("p{platform}") }).into(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_order_comes_to_what_the_order_of_origins_makes(
            events in proptest::collection::vec((0u8..5, 0u16..700, 0u16..150), 0..3_000),
            seed in any::<u64>(),
        ) {
            let origin = |at: usize| Origin { source: Source::new("s", "0"), sequence: (at as u64 / 3).into(), index: at as u32 % 3 };
            let mut events: Vec<_> = events.into_iter().map(event).enumerate().collect();
            let mut in_order = Counters::default();
            for (_, event) in &events {
                in_order.add(event, Tz::UTC);
            }
            // Any order: by a number that has nothing to do with the origin.
            events.sort_by_key(|(at, _)| (*at as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut names = FirstNames::default();
            let mut unordered = Counters::default();
            for (at, event) in &events {
                names.see(event, &origin(*at));
                unordered.add(event, Tz::UTC);
            }
            let mut counters = names.counters();
            for (_, event) in &events {
                counters.add(event, Tz::UTC);
            }
            counters.drop_unused();
            prop_assert_eq!(&counters, &in_order);
            prop_assert!(unordered.overflowed() || unordered == in_order);
        }
    }
}
