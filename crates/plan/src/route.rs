//! Which variant of a package to build for a host platform.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// How the user wants things to be built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Whatever is best.
    #[default]
    Auto,
    /// By cross toolchain.
    Cross,
    /// By emulated tools of the host platform.
    Emulate,
    /// By this machine's own tools, without emulation.
    Native,
    /// On another machine.
    Remote,
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => Via::Auto,
            "cross" => Via::Cross,
            "emulate" => Via::Emulate,
            "native" => Via::Native,
            "remote" => Via::Remote,
            _ => return Err(format!("'{text}' is not one of auto, cross, emulate, native, remote")),
        })
    }
}

/// A variant of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Of the package set whose build platform and host platform are this machine's.
    Native,
    /// Of the package set with this machine's platform as build platform and `crossSystem`.
    Cross,
    /// Of the package set whose build platform is the host platform.
    Emulate,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Route::Native => "native",
            Route::Cross => "cross",
            Route::Emulate => "emulate",
        })
    }
}

/// What the choice depends on.
#[derive(Clone, Debug)]
pub struct RouteFacts<'a> {
    /// The name of this machine's platform, for messages.
    pub build: &'a str,
    /// The name of the platform that is asked for, for messages.
    pub host: &'a str,
    /// Whether the two are the same platform.
    pub same: bool,
    /// Whether this machine's processor and kernel run the host platform's programs.
    pub can_execute: bool,
    /// The emulator for the host platform's programs, or why there is none.
    pub emulator: Result<&'a str, String>,
    /// Whether the host platform has native packages to bootstrap from.
    pub native_set: bool,
    /// Whether another machine builds for the host platform.
    pub remote_host: bool,
    /// Whether another machine builds for this machine's platform.
    pub remote_build: bool,
}

/// A variant to try, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteChoice {
    /// The variant.
    pub route: Route,
    /// Why it stands where it stands.
    pub reason: String,
}

/// Why there is no way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoute {
    /// What was asked for and why it can't be had.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// The variants to try, best first.
pub fn routes(via: Via, facts: &RouteFacts<'_>) -> Result<Vec<RouteChoice>, NoRoute> {
    let RouteFacts { build, host, .. } = facts;
    let native =
        || RouteChoice { route: Route::Native, reason: format!("{host} is this machine's own platform") };
    match via {
        Via::Remote => remote(facts).map(|choice| vec![choice]),
        _ if facts.same && via == Via::Cross => Ok(vec![RouteChoice {
            route: Route::Cross,
            reason: format!("asked for with '--via cross', though {host} is this machine's own platform"),
        }]),
        _ if facts.same => Ok(vec![native()]),
        Via::Native if facts.can_execute => Ok(vec![RouteChoice {
            route: Route::Emulate,
            reason: format!("asked for with '--via native'; this machine runs {host} programs itself"),
        }]),
        Via::Native => Err(NoRoute {
            message: format!("{host} can't be built natively: this machine is {build}"),
            hint: "use '--via cross' or '--via emulate', or leave '--via' out".into(),
        }),
        Via::Cross => {
            Ok(vec![RouteChoice { route: Route::Cross, reason: "asked for with '--via cross'".into() }])
        }
        Via::Emulate => emulated(facts, "asked for with '--via emulate'").map(|choice| vec![choice]),
        Via::Auto => Ok(automatic(facts)),
    }
}

/// The variant that other machines build.
fn remote(facts: &RouteFacts<'_>) -> Result<RouteChoice, NoRoute> {
    let RouteFacts { build, host, .. } = facts;
    let choice = |route, system: &str| RouteChoice {
        route,
        reason: format!("asked for with '--via remote'; a machine of 'builders' builds for {system}"),
    };
    match () {
        () if facts.same && facts.remote_host => Ok(choice(Route::Native, host)),
        // With the tools of the host platform, which that machine runs itself.
        () if facts.remote_host && facts.native_set => Ok(choice(Route::Emulate, host)),
        () if facts.remote_build && !facts.same => Ok(choice(Route::Cross, build)),
        () => Err(NoRoute {
            message: format!("no machine of the setting 'builders' builds for {host}"),
            hint: "add one to 'builders', or leave out '--via remote' to build on this machine".into(),
        }),
    }
}

