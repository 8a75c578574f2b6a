//! Batches that succeed in part: some of their items never reach the table, and the answer says so as the service does.

use headcount_core::hash::hash64;
use serde_json::{Value, json};

use super::http::Message;

/// What was held back of a batch, to be put into its answer.
#[derive(Debug)]
pub(super) enum Split {
    /// Records of a stream, by their places: whether each was held back; and what decides how it is said.
    Records(Vec<bool>, u64),
    /// Writes or keys, under the name that the answer has for them.
    Unprocessed {
        /// The field of the answer.
        field: &'static str,
        /// What was held back, by table.
        items: Value,
    },
}

/// The part of a batch that goes on to the table, and what was held back; `None` for what is no batch of two items and
/// more.
pub(super) fn split(request: &Message, random: u64) -> Option<(Message, Split)> {
    let operation = request.header("x-amz-target")?.rsplit('.').next()?;
    let mut body: Value = serde_json::from_slice(&request.body).ok()?;
    let split = match operation {
        "PutRecords" => split_records(&mut body, random)?,
        "BatchWriteItem" => {
            Split::Unprocessed { field: "UnprocessedItems", items: hold_back(&mut body, |table| Some(table), random)? }
        }
        "BatchGetItem" => Split::Unprocessed {
            field: "UnprocessedKeys",
            items: hold_back(&mut body, |table| table.get_mut("Keys"), random)?,
        },
        _ => return None,
    };
    let body = body.to_string().into_bytes();
    Some((Message { body, ..request.clone() }, split))
}

/// A number from 0 to `below`, drawn for the item at `place`.
fn draw(random: u64, place: usize, below: u64) -> u64 {
    hash64(&[random, place as u64].map(u64::to_le_bytes).concat()) % below
}

/// Takes about half of the records away: one at least, and where there are several, not all.
fn split_records(body: &mut Value, random: u64) -> Option<Split> {
    let records = body["Records"].as_array_mut().filter(|records| records.len() > 1)?;
    let last = records.len() - 1;
    let places: Vec<_> =
        (0..records.len()).map(|place| place == 0 || (place != last && draw(random, place, 2) == 0)).collect();
    let mut place = 0;
    records.retain(|_| {
        place += 1;
        !places[place - 1]
    });
    Some(Split::Records(places, random))
}

/// Takes about half of a table's items away, and returns them in the request's own form. `list` finds the items in what
/// the request says of a table.
fn hold_back(body: &mut Value, list: impl Fn(&mut Value) -> Option<&mut Value>, random: u64) -> Option<Value> {
    let tables = body["RequestItems"].as_object_mut()?;
    let (name, table) = tables.iter_mut().next()?;
    let items = list(table)?.as_array_mut().filter(|items| items.len() > 1)?;
    let last = items.len() - 1;
    let mut held = Vec::new();
    let mut place = 0;
    items.retain(|item| {
        let stays = place == last || (place > 0 && draw(random, place, 2) == 0);
        if !stays {
            held.push(item.clone());
        }
        place += 1;
        stays
    });
    let mut of_table = table.clone();
    *list(&mut of_table)? = held.into();
    Some(json!({ name: of_table }))
}

impl Split {
    /// The table's answer to the rest, as an answer to the whole.
    pub(super) fn complete(self, answer: Message) -> Message {
        let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
        match self {
            Self::Records(places, random) => {
                let Some(records) = body["Records"].as_array_mut() else { return answer };
                let mut answered = std::mem::take(records).into_iter();
                let held_back = places.iter().filter(|held| **held).count() as u64;
                let said = |(place, held)| {
                    if held { record_error(draw(random, place, 32) == 0) } else { answered.next().unwrap_or_default() }
                };
                *records = places.into_iter().enumerate().map(said).collect();
                body["FailedRecordCount"] = (body["FailedRecordCount"].as_u64().unwrap_or(0) + held_back).into();
            }
            Self::Unprocessed { field, items } => {
                if body.get("__type").is_some() {
                    return answer;
                }
                body[field] = items;
            }
        }
        // A checksum of the body would no longer be one.
        let headers = answer.headers.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("x-amz-crc32"));
        Message { headers: headers.collect(), body: body.to_string().into_bytes(), ..answer }
    }
}

