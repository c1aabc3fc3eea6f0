//! Paths as text: absolute, without `.`, `..`, `//` or a slash at the end.

/// The normal form of an absolute path; `..` at the root stays at the root.
pub fn normalise(path: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let end = normal.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                normal.truncate(end);
            }
            name => {
                normal.push(b'/');
                normal.extend_from_slice(name);
            }
        }
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    normal
}

/// What `dirOf` gives: all before the last slash, `.` if there is none.
pub fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        None => b".",
        Some(0) => b"/",
        Some(slash) => &path[..slash],
    }
}

/// What `baseNameOf` gives: the last component; one slash at the end does not count.
pub fn base_name(path: &[u8]) -> &[u8] {
    let path = if path.len() > 1 { path.strip_suffix(b"/").unwrap_or(path) } else { path };
    match path.iter().rposition(|byte| *byte == b'/') {
        None => path,
        Some(slash) => &path[slash + 1..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised() {
        let check = |path: &str, normal: &str| assert_eq!(normalise(path.as_bytes()), normal.as_bytes());
        check("/a//b/./c/", "/a/b/c");
        check("/a/../../b", "/b");
        check("/..", "/");
        check("/", "/");
    }
}
