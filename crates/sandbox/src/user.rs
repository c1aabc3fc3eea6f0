//! Users of the machine that builds of root run as.

use rustix::thread::CapabilitySet;

use crate::spec::BuildUser;

/// First numbers of the ranges that build users come from, the most wanted first:
/// where Nix takes its automatically allocated ones (`start-id`, which is far above
/// those of people and services), and, for containers whose root has only some
/// 65,536 numbers, where its installer makes its build users.
const RANGES: [u32; 2] = [872_415_232, 30_001];

/// How far apart the users of [`RANGES`]' first range are, as Nix has them.
const STRIDE: u32 = 65_536;

impl BuildUser {
    /// How many there are.
    pub const COUNT: u32 = 128;

    /// One of [`Self::COUNT`] users that nothing else on the machine should be,
    /// without any being set up. `None` if this process can't make a process of that
    /// user: it is not root, or a root of a container without such users.
    ///
    /// Two builds at the same time should not have the same.
    pub fn numbered(number: u32) -> Option<Self> {
        let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::CHOWN;
        let own = rustix::thread::capabilities(None).ok()?.effective;
        if !rustix::process::geteuid().is_root() || !own.contains(needed) {
            return None;
        }
        let map = |file| std::fs::read_to_string(file).unwrap_or_default();
        choose(number, &map("/proc/self/uid_map"), &map("/proc/self/gid_map"))
    }
}

fn choose(number: u32, uid_map: &str, gid_map: &str) -> Option<BuildUser> {
    let number = number % BuildUser::COUNT;
    let candidates = [RANGES[0] + number * STRIDE, RANGES[1] + number];
    let usable = |id: &u32| is_mapped(*id, uid_map) && is_mapped(*id, gid_map);
    candidates.into_iter().find(usable).map(|id| BuildUser { uid: id, gid: id })
}

/// Whether a user or group exists in a namespace with that map. Lines: first number
/// inside, first outside, count.
fn is_mapped(id: u32, map: &str) -> bool {
    map.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
        let first = words.next().flatten();
        let count = words.nth(1).flatten();
        first.zip(count).is_some_and(|(first, count)| (first..first + count).contains(&id.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: u32, map: &str, expected: Option<u32>) {
        assert_eq!(choose(number, map, map), expected.map(|id| BuildUser { uid: id, gid: id }), "{map}");
    }

    #[test]
    fn users_that_exist_are_chosen() {
        let all = "         0          0 4294967295\n";
        check(0, all, Some(872_415_232));
        check(2, all, Some(872_415_232 + 131_072));
        check(130, all, Some(872_415_232 + 131_072));
        check(2, "0 1000 1\n1 100000 65536\n", Some(30_003));
        check(2, "0 1000 1\n", None);
        check(2, "0 x 1\n0\n", None);
    }
}
