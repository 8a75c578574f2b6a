use super::*;

#[test]
fn the_first_byte_that_is_not_plain_is_found_wherever_it_is() {
    for byte in 0..=255u8 {
        let is_plain = (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        for behind in [b'a', b'"', 0x80, 0x1f] {
            for place in 0..38 {
                let mut bytes = [b'x'; 40];
                bytes[place] = byte;
                bytes[place + 1] = behind;
                let first = if is_plain { place + 1 } else { place };
                let expected = if is_plain && behind == b'a' { 40 } else { first };
                assert_eq!(plain_until(&bytes, 0), expected, "{byte:#x} at {place}, then {behind:#x}");
            }
        }
    }
}

fn read(text: &str) -> Option<(Kind, &str)> {
    let mut cursor = Cursor::new(text);
    let token = cursor.value(0)?;
    cursor.is_at_end().then(|| (token.kind, token.of(text)))
}

#[test]
fn what_is_clean_is_stepped_over() {
    for text in ["0", "-1", "12.50", "999999999999999", "0.5", "1e1", "-0", "01", "1.", ".5", "-", "1234567890123456"] {
        let is_usual = ["0", "-1", "12.50", "999999999999999", "0.5"].contains(&text);
        assert_eq!(read(text), is_usual.then_some((Kind::Number, text)), "{text}");
    }
    for (text, token) in [
        (r#""""#, Some((Kind::Text, ""))),
        (r#""a b""#, Some((Kind::Text, "a b"))),
        (r#""ü""#, Some((Kind::Text, "ü"))),
        (r#""a\"b""#, Some((Kind::Escaped, r#"a\"b"#))),
        (r#"{"a": [1, true, {"b": {}}], "c":"d"}"#, Some((Kind::Other, ""))),
        ("[]", Some((Kind::Other, ""))),
    ] {
        assert_eq!(read(text), token, "{text}");
    }
    for text in [
        r#"" a""#,
        r#""a ""#,
        r#"" ""#,
        r#""\n a""#,
        r#""a\n""#,
        r#""a\u0041""#,
        "\"\u{a0}a\"",
        "\"a\u{2003}\"",
        "\"a\u{85}b\"",
        "\"\u{7f}\"",
        r#""open"#,
        r#"{"a":1,"a":2}"#,
        r#"{"":1}"#,
        r#"{"a":null}"#,
        "[null]",
        r#"{"a":1,}"#,
        "[1,]",
        "[1",
        "{\"a\"\n:1}",
        "tru",
        "nul",
        "",
        "[[[[[[[[[]]]]]]]]]",
        r#"{"a\"":1}"#,
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    let many: Vec<_> = (0..=MAX_NAMES).map(|n| format!("\"{n}\":{n}")).collect();
    assert_eq!(read(&format!("{{{}}}", many.join(","))), None);
    assert_eq!(read(&format!("{{{}}}", many[1..].join(","))), Some((Kind::Other, "")));
}