fn record_error(is_throttled: bool) -> Value {
    if is_throttled {
        json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard"})
    } else {
        json!({"ErrorCode": "InternalFailure", "ErrorMessage": "Internal service failure."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(operation: &str, body: &Value) -> Message {
        let headers = vec![("X-Amz-Target".to_owned(), format!("DynamoDB_20120810.{operation}"))];
        Message { start: "POST / HTTP/1.1".to_owned(), headers, body: body.to_string().into_bytes(), announced: None }
    }

    fn body(message: &Message) -> Value {
        serde_json::from_slice(&message.body).unwrap()
    }

    #[test]
    fn what_is_not_processed_comes_back_in_the_requests_form() {
        for random in 0..50 {
            let keys = json!((0..9).collect::<Vec<_>>());
            let whole = json!({"RequestItems": {"t": {"Keys": keys, "ConsistentRead": true}}});
            let (rest, split) = split(&request("BatchGetItem", &whole), random).unwrap();
            let answer = Message::answer(200, br#"{"Responses":{"t":[]},"UnprocessedKeys":{}}"#.to_vec());
            let answer = body(&split.complete(answer));
            let left = &answer["UnprocessedKeys"]["t"];
            assert_eq!(left["ConsistentRead"], true);
            let numbers = |value: &Value| value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            let mut all: Vec<u64> = numbers(&left["Keys"]);
            assert!(!all.is_empty() && all.len() < 9);
            all.extend::<Vec<u64>>(numbers(&body(&rest)["RequestItems"]["t"]["Keys"]));
            all.sort_unstable();
            assert_eq!(all, (0..9).collect::<Vec<_>>());
        }
        let whole = json!({"RequestItems": {"t": [1, 2, 3]}});
        let (rest, split) = split(&request("BatchWriteItem", &whole), 1).unwrap();
        let answer = body(&split.complete(Message::answer(200, b"{}".to_vec())));
        let left = answer["UnprocessedItems"]["t"].as_array().unwrap().len();
        assert_eq!(left + body(&rest)["RequestItems"]["t"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn every_record_keeps_its_place() {
        for random in 0..50 {
            let records: Vec<_> = (0..30).map(|n| json!({"Data": n})).collect();
            let (rest, split) = split(&request("PutRecords", &json!({"Records": records})), random).unwrap();
            let passed = body(&rest)["Records"].as_array().unwrap().clone();
            assert!(!passed.is_empty() && passed.len() < 30);
            let answered: Vec<_> = passed.iter().map(|one| json!({"SequenceNumber": one["Data"]})).collect();
            let whole = json!({"FailedRecordCount": 0, "Records": answered}).to_string().into_bytes();
            let answer = body(&split.complete(Message::answer(200, whole)));
            assert_eq!(answer["FailedRecordCount"], 30 - passed.len());
            for (place, one) in answer["Records"].as_array().unwrap().iter().enumerate() {
                let is_held = one["ErrorCode"].is_string();
                assert!(is_held != passed.contains(&records[place]) && (is_held || one["SequenceNumber"] == place));
            }
        }
    }

    #[test]
    fn what_is_no_batch_is_not_split() {
        for (operation, body) in [
            ("PutItem", json!({"Item": {}})),
            ("BatchExecuteStatement", json!({"Statements": [1]})),
            ("BatchWriteItem", json!({"RequestItems": {"t": [1]}})),
            ("BatchGetItem", json!({"RequestItems": {}})),
        ] {
            assert!(split(&request(operation, &body), 1).is_none(), "{operation}");
        }
    }
}
