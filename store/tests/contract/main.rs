//! What every store must do, run on each: in memory, around it the faulty one without a fault, and DynamoDB's adapter
//! through the real SDK against an embedded server.

mod rows;
mod subjects;

mod browse;
mod dailies;
mod deployment;
mod events;
mod inserts;
mod items;
mod partials;
mod rejected;
mod spans;
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
    events::the_first_insert_stands,
    events::of_parallel_inserts_one_succeeds,
    events::batches_are_bounded,
    events::one_id_at_two_times_is_two_events,
    events::a_look_up_answers_in_order,
    spans::a_span_takes_its_first_millisecond_and_not_its_last,
    spans::a_span_without_room_is_an_empty_page,
    spans::write_shards_divide_a_date,
    spans::pages_hold_every_event_once_in_order,
    values::every_kind_of_value_comes_back,
    values::numbers_come_back_in_their_stored_form,
    values::deep_and_large_events_are_stored,
    values::only_the_culprit_is_refused,
    rejected::putting_again_changes_nothing,
    rejected::every_payload_is_taken,
    rejected::pages_hold_every_item_once,
    users::the_earliest_day_stands,
    users::of_parallel_days_the_earliest_stands,
    users::new_users_are_counted_by_day_and_shard,
    partials::versions_guard_every_write,
    partials::of_parallel_writes_one_succeeds,
    partials::a_partial_comes_back_as_it_was,
    partials::pages_hold_every_partial_once,
    dailies::newer_figures_stay,
    dailies::newer_sketches_and_totals_stay,
    dailies::the_first_creation_stays,
    dailies::look_ups_answer_in_order,
    dailies::totals_come_by_date_up_to_a_day,
    browse::partials_of_many_dates_come_once,
    browse::a_users_events_come_newest_first,
    browse::rejected_items_are_shown_newest_first,
    deployment::the_first_record_stands,
    deployment::opening_at_once_agrees,
}
