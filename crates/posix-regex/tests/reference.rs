//! `cases.json` holds own cases with the results of the reference program:
//! `[kind, pattern, text, result]`, where kind is `match` or `split` (results as
//! the builtins of these names give them), `invalid` or `large`.

use saltire_posix_regex::{Group, Regex, RegexError};
use serde_json::{Value, json};

fn text_of(bytes: &[u8]) -> Value {
    json!(String::from_utf8_lossy(bytes))
}

fn groups_of(text: &[u8], groups: &[Group]) -> Value {
    let value = |group: &Group| group.clone().map_or(Value::Null, |range| text_of(&text[range]));
    Value::Array(groups.iter().map(value).collect())
}

fn split(regex: &Regex, text: &[u8]) -> Value {
    let mut result = Vec::new();
    let mut end = 0;
    for found in regex.find_iter(text) {
        result.push(text_of(&text[end..found.range.start]));
        result.push(groups_of(text, &found.groups));
        end = found.range.end;
    }
    result.push(text_of(&text[end..]));
    Value::Array(result)
}

fn result_of(kind: &str, pattern: &str, text: &str) -> Value {
    let text = text.as_bytes();
    match (kind, Regex::new(pattern.as_bytes())) {
        ("match", Ok(regex)) => {
            let groups = regex.full_match(text);
            assert_eq!(groups.is_some(), regex.is_full_match(text), "{pattern:?}");
            groups.map_or(Value::Null, |groups| groups_of(text, &groups))
        }
        ("split", Ok(regex)) => split(&regex, text),
        ("invalid", Err(RegexError::Invalid { .. })) | ("large", Err(RegexError::TooLarge { .. })) => {
            Value::Null
        }
        (_, result) => json!(format!("unexpected: {:?}", result.map(|_| ()))),
    }
}

#[test]
fn results_are_those_of_the_reference() {
    let cases: Value = serde_json::from_str(include_str!("cases.json")).expect("valid JSON");
    let mut wrong = Vec::new();
    for case in cases.as_array().expect("a list") {
        let [kind, pattern, text] = [0, 1, 2].map(|field| case[field].as_str().expect("a string"));
        let result = result_of(kind, pattern, text);
        if result != case[3] {
            wrong.push(format!("{kind} {pattern:?} {text:?}: {result}, not {}", case[3]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn exponential_patterns_end_soon() {
    let text = "a".repeat(2_000);
    for pattern in ["(a*)*b", "(a|aa)+b", "((a+)+)+b", "(.*)(.*)(.*)(.*)b", "(a?){50}(a){50}b"] {
        let regex = Regex::new(pattern.as_bytes()).expect("valid");
        assert_eq!(regex.full_match(text.as_bytes()), None);
        assert_eq!(regex.find_iter(text.as_bytes()).count(), 0);
    }
}

#[test]
fn depth_and_length_do_not_matter() {
    let depth = 20_000;
    let pattern = "(".repeat(depth) + "a" + &")".repeat(depth);
    let regex = Regex::new(pattern.as_bytes()).expect("valid");
    assert_eq!(regex.group_count(), depth);
    assert!(regex.full_match(b"a").is_some());
    let text = "ab".repeat(200_000);
    let regex = Regex::new(b"((a)|(b))*").expect("valid");
    let groups = regex.full_match(text.as_bytes()).expect("matches");
    assert_eq!(groups[0], Some(text.len() - 1..text.len()));
}

#[test]
fn searching_a_long_text_for_a_short_pattern() {
    let text = "some words here\n".repeat(5_000);
    let regex = Regex::new(b"[ \n]+").expect("valid");
    assert_eq!(regex.find_iter(text.as_bytes()).count(), 15_000);
}

#[test]
fn errors_say_what_is_wrong() {
    let error = Regex::new(b"[[:foo:]]").expect_err("unknown class");
    assert_eq!(error.to_string(), "invalid regular expression '[[:foo:]]'");
    let RegexError::Invalid { reason, offset, .. } = error else {
        panic!("another error: {error}");
    };
    assert_eq!((reason, offset), ("an unknown class or symbol in brackets", 8));
}
