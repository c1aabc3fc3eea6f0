//! Version strings: their components, their order, and package names that end
//! in a version. Pure functions on bytes, after the Nix manual.

use std::cmp::Ordering;

/// Takes the next component off `rest`: a run of digits, or a run of characters
/// that are neither digits nor separators. Separators (`.` and `-`) before it
/// are skipped. Empty at the end.
pub(crate) fn next_component<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let start = rest.iter().position(|byte| !matches!(byte, b'.' | b'-')).unwrap_or(rest.len());
    let text = &rest[start..];
    let in_component: fn(&u8) -> bool = match text.first() {
        Some(first) if first.is_ascii_digit() => u8::is_ascii_digit,
        _ => |byte| !byte.is_ascii_digit() && !matches!(byte, b'.' | b'-'),
    };
    let length = text.iter().position(|byte| !in_component(byte)).unwrap_or(text.len());
    *rest = &text[length..];
    &text[..length]
}

/// The number that a component is, if it fits 32 bits. Longer runs of digits
/// compare as text, as in the reference.
fn number(component: &[u8]) -> Option<i32> {
    if !component.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(component).ok()?.parse().ok()
}

fn component_is_less(left: &[u8], right: &[u8]) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left < right,
        (_, Some(_)) if left.is_empty() => true,
        _ if left == b"pre" => right != b"pre",
        _ if right == b"pre" => false,
        (_, Some(_)) => true,
        (Some(_), _) => false,
        (None, None) => left < right,
    }
}

/// Compares two versions component by component. `pre` comes before everything,
/// letters before numbers, and a missing component before a number.
pub fn compare_versions(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (a, b) = (next_component(&mut left), next_component(&mut right));
        if component_is_less(a, b) {
            return Ordering::Less;
        }
        if component_is_less(b, a) {
            return Ordering::Greater;
        }
    }
    Ordering::Equal
}

/// Splits a package name such as `hello-2.10` at the first dash that no letter
/// follows. Without such a dash the version is empty.
pub(crate) fn split_package_name(name: &[u8]) -> (&[u8], &[u8]) {
    let dash = name.windows(2).position(|pair| pair[0] == b'-' && !pair[1].is_ascii_alphabetic());
    match dash {
        Some(dash) => (&name[..dash], &name[dash + 1..]),
        None => (name, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_versions() {
        let ascending = [
            ("1.0", "2.3"),
            ("2.1", "2.3"),
            ("2.3", "2.5"),
            ("2.3", "2.3.1"),
            ("2.3a", "2.3.1"),
            ("2.3pre1", "2.3"),
            ("2.3pre3", "2.3pre12"),
            ("2.3a", "2.3c"),
            ("2.3pre1", "2.3c"),
            ("2.3pre1", "2.3q"),
            ("", "1"),
            ("a", "1"),
            ("pre", "a"),
            // Too large for a number, hence compared as text.
            ("30000000000", "4000000000"),
        ];
        for (less, more) in ascending {
            let (less, more) = (less.as_bytes(), more.as_bytes());
            assert_eq!(compare_versions(less, more), Ordering::Less, "{less:?}");
            assert_eq!(compare_versions(more, less), Ordering::Greater, "{less:?}");
            assert_eq!(compare_versions(more, more), Ordering::Equal);
        }
        assert_eq!(compare_versions(b"2.3", b"2-3."), Ordering::Equal);
        assert_eq!(compare_versions(b"007", b"7"), Ordering::Equal);
    }

    #[test]
    fn names_and_versions() {
        let split = |name: &'static str| {
            let (name, version) = split_package_name(name.as_bytes());
            (name.to_vec(), version.to_vec())
        };
        let pair = |a: &str, b: &str| (a.as_bytes().to_vec(), b.as_bytes().to_vec());
        assert_eq!(split("hello-2.10"), pair("hello", "2.10"));
        assert_eq!(split("apache-httpd-2.0.48"), pair("apache-httpd", "2.0.48"));
        assert_eq!(split("a--b"), pair("a", "-b"));
        assert_eq!(split("gcc-"), pair("gcc-", ""));
        assert_eq!(split(""), pair("", ""));
    }
}