fn emulated(facts: &RouteFacts<'_>, why: &str) -> Result<RouteChoice, NoRoute> {
    let RouteFacts { host, .. } = facts;
    if !facts.native_set {
        return Err(NoRoute {
            message: format!("there are no native {host} packages to start an emulated build from"),
            hint: "use '--via cross', or leave '--via' out".into(),
        });
    }
    if facts.can_execute {
        let reason = format!("{why}; this machine runs {host} programs itself");
        return Ok(RouteChoice { route: Route::Emulate, reason });
    }
    match &facts.emulator {
        Ok(emulator) => Ok(RouteChoice {
            route: Route::Emulate,
            reason: format!("{why}; {emulator} runs {host} programs"),
        }),
        Err(why) => Err(NoRoute {
            message: format!("{host} programs can't be emulated: {why}"),
            hint: "use '--via cross', or leave '--via' out; 'saltire doctor' says more".into(),
        }),
    }
}

fn automatic(facts: &RouteFacts<'_>) -> Vec<RouteChoice> {
    let RouteFacts { build, host, .. } = facts;
    let mut choices = vec![RouteChoice {
        route: Route::Cross,
        reason: format!(
            "a cross toolchain on {build} runs at full speed; emulated {host} tools are 8 to 40 times slower"
        ),
    }];
    choices.extend(emulated(facts, "no cross toolchain can build it"));
    choices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> RouteFacts<'static> {
        RouteFacts {
            build: "x86_64-linux",
            host: "aarch64-linux",
            same: false,
            can_execute: false,
            emulator: Ok("qemu-aarch64"),
            native_set: true,
            remote_host: false,
            remote_build: false,
        }
    }

    fn check(via: &str, facts: &RouteFacts<'_>, expected: &str) {
        let text = match routes(via.parse().unwrap(), facts) {
            Ok(choices) => choices.iter().map(|c| format!("{}: {}\n", c.route, c.reason)).collect::<String>(),
            Err(error) => format!("error: {}\n{}\n", error.message, error.hint),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn automatic_prefers_cross_and_falls_back_to_emulation() {
        check(
            "auto",
            &facts(),
            "cross: a cross toolchain on x86_64-linux runs at full speed; emulated aarch64-linux tools are 8 to 40 times slower\n\
             emulate: no cross toolchain can build it; qemu-aarch64 runs aarch64-linux programs\n",
        );
    }

    #[test]
    fn without_native_packages_or_emulator_only_cross_is_left() {
        let only_cross = "cross: a cross toolchain on x86_64-linux runs at full speed; emulated aarch64-linux tools are 8 to 40 times slower\n";
        check("auto", &RouteFacts { native_set: false, ..facts() }, only_cross);
        check("auto", &RouteFacts { emulator: Err("no".into()), ..facts() }, only_cross);
    }

    #[test]
    fn what_is_asked_for_is_done_or_refused() {
        check("cross", &facts(), "cross: asked for with '--via cross'\n");
        check(
            "emulate",
            &facts(),
            "emulate: asked for with '--via emulate'; qemu-aarch64 runs aarch64-linux programs\n",
        );
        check(
            "emulate",
            &RouteFacts { emulator: Err("the kernel has no binfmt_misc".into()), ..facts() },
            "error: aarch64-linux programs can't be emulated: the kernel has no binfmt_misc\n\
             use '--via cross', or leave '--via' out; 'saltire doctor' says more\n",
        );
        check(
            "native",
            &facts(),
            "error: aarch64-linux can't be built natively: this machine is x86_64-linux\n\
             use '--via cross' or '--via emulate', or leave '--via' out\n",
        );
        check(
            "native",
            &RouteFacts { can_execute: true, host: "i686-linux", ..facts() },
            "emulate: asked for with '--via native'; this machine runs i686-linux programs itself\n",
        );
    }

    #[test]
    fn other_machines_build_for_their_own_platform_or_across() {
        check(
            "remote",
            &RouteFacts { remote_host: true, remote_build: true, ..facts() },
            "emulate: asked for with '--via remote'; a machine of 'builders' builds for aarch64-linux\n",
        );
        check(
            "remote",
            &RouteFacts { remote_build: true, ..facts() },
            "cross: asked for with '--via remote'; a machine of 'builders' builds for x86_64-linux\n",
        );
        check(
            "remote",
            &facts(),
            "error: no machine of the setting 'builders' builds for aarch64-linux\n\
             add one to 'builders', or leave out '--via remote' to build on this machine\n",
        );
    }

    #[test]
    fn the_own_platform_is_native() {
        let own = RouteFacts { host: "x86_64-linux", same: true, can_execute: true, ..facts() };
        check("auto", &own, "native: x86_64-linux is this machine's own platform\n");
        check("emulate", &own, "native: x86_64-linux is this machine's own platform\n");
    }
}
