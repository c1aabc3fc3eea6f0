//! Which platform's programs a machine runs without an emulator.

use crate::platform::Platform;

/// How a machine of one platform runs programs of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// They are the machine's own.
    Native,
    /// They are an older or smaller form of the machine's own programs. With
    /// `personality32`, a build should run with the 32-bit personality, so that
    /// `uname -m` names the smaller machine.
    Compatible {
        /// Whether to set Linux's `PER_LINUX32`.
        personality32: bool,
    },
    /// Some processors or kernels of the build platform run them: try.
    Perhaps {
        /// Whether to set Linux's `PER_LINUX32`.
        personality32: bool,
    },
    /// Only with an emulator, or not at all.
    Foreign,
}

/// How a machine that is `build` runs programs for `host`.
pub fn execution(build: &Platform, host: &Platform) -> Execution {
    if build.kernel != host.kernel || build.is_embedded() {
        return Execution::Foreign;
    }
    let (build_cpu, host_cpu) = (build.cpu(), host.cpu());
    let personality32 = build_cpu.bits == 64 && host_cpu.bits == 32;
    // Same CPU, but 32-bit pointers (x32, n32): a kernel option.
    let narrow = |platform: &Platform| platform.elf.is_some_and(|elf| elf.class.bits() < platform.cpu().bits);
    if build_cpu.name == host_cpu.name {
        return if narrow(host) && !narrow(build) {
            Execution::Perhaps { personality32: false }
        } else {
            Execution::Native
        };
    }
    if build_cpu.executes.contains(&host_cpu.name) {
        Execution::Compatible { personality32 }
    } else if build_cpu.may_execute.contains(&host_cpu.name) {
        Execution::Perhaps { personality32 }
    } else {
        Execution::Foreign
    }
}

/// Whether a machine that is `build` certainly runs programs for `host` without
/// an emulator.
pub fn can_execute(build: &Platform, host: &Platform) -> bool {
    matches!(execution(build, host), Execution::Native | Execution::Compatible { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup;

    fn check(build: &str, host: &str, expected: Execution) {
        let [build, host] = [build, host].map(|name| lookup(name).expect(name));
        assert_eq!(execution(build, host), expected);
    }

    #[test]
    fn what_runs_what() {
        let perhaps = |personality32| Execution::Perhaps { personality32 };
        let compatible = |personality32| Execution::Compatible { personality32 };
        check("x86_64-linux", "x86_64-linux", Execution::Native);
        check("x86_64-linux", "musl64", Execution::Native);
        check("x86_64-linux", "i686-linux", compatible(true));
        check("i686-linux", "x86_64-linux", Execution::Foreign);
        check("x86_64-linux", "gnux32", perhaps(false));
        check("x86_64-linux", "riscv64", Execution::Foreign);
        check("x86_64-linux", "mingwW64", Execution::Foreign);
        check("x86_64-linux", "x86_64-embedded", Execution::Foreign);
        check("aarch64-linux", "armv7l-linux", perhaps(true));
        check("armv7l-linux", "armv5tel-linux", compatible(false));
        check("armv5tel-linux", "armv7l-linux", Execution::Foreign);
        check("mips-linux", "mipsel-linux", Execution::Foreign);
    }
}
