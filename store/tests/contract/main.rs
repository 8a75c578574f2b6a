//! What every store must do, run on each: in memory, around it the faulty one without a fault, and DynamoDB's adapter
//! through the real SDK against an embedded server.

mod rows;
mod subjects;

mod browse;
mod budgets;
mod checkpoints;
mod dailies;
mod event_items;
mod events;
mod items;
mod meta;
mod partials;
mod proofs;
mod rejected;
mod users;
mod values;

/// Runs each case on each store.
macro_rules! contract {
    ($($module:ident :: $case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $case() { crate::$module::$case(crate::subjects::memory()).await; })*
        }
        mod faulty_without_a_fault {
            $(#[tokio::test] async fn $case() { crate::$module::$case(crate::subjects::quiet()).await; })*
        }
        mod dynamo {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() {
                crate::$module::$case(crate::subjects::dynamo().await.store).await;
            })*
        }
    };
}

contract! {
    events::putting_again_replaces,
    events::batches_are_bounded,
    events::one_id_at_two_times_is_two_events,
    events::a_look_up_answers_in_order,
    values::every_kind_of_value_comes_back,
    values::numbers_come_back_in_their_stored_form,
    values::deep_and_large_events_are_stored,
    values::one_culprit_fails_its_batch_and_no_other,
    rejected::putting_again_changes_nothing,
    rejected::every_payload_comes_back,
    rejected::pages_hold_every_item_once,
    users::the_earliest_day_stands,
    users::of_parallel_days_the_earliest_stands,
    users::new_users_are_counted_by_day,
    partials::versions_guard_every_write,
    partials::of_parallel_writes_one_succeeds,
    partials::a_partial_of_another_table_counts_as_absent,
    partials::a_partial_comes_back_as_it_was,
    partials::pages_hold_every_partial_once,
    checkpoints::they_only_move_forward,
    checkpoints::of_parallel_writes_the_largest_stands,
    checkpoints::a_checkpoint_of_another_table_counts_as_absent,
    checkpoints::a_mark_lasts_until_the_next_entry,
    checkpoints::a_listing_holds_those_of_both_followers,
    proofs::the_largest_number_stands,
    proofs::a_proof_comes_back_with_its_sources,
    proofs::a_proof_of_another_table_counts_as_absent,
    dailies::newer_figures_stay,
    dailies::newer_sketches_and_totals_stay,
    dailies::the_first_creation_stays,
    dailies::look_ups_answer_in_order,
    dailies::totals_come_by_date_up_to_a_day,
    browse::a_users_events_come_newest_first,
    browse::what_is_not_indexed_is_not_listed,
    budgets::a_listing_holds_the_alarms_from_a_month_on_and_all_budgets,
    budgets::an_alarm_is_claimed_once_until_it_is_stale_or_its_budget_is_larger,
    budgets::of_parallel_claims_one_succeeds,
    meta::the_first_record_stands,
    meta::binding_at_once_agrees_on_one_number,
    meta::a_table_of_another_deployment_is_refused,
    meta::only_the_record_that_was_read_is_replaced,
    meta::a_renewed_table_has_another_number,
}
