//! Checkpoints.

use headcount_core::keys::Follower;
use headcount_store::rows::{Checkpoint, CheckpointRow, Put};

use crate::rows::{OTHER_TABLE, Store, TABLE, all_pages, origin, source};

const FIGURES: Follower = Follower::Figures;

fn at(entry: u64) -> Checkpoint {
    Checkpoint { entry, last: origin(0).sequence }
}

pub(crate) async fn they_only_move_forward(store: impl Store) {
    assert_eq!(store.read_checkpoint(TABLE, FIGURES, &source(0)).await, Ok(None));
    let steps = [(3, Put::Written, 3), (3, Put::Refused, 3), (2, Put::Refused, 3), (9, Put::Written, 9)];
    for (entry, put, there) in steps {
        assert_eq!(store.write_checkpoint(TABLE, FIGURES, &source(0), &at(entry)).await, Ok(put), "{entry}");
        assert_eq!(store.read_checkpoint(TABLE, FIGURES, &source(0)).await, Ok(Some(at(there))), "{entry}");
    }
    // Each follower and each source has its own.
    for (follower, number) in [(Follower::Items, 0), (FIGURES, 1)] {
        assert_eq!(store.read_checkpoint(TABLE, follower, &source(number)).await, Ok(None));
        let short = Checkpoint { entry: 1, last: 7.into() };
        assert_eq!(store.write_checkpoint(TABLE, follower, &source(number), &short).await, Ok(Put::Written));
        assert_eq!(store.read_checkpoint(TABLE, follower, &source(number)).await, Ok(Some(short)));
    }
    assert_eq!(store.read_checkpoint(TABLE, FIGURES, &source(0)).await, Ok(Some(at(9))));
}

pub(crate) async fn of_parallel_writes_the_largest_stands(store: impl Store) {
    let writers: Vec<_> = (1..=20)
        .map(|n| {
            let (store, checkpoint) = (store.clone(), at(1 + n * 7 % 20));
            tokio::spawn(async move { store.write_checkpoint(TABLE, FIGURES, &source(0), &checkpoint).await })
        })
        .collect();
    let mut written = 0;
    for writer in writers {
        written += u32::from(writer.await.expect("no panic") == Ok(Put::Written));
    }
    assert!(written >= 1);
    assert_eq!(store.read_checkpoint(TABLE, FIGURES, &source(0)).await, Ok(Some(at(20))));
}

pub(crate) async fn a_checkpoint_of_another_table_counts_as_absent(store: impl Store) {
    assert_eq!(store.write_checkpoint(OTHER_TABLE, FIGURES, &source(0), &at(50)).await, Ok(Put::Written));
    assert_eq!(store.mark_finished(OTHER_TABLE, FIGURES, &source(0), 50).await, Ok(Put::Written));
    assert_eq!(store.read_checkpoint(TABLE, FIGURES, &source(0)).await, Ok(None));
    assert_eq!(all_pages!(|after| store.checkpoints_page(TABLE, after)).concat(), []);
    assert_eq!(store.mark_finished(TABLE, FIGURES, &source(0), 50).await, Ok(Put::Refused));
    // Smaller than what is there, which is none of ours.
    assert_eq!(store.write_checkpoint(TABLE, FIGURES, &source(0), &at(2)).await, Ok(Put::Written));
    assert_eq!(store.read_checkpoint(TABLE, FIGURES, &source(0)).await, Ok(Some(at(2))));
    assert_eq!(store.read_checkpoint(OTHER_TABLE, FIGURES, &source(0)).await, Ok(None));
}

pub(crate) async fn a_mark_lasts_until_the_next_entry(store: impl Store) {
    let is_finished = async || {
        let rows = all_pages!(|after| store.checkpoints_page(TABLE, after)).concat();
        rows.iter().map(|row| (row.follower, row.checkpoint.entry, row.is_finished)).collect::<Vec<_>>()
    };
    assert_eq!(store.mark_finished(TABLE, FIGURES, &source(0), 4).await, Ok(Put::Refused), "no checkpoint");
    assert_eq!(is_finished().await, [], "a refused mark leaves no item");
    for follower in Follower::ALL {
        assert_eq!(store.write_checkpoint(TABLE, follower, &source(0), &at(4)).await, Ok(Put::Written));
    }
    for (entry, put) in [(3, Put::Refused), (5, Put::Refused), (4, Put::Written), (4, Put::Written)] {
        assert_eq!(store.mark_finished(TABLE, FIGURES, &source(0), entry).await, Ok(put), "{entry}");
    }
    assert_eq!(is_finished().await, [(FIGURES, 4, true), (Follower::Items, 4, false)]);
    assert_eq!(store.write_checkpoint(TABLE, FIGURES, &source(0), &at(4)).await, Ok(Put::Refused));
    assert_eq!(is_finished().await, [(FIGURES, 4, true), (Follower::Items, 4, false)], "a refused write leaves it");
    assert_eq!(store.write_checkpoint(TABLE, FIGURES, &source(0), &at(5)).await, Ok(Put::Written));
    assert_eq!(is_finished().await, [(FIGURES, 5, false), (Follower::Items, 4, false)]);
}

pub(crate) async fn a_listing_holds_those_of_both_followers(store: impl Store) {
    let mut expected = Vec::new();
    for follower in Follower::ALL {
        for number in 0..120 {
            let checkpoint = at(u64::from(number) + 1);
            let put = store.write_checkpoint(TABLE, follower, &source(number), &checkpoint).await;
            assert_eq!(put, Ok(Put::Written));
            expected.push(CheckpointRow { follower, source: source(number), checkpoint, is_finished: false });
        }
    }
    assert_eq!(all_pages!(|after| store.checkpoints_page(TABLE, after)).concat(), expected);
}
