//! Rust sources: what they may not hold.

use crate::project::has_extension;

/// What no line of code may hold, and what to do instead.
const FORBIDDEN: [(&str, &str); 6] = [
    ("todo!", "write it"),
    ("unimplemented!", "write it"),
    ("dbg!", "remove it"),
    ("#[ignore", "a test that does not run tests nothing"),
    ("#[allow(", "say #[expect(..., reason = ...)]"),
    ("thread::sleep", "wait for a condition"),
];

/// Whether the path is one of a Rust source.
pub(crate) fn is_source(path: &str) -> bool {
    has_extension(path, "rs")
}

/// Whether the whole file is test code.
pub(crate) fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.split('/').any(|folder| folder == "tests")
}

/// What is wrong with a source file.
pub(crate) fn complaints(path: &str, text: &str) -> Vec<String> {
    found(path, &without_text(text), &FORBIDDEN)
}

/// A complaint for each line of code that holds one of `forbidden` as a word of its own.
pub(crate) fn found(path: &str, code: &str, forbidden: &[(&str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for (what, why) in forbidden {
            if has_word(line, what) {
                complaints.push(format!("{path}:{}: `{what}`: {why}", number + 1));
            }
        }
    }
    complaints
}

/// Whether `what` occurs where no longer name goes on to its left or right.
fn has_word(line: &str, what: &str) -> bool {
    let part_of_name = |at: Option<char>| at.is_some_and(|at| at.is_alphanumeric() || at == '_');
    let (open_left, open_right) = (part_of_name(what.chars().next()), part_of_name(what.chars().last()));
    line.match_indices(what).any(|(at, _)| {
        let left = part_of_name(line[..at].chars().next_back());
        let right = part_of_name(line[at + what.len()..].chars().next());
        !(left && open_left || right && open_right)
    })
}

/// The source with comments and the insides of string and character literals left out; line breaks stay.
pub(crate) fn without_text(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let before = code.chars().next_back();
        let taken = comment(rest).or_else(|| literal(rest, before));
        if let Some(length) = taken {
            code.push(' ');
            code.extend(rest[..length].chars().filter(|at| *at == '\n'));
            rest = &rest[length..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// The length of the comment that `rest` begins with.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let step = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => 1,
            [b'*', b'/', ..] => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// The length of the string or character literal that `rest` begins with.
fn literal(rest: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|before| before.is_alphanumeric() || before == '_') {
        return None;
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let hashes_left = rest.strip_prefix(prefix).map(|rest| rest.trim_start_matches('#'));
        let raw = prefix.ends_with('r');
        hashes_left.is_some_and(|left| left.starts_with('"')) && (raw || rest[prefix.len()..].starts_with('"'))
    });
    let Some(prefix) = prefix else { return character(rest) };
    let body = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let start = prefix.len() + hashes + 1;
        return Some(rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()));
    }
    Some(prefix.len() + closing(body, b'"'))
}

/// The length of a character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('b').unwrap_or(rest);
    let inside = body.strip_prefix('\'')?;
    let one = inside.chars().next()?.len_utf8();
    let is_literal = inside.starts_with('\\') || inside.get(one..)?.starts_with('\'');
    is_literal.then(|| rest.len() - body.len() + closing(body, b'\''))
}

/// The length up to and with the closing quote, backslashes skipped; `quoted` begins with the opening one.
fn closing(quoted: &str, quote: u8) -> usize {
    let bytes = quoted.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The code without its inline test modules: from `#[cfg(test)]` to the brace that closes what follows.
pub(crate) fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut until: Option<String> = None;
    let mut begins = false;
    for line in code.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if let Some(end) = &until {
            if line == end {
                until = None;
            }
        } else if line.trim() == "#[cfg(test)]" {
            begins = true;
        } else if begins {
            // `mod tests;` ends here; `mod tests {` at the closing brace of the same indent.
            begins = line.trim_start().starts_with("#[");
            until = line.trim_end().ends_with('{').then(|| format!("{indent}}}"));
        } else {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

#[test]
fn unfinished_files_are_named() {
    for (bad, clean) in [
        ("fn a() { todo!() }", "// todo!()"),
        ("fn a() {\n    unimplemented!(\"x\") }", "let a = \"unimplemented!()\";"),
        ("let a = dbg!(1);", "let a = my_dbg!(1);"),
        ("#[ignore = \"slow\"]", "/* /* #[ignore] */ #[ignore] */"),
        ("#[allow(dead_code)]", "#[expect(dead_code)] // not #[allow(dead_code)]"),
        ("std::thread::sleep(second);", "let a = r#\"\"thread::sleep\"#;"),
    ] {
        assert_eq!(complaints("a.rs", bad).len(), 1, "{bad}");
        assert!(complaints("a.rs", clean).is_empty(), "{clean}");
    }
    assert_eq!(complaints("a.rs", "\n\ntodo!()"), ["a.rs:3: `todo!`: write it"]);
}

#[test]
fn comments_and_literals_are_left_out_and_nothing_else() {
    for (source, code) in [
        ("a // b\nc", "a  \nc"),
        ("a /* b\n /* c */ */ d", "a  \n d"),
        ("f(\"a\\\"b // c\", 'x', '\"', '\\'', b'y', b\"z\")", "f( ,  ,  ,  ,  ,  )"),
        ("fn f<'a>(a: &'a str) {}", "fn f<'a>(a: &'a str) {}"),
        ("r#\"a\"b\"# + r\"c\" + br##\"d\"# \"##", "  +   +  "),
        ("r#type + 1", "r#type + 1"),
        ("let é = 'é';", "let é =  ;"),
        ("\"never closed", " "),
    ] {
        assert_eq!(without_text(source), code, "{source}");
    }
}

#[test]
fn inline_test_modules_are_left_out() {
    let source = "a\n#[cfg(test)]\nmod tests {\n    mod b {\n    }\n}\nc\n#[cfg(test)]\nmod more;\nd\n";
    let kept = without_tests(source);
    assert_eq!(kept.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>(), ["a", "c", "d"]);
    assert_eq!(kept.lines().count(), source.lines().count());
}
