use super::*;
use proptest::prelude::*;

fn aggregate(message: &[u8]) -> Vec<u8> {
    let digest = Md5::digest(message);
    [&MAGIC[..], message, &digest].concat()
}

fn damage(message: &[u8]) -> Damage {
    match take_apart(&aggregate(message)) {
        Err(RecordError::Aggregate { damage }) => damage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_it_cannot_be_is_damage() {
    for short in [&MAGIC[..], &[&MAGIC[..], &[0; 15]].concat()] {
        assert_eq!(take_apart(short), Err(RecordError::Aggregate { damage: Damage::Short }));
    }
    let mut other = aggregate(b"");
    other[7] ^= 1;
    assert_eq!(take_apart(&other), Err(RecordError::Aggregate { damage: Damage::Checksum }));
    for cut in [
        &b"\x0a"[..],
        b"\x0a\x05ab",
        b"\x1a\xff\xff\xff\xff\x0f",
        b"\x0f",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert!(matches!(damage(cut), Damage::Message(_)), "{cut:?}");
    }
    // A key that is no text; a record whose data is a number.
    assert!(matches!(damage(b"\x0a\x01\xff"), Damage::Message(_)));
    assert!(matches!(damage(b"\x0a\x01k\x1a\x04\x08\x00\x18\x00"), Damage::Message(_)));
    // Keys that are in no table.
    assert_eq!(damage(b"\x1a\x04\x08\x00\x1a\x00"), Damage::Index { record: 0 });
    assert_eq!(damage(b"\x0a\x01k\x1a\x06\x08\x00\x10\x00\x1a\x00"), Damage::Index { record: 0 });
    assert_eq!(damage(b"\x0a\x01k\x1a\x04\x08\x00\x1a\x00\x1a\x04\x08\x01\x1a\x00"), Damage::Index { record: 1 });
}

#[test]
fn an_empty_one_holds_nothing_and_unknown_fields_are_skipped() {
    assert_eq!(take_apart(&aggregate(b"")), Ok(vec![]));
    // A number, eight bytes, bytes and four bytes under other tags; tags in the record.
    let message = b"\x30\x05\x39\x01\x02\x03\x04\x05\x06\x07\x08\x42\x01x\x4d\x01\x02\x03\x04\x0a\x01k\x1a\x0b\x08\x00\x1a\x02{}\x22\x03\x0a\x01t";
    assert_eq!(take_apart(&aggregate(message)), Ok(vec![b"{}".to_vec()]));
}

#[test]
fn countless_records_and_keys_are_refused_before_anything_is_made_of_them() {
    let empty_records = b"\x1a\x00".repeat(500_000);
    assert_eq!(take_apart(&aggregate(&empty_records)), Err(RecordError::TooManyEvents { count: 500_000 }));
    let records = |count: usize| aggregate(&[&b"\x0a\x01k"[..], &b"\x1a\x04\x08\x00\x1a\x00".repeat(count)].concat());
    assert_eq!(take_apart(&records(MAX_SUB_RECORDS)).unwrap().len(), MAX_SUB_RECORDS);
    assert!(matches!(take_apart(&records(MAX_SUB_RECORDS + 1)), Err(RecordError::TooManyEvents { .. })));
    for keys in [b"\x0a\x00", b"\x12\x00"] {
        assert_eq!(damage(&keys.repeat(MAX_SUB_RECORDS + 1)), Damage::Table);
    }
}

proptest! {
    #[test]
    fn what_is_put_together_is_taken_apart(
        records in prop::collection::vec(("[a-z]{0,8}", prop::collection::vec(any::<u8>(), 0..50)), 0..30)
    ) {
        let mut aggregate = Aggregate::new("7");
        let empty = aggregate.finish().len();
        let mut cost = empty;
        for (key, data) in &records {
            cost += Aggregate::cost(key, data.len());
            aggregate.push(key, data.clone());
        }
        let bytes = aggregate.finish();
        prop_assert!(bytes.len() <= cost, "{} of {cost}", bytes.len());
        let data: Vec<_> = records.into_iter().map(|(_, data)| data).collect();
        prop_assert_eq!(take_apart(&bytes).unwrap(), data);
    }

    #[test]
    fn no_message_causes_a_panic(message in any::<Vec<u8>>()) {
        let _ = take_apart(&aggregate(&message));
    }

    #[test]
    fn damage_anywhere_is_found(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut whole = Aggregate::new("7");
        whole.push("k", b"{}".repeat(20));
        let mut bytes = whole.finish();
        // The magic number may become another form's; all else is under the checksum.
        let at = MAGIC.len() + at.index(bytes.len() - MAGIC.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(take_apart(&bytes), Err(RecordError::Aggregate { damage: Damage::Checksum }));
    }
}
