//! Budgets and their alarms.

use headcount_core::budget::{Budget, BudgetScope, Month};
use headcount_store::rows::{AlarmRow, BudgetItem, BudgetRow, Put};

use crate::rows::{START_MS, Store, all_pages, date};

fn budget(scope: BudgetScope, monthly_nanos: u64) -> BudgetRow {
    BudgetRow { budget: Budget { scope, monthly_nanos }, updated_ms: START_MS }
}

fn account() -> BudgetScope {
    BudgetScope::account("größer#1").expect("a name")
}

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

/// A claim of the account's alarm in March.
fn claim(amount_nanos: u64, claim: u64, claimed_ms: i64) -> AlarmRow {
    AlarmRow { month: Month::of(date(1)), scope: account(), amount_nanos, claim, claimed_ms, raised_ms: None }
}

async fn listed(store: &impl Store, from: &str) -> Vec<BudgetItem> {
    all_pages!(|after| store.budgets_page(month(from), after)).concat()
}

pub(crate) async fn a_listing_holds_the_alarms_from_a_month_on_and_all_budgets(store: impl Store) {
    assert_eq!(listed(&store, "2026-03").await, []);
    let rows = [
        budget(account(), 1),
        budget(BudgetScope::feature("summary").expect("a name"), 50_000_000_001),
        budget(BudgetScope::Project, 1_000_000_000_000_000_000),
    ];
    for row in rows.iter().rev() {
        assert_eq!(store.put_budget(&budget(row.budget.scope.clone(), 7)).await, Ok(Put::Written));
        assert_eq!(store.put_budget(row).await, Ok(Put::Written), "what is there is replaced");
    }
    let alarms =
        ["2026-02", "2026-03", "2026-04"].map(|of| AlarmRow { month: month(of), ..claim(1, u64::MAX, START_MS) });
    for alarm in &alarms {
        assert_eq!(store.claim_alarm(alarm, 0).await, Ok(Put::Written));
    }
    let budgets = rows.map(BudgetItem::Budget);
    let [february, march, april] = alarms.map(BudgetItem::Alarm);
    let [account_row, feature, project] = budgets;
    let all = [february, march, april, account_row, feature, project];
    assert_eq!(listed(&store, "2026-02").await, all);
    assert_eq!(listed(&store, "2026-03").await, all[1..]);
    assert_eq!(listed(&store, "2027-01").await, all[3..]);
    assert_eq!(store.delete_budget(&account()).await, Ok(Put::Written));
    assert_eq!(store.delete_budget(&account()).await, Ok(Put::Refused), "there is none");
    assert_eq!(listed(&store, "2027-01").await, all[4..]);
}

pub(crate) async fn an_alarm_is_claimed_once_until_it_is_stale_or_its_budget_is_larger(store: impl Store) {
    const MINUTES: i64 = 5 * 60_000;
    let (raised, later) = (START_MS + 1, START_MS + 2 * MINUTES);
    let there = |row: AlarmRow| vec![BudgetItem::Alarm(row)];
    assert_eq!(store.finish_alarm(&claim(50, 1, START_MS), raised).await, Ok(Put::Refused), "nothing is claimed");
    assert_eq!(store.claim_alarm(&claim(50, 1, START_MS), START_MS - MINUTES).await, Ok(Put::Written));
    assert_eq!(store.claim_alarm(&claim(50, 1, START_MS), START_MS - MINUTES).await, Ok(Put::Written), "its own");
    assert_eq!(store.claim_alarm(&claim(50, 2, START_MS), START_MS - MINUTES).await, Ok(Put::Refused), "another's");
    assert_eq!(listed(&store, "2026-03").await, there(claim(50, 1, START_MS)));
    // Whoever claimed it has died: a later run takes it over.
    assert_eq!(store.claim_alarm(&claim(50, 3, later), later - MINUTES).await, Ok(Put::Written));
    assert_eq!(store.finish_alarm(&claim(50, 1, START_MS), raised).await, Ok(Put::Refused), "it was taken over");
    assert_eq!(store.finish_alarm(&claim(50, 3, later), later).await, Ok(Put::Written));
    assert_eq!(listed(&store, "2026-03").await, there(AlarmRow { raised_ms: Some(later), ..claim(50, 3, later) }));
    // A raised one is never stale; the same amount or a smaller one does not raise it again, a larger one does.
    let end = later + 10 * MINUTES;
    for (amount, put) in [(50, Put::Refused), (49, Put::Refused), (51, Put::Written)] {
        assert_eq!(store.claim_alarm(&claim(amount, 4, end), end - MINUTES).await, Ok(put), "{amount}");
    }
    assert_eq!(listed(&store, "2026-03").await, there(claim(51, 4, end)), "it is not raised yet");
    let april = AlarmRow { month: month("2026-04"), ..claim(1, 5, end) };
    assert_eq!(store.claim_alarm(&april, end - MINUTES).await, Ok(Put::Written), "each month has its own");
}

pub(crate) async fn of_parallel_claims_one_succeeds(store: impl Store) {
    let claimers: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.claim_alarm(&claim(50, n, START_MS), START_MS - 1).await })
        })
        .collect();
    let mut written = 0;
    for claimer in claimers {
        written += u32::from(claimer.await.expect("no panic") == Ok(Put::Written));
    }
    assert_eq!(written, 1);
}
