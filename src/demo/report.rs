//! What the demo tells at its end.

use super::check::Finding;
use super::company::{DOMAIN, NUMBER, People, Person};
use super::stay::{COMPANY, Office};
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

/// Where the page is, and who may come in.
pub fn page_help(http: &[SocketAddr], office: &Office, people: &People) -> String {
    let place = http.first().map(|address| format!("http://{address}")).unwrap_or_default();
    let rows = [
        (&office.ada, "admin", "everything of the company, and its settings"),
        (&office.emil, "supervisor", "every call; receives the recordings of sales"),
        (&office.finn, "agent", "on the call that is up; support's calls, texts and messages"),
        (&office.grace, "agent", "has a message in her own box"),
        (&people.anna, "agent", "took the call that was paused"),
    ];
    let rows: String = rows
        .into_iter()
        .map(|(Person { extension, name, password }, role, what)| {
            format!("\n  {extension}  {name:<6} {role:<11} {password}  {what}")
        })
        .collect();
    format!("Open {place} in a browser, and log in at the company `{COMPANY}` with extension and password:{rows}")
}

/// How somebody's own softphone gets in.
pub fn softphone_help(server: SocketAddr, you: &Person, folder: &Path, stays: bool) -> String {
    let Person { extension, name: _, password } = you;
    let port = server.port();
    let domain = format!("{DOMAIN}:{port}");
    let serving = match stays {
        true => "It keeps serving until Ctrl-C.".to_owned(),
        false => format!(
            "To look at all this in a browser, with more people and a call that is up, say `telegraphone demo --stay`.\n\
             To keep serving this folder:\n  telegraphone --data {} serve",
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
