//! The things of a company on the command line, by the binary itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The command line on one data directory.
struct Line<'a>(&'a Path);

impl Line<'_> {
    /// What it says, and whether it did it. Words are separated by `|`.
    fn says(&self, words: &str, input: &str) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telegraphone"));
        command.arg("--data").arg(self.0.join("data")).args(words.split('|')).current_dir(self.0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    }

    fn does(&self, words: &str) -> String {
        let (done, text) = self.says(words, "");
        assert!(done, "{words}: {text}");
        text
    }

    fn refuses(&self, words: &str) -> String {
        let (done, text) = self.says(words, "");
        assert!(!done, "{words}: {text}");
        text
    }

    fn json(&self, words: &str) -> serde_json::Value {
        serde_json::from_str(&self.does(&format!("{words}|--json"))).unwrap()
    }
}

#[test]
fn a_company_is_built_changed_and_taken_over_by_commands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let line = Line(folder.path());
    std::fs::write(folder.path().join("first.toml"), "[[company]]\nkey = 'acme'\ndomains = ['acme.example']\n")
        .unwrap();
    line.does("apply|first.toml");
    let made = line.does("company|add|second|domains=second.example|name=The Second|--admin|100");
    assert!(made.contains("password of") && made.contains("shown this once"), "{made}");
    assert!(line.refuses("company|add|second|domains=x.example").contains("is there already"));
    assert!(line.refuses("user|list").contains("--company KEY"), "there are several");
    assert_eq!(line.json("company|list")["companies"].as_array().unwrap().len(), 2);

    let of = |words: &str| line.does(&format!("{words}|--company|acme"));
    let of_json = |words: &str| line.json(&format!("{words}|--company|acme"));
    assert!(of("user|add|201|role=admin|name=Ann").contains("password of"));
    of("user|add|202|password=bob-secret");
    of("number|add|+15550100|route=user:201");
    of("number|add|+15550101");
    of("group|add|sales|members=201,202");
    of("inbox|add|support|numbers=+15550101|primary=+15550101|members=201");
    std::fs::write(
        folder.path().join("flow.toml"),
        "[[step]]\nname = 'ring'\ndo = 'ring'\ntarget = 'user:201'\nnext = 'bye'\n[[step]]\nname = 'bye'\ndo = 'hangup'\n",
    )
    .unwrap();
    of("flow|add|main|--file|flow.toml");
    of("trunk|add|carrier|host=192.0.2.9|max_calls=7");
    of("settings|change|record_inbound=true|commands.pause=*1");
    let settings = of_json("settings|show");
    assert_eq!((&settings["record_inbound"], &settings["commands"]["pause"]), (&true.into(), &"*1".into()));
    let assigned = of_json("number|list|--assigned");
    assert_eq!(
        (assigned["numbers"].as_array().unwrap().len(), &assigned["numbers"][0]["number"]),
        (1, &"+15550100".into())
    );
    assert_eq!(of_json("number|list|--unassigned")["numbers"][0]["inbox"], "support");
    assert!(of("user|list").contains("Ann"));

    let open = of("voicemail|add|8201|owner=user:201|email=ann@acme.example|max_messages=5");
    assert!(open.contains("! company acme: voicemail 8201: it has no password"), "{open}");
    let closed = of("voicemail|change|8201|password=4711|language=de");
    assert!(
        closed.contains("password none → as given") && !closed.contains('!') && !closed.contains("4711"),
        "{closed}"
    );
    let shown = of_json("voicemail|show|8201");
    assert_eq!(
        (&shown["owner"], &shown["language"], &shown["has_password"]),
        (&"user:201".into(), &"de".into(), &true.into())
    );
    assert!(line.refuses("voicemail|add|8202|owner=user:201|--company|acme").contains("has box 8201 already"));
    of("voicemail|subscriber|add|8201|202");
    assert_eq!(of_json("voicemail|subscriber|list|8201")["subscribers"][0]["extension"], "202");
    of("voicemail|subscriber|remove|8201|202|--withdraw");
    assert_eq!(of_json("voicemail|subscriber|list|8201")["subscribers"], serde_json::json!([]));
    assert_eq!(of_json("message|list|8201")["messages"], serde_json::json!([]));
    assert!(line.does("message|verify").contains("0 of 0 messages"));
    assert!(line.refuses("message|show|01939393-9393-7393-8393-939393939393").contains("there is no message"));
    assert!(of("voicemail|remove|8201|--dry-run").contains("0 messages go with it, and cannot be brought back"));
    of("voicemail|remove|8201");

    let wrong = line.refuses("user|change|202|role=boss|ring_s=700|--company|acme");
    assert!(wrong.contains("2 reason(s)") && wrong.contains("`boss`") && wrong.contains("700 s"), "{wrong}");
    assert!(line.refuses("user|change|999|role=agent|--company|acme").contains("has no user 999"));
    assert!(of("user|change|202|role=supervisor|play=own|--dry-run").contains("Dry run"));
    assert_eq!(of_json("user|show|202")["role"], "agent");
    of("user|change|202|role=supervisor|play=own");
    of("user|change|202|play=inherit");
    let bob = of_json("user|show|202");
    assert_eq!((&bob["role"], &bob["play"]), (&"supervisor".into(), &serde_json::Value::Null));

    let used = line.refuses("user|remove|201|--company|acme");
    for part in ["number +15550100", "group sales", "inbox support", "flow main of acme: step ring"] {
        assert!(used.contains(part), "{part}: {used}");
    }
    assert!(of("user|deactivate|201|--replacement|user:202|--dry-run").contains("route user:201 → user:202"));
    of("user|deactivate|201|--replacement|user:202");
    assert_eq!(of_json("user|show|201")["deactivated"], true);
    assert_eq!(of_json("number|show|+15550100")["assigned_to"], "user:202");
    of("user|activate|201");
    of("user|remove|202|--replacement|user:201");
    of("trunk|remove|carrier");

    assert!(of("user|password|201").contains("shown this once"));
    let (set, said) = line.says("user|password|201|--stdin|--company|acme", "typed-secret\n");
    assert!(set && !said.contains("typed-secret"), "{said}");
    let token = of("token|add|201|reports|--scope|calls.read|--days|3");
    assert!(token.contains("shown this once"), "{token}");
    assert!(line.refuses("token|add|201|x|--scope|everything|--company|acme").contains("directory.read"));
    let id = of_json("token|list|201")["tokens"][0]["id"].as_i64().unwrap();
    of(&format!("token|remove|201|{id}"));
    assert_eq!(of_json("token|list|201")["tokens"], serde_json::json!([]));
    let log = line.does("audit|list|acme|--limit|1000");
    for action in
        ["user.add", "user.deactivate", "user.hand-over", "number.add", "trunk.remove", "token.add", "company.change"]
    {
        assert!(log.contains(action), "{action}: {log}");
    }
    assert!(line.does("audit|verify").contains("whole"));

    // What is exported changes nothing here, and makes the same elsewhere.
    let exported = line.does("apply|export");
    assert!(!exported.contains("secret"), "{exported}");
    std::fs::write(folder.path().join("export.toml"), &exported).unwrap();
    assert_eq!(line.does("apply|export.toml|--prune").trim(), "Nothing to change.");
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir(other.path().join("data")).unwrap();
    std::fs::copy(folder.path().join("export.toml"), other.path().join("export.toml")).unwrap();
    let there = Line(other.path());
    there.does("apply|export.toml");
    assert_eq!(there.does("apply|export"), exported);
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_command_quietly() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("first.toml"), "[[company]]\nkey = 'acme'\ndomains = ['acme.example']\n")
        .unwrap();
    Line(folder.path()).does("apply|first.toml");
    for words in ["company|list", "recording|verify", "man", "completions|bash"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_telegraphone"));
        command.arg("--data").arg(folder.path().join("data")).args(words.split('|')).current_dir(folder.path());
        let output = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        // As a shell says it of what SIGPIPE ended.
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.as_ref()), (Some(141), ""), "{words}");
    }
}
