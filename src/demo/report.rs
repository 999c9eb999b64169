//! What the demo tells at its end.

use super::check::Finding;
use super::company::{DOMAIN, NUMBER, Person};
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What came of the demo.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoReport {
    pub folder: PathBuf,
    pub findings: Vec<Finding>,
    /// Everything that is not as it should be, of whichever call.
    pub problems: Vec<String>,
}

impl DemoReport {
    pub(super) fn new(folder: &Path, findings: Vec<Finding>) -> Self {
        let problems = findings.iter().flat_map(|finding| {
            finding.problems.iter().map(|problem| format!("{} call: {problem}", finding.direction))
        });
        DemoReport { folder: folder.to_owned(), problems: problems.collect(), findings }
    }

    /// The calls as a table, and the files below it, where their paths can be copied whole.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        let head = ["", "direction", "call", "recorded, because", "length", "pause", "checked"];
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header(head.to_vec());
        let mut files = String::new();
        for (number, finding) in (1..).zip(&self.findings) {
            let Finding { direction, parties, recorded, because, file, length, pause, problems } = finding;
            table.add_row(vec![
                number.to_string(),
                direction.to_string(),
                parties.clone(),
                format!("{recorded}: {because}"),
                length.clone(),
                pause.clone(),
                if problems.is_empty() { "right" } else { "WRONG" }.to_owned(),
            ]);
            let file = file.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
            files.push_str(&format!("\n {number}  {file}"));
        }
        format!("{table}{files}")
    }
}

/// How somebody's own softphone gets in.
pub fn softphone_help(server: SocketAddr, you: &Person, folder: &Path, stays: bool) -> String {
    let Person { extension, name: _, password } = you;
    let port = server.port();
    let domain = format!("{DOMAIN}:{port}");
    let serving = match stays {
        true => "It keeps serving until Ctrl-C.".to_owned(),
        false => format!(
            "To keep it serving, say `telegraphone demo --stay`, or serve this folder:\n  telegraphone --data {} serve",
            folder.display()
        ),
    };
    format!(
        "Your own softphone (UDP or TCP, on this machine):
  server {domain}   domain {DOMAIN}   user {extension}   password {password}
  baresip, in ~/.baresip/accounts:
    <sip:{extension}@{domain}>;auth_user={extension};auth_pass={password}
  linphone: Preferences, Account, Use a SIP account:
    username {extension}, domain {domain}, password {password}, transport UDP
  linphonec:
    register sip:{extension}@{domain} sip:{domain} {password}
Two softphones may register as {extension}, or add users to {folder}/company.toml and apply it.
Dial *, # and digits as RFC 4733 events or SIP INFO: #11# pauses a recording, #12# starts it or goes on.
Customers reach the company under {NUMBER}.
{serving}",
        folder = folder.display()
    )
}
