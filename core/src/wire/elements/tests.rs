use super::*;

/// An event of this id, as a client writes it.
fn event(id: u32) -> String {
    format!(
        r#"{{"eventId":"e-{id}","userId":"u","sessionId":"s","eventType":"page_view","eventData":{{"items":[{{"a":{id}}},{{"b":"}},{{"}}]}},"metadata":{{"platform":"web"}}}}"#
    )
}

fn texts(data: &[u8]) -> Vec<String> {
    Elements::of(data).map(|range| String::from_utf8_lossy(&data[range]).into_owned()).collect()
}

/// The elements of the data in which `{n}` stands for event n.
#[track_caller]
fn check(data: &str, elements: &[&str]) {
    let filled = |text: &str| (0..4).fold(text.to_owned(), |text, n| text.replace(&format!("{{{n}}}"), &event(n)));
    let wanted: Vec<_> = elements.iter().map(|text| filled(text)).collect();
    assert_eq!(texts(filled(data).as_bytes()), wanted, "{data}");
}

#[test]
fn what_is_sound_is_found_in_whatever_order_and_form() {
    check("{0}{1}", &["{0}", "{1}"]);
    check("{0} \n,{1},,\n[{2}]", &["{0}", "{1}", "{2}"]);
    check("[{0},{1}]\n[{2}][]", &["{0}", "{1}", "{2}"]);
    check("\u{1e}{0}\n\u{1e}{1}\n", &["{0}", "{1}"]);
    check("[{0},7,\"x\",null,true]", &["{0}", "7", "\"x\"", "null", "true"]);
    check("[[[[ ,]", &[]);
}

#[test]
fn damage_costs_one_element() {
    check("[{0},{\"a\":NaN},{1}]", &["{0}", "{\"a\":NaN}", "{1}"]);
    check("[{0},NaN,{1}]", &["{0}", "NaN", "{1}"]);
    check("[{0},{1},]", &["{0}", "{1}"]);
    check("[{0},{1}", &["{0}", "{1}"]);
    check("[{0},{\"eventId\":\"half", &["{0}", "{\"eventId\":\"half"]);
    check("x{0},{1}]", &["x", "{0}", "{1}"]);
    check("{0}x{1}", &["{0}", "x", "{1}"]);
    // A quote that is lost turns all that follows inside out.
    check(
        "[{0},{\"userId:\"u\",\"list\":[{\"a\":1}]},{1},{2}]",
        &["{0}", "{\"userId:\"u\",\"list\":[{\"a\":1}]}", "{1}", "{2}"],
    );
    // A brace that is lost.
    check("[{0},\"eventId\":\"e\",\"metadata\":{}},{1}]", &["{0}", "\"eventId\":\"e\",\"metadata\":{}}", "{1}"]);
    check("[{0},{\"metadata\":{\"a\":1},{1}]", &["{0}", "{\"metadata\":{\"a\":1}", "{1}"]);
}

#[test]
fn each_of_many_damaged_elements_counts() {
    let damaged = |n: usize| format!("{{\"eventId\":\"e-{n}\",\"eventData\":{{\"cost\":NaN,\"in\":[{{\"a\":1}}]}}}}");
    let all: Vec<_> = (0..500).map(damaged).collect();
    assert_eq!(texts(format!("[{}]", all.join(",")).as_bytes()), all);
    assert_eq!(texts(all.concat().as_bytes()), all);
}

#[test]
fn bytes_that_are_no_text_are_damage() {
    let data = [event(0).as_bytes(), b",{\"a\":\"\xff\"},", event(1).as_bytes()].concat();
    let elements: Vec<_> = Elements::of(&data).collect();
    assert_eq!((elements.len(), &data[elements[1].clone()]), (3, &b"{\"a\":\"\xff\"}"[..]));
}

#[test]
fn of_a_beginning_only_whole_elements_are_taken() {
    let text = format!("[{}, {}, 12", event(0), event(1));
    for cut in 0..text.len() {
        let mut elements = Elements::of_beginning(&text.as_bytes()[..cut]);
        let found: Vec<_> = elements.by_ref().map(|range| text[range].to_owned()).collect();
        let whole = [1 + event(0).len(), 3 + event(0).len() + event(1).len()];
        assert_eq!(found.len(), whole.iter().filter(|end| cut >= **end).count(), "{cut}");
        assert!(found.iter().zip([event(0), event(1)]).all(|(found, event)| *found == event));
        assert!(elements.at() <= cut);
    }
}

#[test]
fn hostile_data_costs_no_more_than_some_records() {
    // Each of these looks like an element that never ends.
    for hostile in [
        "{\"a\":[",
        "{x",
        "{\"eventId\":[{\"userId\":",
        "[{\"a\":1,",
        "{\"",
        "},{\"eventId\":\"",
        "{\"a\":{},\"b\":[1,2],",
    ] {
        let data = hostile.repeat((1 << 20) / hostile.len());
        assert!(Elements::of(data.as_bytes()).count() > 0, "{hostile}");
    }
}
