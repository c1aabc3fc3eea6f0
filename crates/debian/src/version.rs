//! The order of Debian's package versions (deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions `[epoch:]upstream[-revision]`.
///
/// ```
/// use saltire_debian::version::compare;
/// assert!(compare("1.0~rc1", "1.0").is_lt());
/// assert!(compare("1:0.9", "1.0").is_gt());
/// ```
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (split(left), split(right));
    compare_part(left.0, right.0)
        .then_with(|| compare_part(left.1, right.1))
        .then_with(|| compare_part(left.2, right.2))
}

/// The upstream version: without epoch and revision.
pub fn upstream(version: &str) -> &str {
    split(version).1
}

/// Epoch, upstream version, revision.
fn split(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Alternates between runs of other characters and numbers.
fn compare_part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let text = (take(&mut left, |b| !b.is_ascii_digit()), take(&mut right, |b| !b.is_ascii_digit()));
        let number = (take(&mut left, |b| b.is_ascii_digit()), take(&mut right, |b| b.is_ascii_digit()));
        let order = compare_text(text.0, text.1).then_with(|| compare_number(number.0, number.1));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn take<'a>(rest: &mut &'a [u8], belongs: impl Fn(&u8) -> bool) -> &'a [u8] {
    let length = rest.iter().take_while(|byte| belongs(byte)).count();
    let (taken, after) = rest.split_at(length);
    *rest = after;
    taken
}

/// `~` sorts before the end, the end before letters, letters before the rest.
fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    let weight = |text: &[u8], index: usize| match text.get(index) {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    (0..left.len().max(right.len()))
        .map(|index| weight(left, index).cmp(&weight(right, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length: without leading zeros, the longer is the greater.
fn compare_number(left: &[u8], right: &[u8]) -> Ordering {
    let trim = |digits: &[u8]| digits.iter().position(|&b| b != b'0').unwrap_or(digits.len());
    let (left, right) = (&left[trim(left)..], &right[trim(right)..]);
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = [
            "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0-10", "1.0a", "1.0+dfsg",
            "1.1", "1.9", "1.10", "1:0.1", "10:0",
        ];
        for (index, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), index.cmp(&other), "{left} against {right}");
            }
        }
        assert!(compare("1.00", "1.0").is_eq());
        assert!(compare("99999999999999999999999", "100000000000000000000000").is_lt());
    }

    #[test]
    fn upstream_part() {
        assert_eq!(upstream("2:3.8.2+dfsg-1"), "3.8.2+dfsg");
        assert_eq!(upstream("1.0"), "1.0");
    }
}
