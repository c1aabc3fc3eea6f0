//! Events as JSON for programs: Nix's `--log-format internal-json`, lines of standard
//! error that begin with `@nix` (the numbers are those of Nix's logger).

use saltire_driver::{Event, StepId, StepKind};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether messages are to be JSON, too.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// How important something is.
const ERROR: u8 = 0;
const WARNING: u8 = 1;
const INFORMATION: u8 = 3;

/// From now on messages of [`crate::Failure`] are JSON.
pub(crate) fn switch_on() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// Whether messages are to be JSON.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Writes what happened.
pub(crate) fn show(event: Event<'_>) {
    for value in values(event) {
        write(&value);
    }
}

/// Writes an error, laid out and as it is.
pub(crate) fn error(laid_out: &str, message: &str) {
    write(&json!({ "action": "msg", "level": ERROR, "msg": laid_out.trim_end(), "raw_msg": message }));
}

fn write(value: &Value) {
    let _ = std::io::stderr().write_all(format!("@nix {value}\n").as_bytes());
}

/// Activities have numbers above 0.
fn id(step: StepId) -> u64 {
    step.0 as u64 + 1
}

fn values(event: Event<'_>) -> Vec<Value> {
    match event {
        Event::Planned { downloads, builds } => {
            // Activities that stand for all of a kind, and how many there will be.
            const DOWNLOADS: (u64, u8) = (u64::MAX - 1, 103);
            const BUILDS: (u64, u8) = (u64::MAX, 104);
            let whole = |(id, kind): (u64, u8), count: usize| {
                let start = json!({
                    "action": "start", "id": id, "level": 5, "parent": 0, "text": "", "type": kind,
                });
                let fields = [0, count, 0, 0];
                [start, json!({ "action": "result", "fields": fields, "id": id, "type": 105 })]
            };
            whole(DOWNLOADS, downloads).into_iter().chain(whole(BUILDS, builds)).collect()
        }
        Event::Started { step, kind, name, derivation, .. } => {
            let (number, text, fields) = match kind {
                StepKind::Build | StepKind::Builtin => {
                    (105, format!("building '{derivation}'"), json!([derivation, "", 1, 1]))
                }
                StepKind::Download => (101, format!("downloading '{name}'"), json!([name])),
                StepKind::Input => (112, format!("fetching '{name}'"), json!([])),
            };
            let mut value = json!({
                "action": "start", "id": id(step), "level": INFORMATION, "parent": 0, "text": text,
                "type": number,
            });
            if fields.as_array().is_some_and(|fields| !fields.is_empty()) {
                value["fields"] = fields;
                value.sort_all_objects();
            }
            vec![value]
        }
        Event::Received { step, bytes, total } => {
            let fields = json!([bytes, total.unwrap_or(0), 0, 0]);
            vec![json!({ "action": "result", "fields": fields, "id": id(step), "type": 105 })]
        }
        Event::Output { step, line, .. } => {
            let line = String::from_utf8_lossy(line);
            vec![json!({ "action": "result", "fields": [line], "id": id(step), "type": 101 })]
        }
        Event::Finished { step, .. } => vec![json!({ "action": "stop", "id": id(step) })],
        Event::Said(text) => vec![json!({ "action": "msg", "level": ERROR, "msg": text.to_string() })],
        Event::Note(text) => {
            vec![json!({ "action": "msg", "level": INFORMATION, "msg": text.to_string() })]
        }
        Event::Warning(text) => {
            vec![json!({ "action": "msg", "level": WARNING, "msg": format!("warning: {text}") })]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: Event<'_>, expected: &str) {
        let texts: Vec<String> = values(event).iter().map(ToString::to_string).collect();
        assert_eq!(texts.join("\n"), expected);
    }

    #[test]
    fn events_are_those_of_nixs_logger() {
        let step = StepId(0);
        check(
            Event::Started { step, kind: StepKind::Build, name: "a", derivation: "/s/a.drv", reason: "" },
            r#"{"action":"start","fields":["/s/a.drv","",1,1],"id":1,"level":3,"parent":0,"text":"building '/s/a.drv'","type":105}"#,
        );
        check(
            Event::Output { step, name: "a", line: b"\"x\"\xff" },
            "{\"action\":\"result\",\"fields\":[\"\\\"x\\\"\u{fffd}\"],\"id\":1,\"type\":101}",
        );
        check(Event::Finished { step, name: "a", success: true }, r#"{"action":"stop","id":1}"#);
        check(Event::Warning(&"w"), r#"{"action":"msg","level":1,"msg":"warning: w"}"#);
        check(
            Event::Received { step, bytes: 3, total: Some(9) },
            r#"{"action":"result","fields":[3,9,0,0],"id":1,"type":105}"#,
        );
    }
}
