//! A `telegraphone serve` of its own process, in a folder of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A binary and the folder with its configuration, company file, data and log.
#[derive(Clone)]
pub struct Home {
    pub binary: PathBuf,
    pub folder: PathBuf,
}

/// A service that listens at `sip`; it does not outlive this value.
pub struct Process {
    pub child: Child,
    pub sip: SocketAddr,
}

/// Where the data lie in a home's folder.
pub fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

impl Home {
    fn config(&self) -> PathBuf {
        self.folder.join("telegraphone.toml")
    }

    /// Writes the configuration, of which `more` goes on within `[sip]`, and applies the company.
    pub fn set_up(&self, more: &str, company: &str) {
        std::fs::create_dir_all(&self.folder).unwrap();
        let config = format!(
            "data_dir = \"{}\"\n[sip]\nlisten = [{{ transport = \"udp\", address = \"127.0.0.1:0\" }}]\n{more}",
            data_dir(&self.folder).display()
        );
        std::fs::write(self.config(), config).unwrap();
        let file = self.folder.join("company.toml");
        std::fs::write(&file, company).unwrap();
        let applied = self.command().arg("apply").arg(&file).output().unwrap();
        assert!(applied.status.success(), "apply: {}", String::from_utf8_lossy(&applied.stderr));
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.config());
        command
    }

    pub fn serve(&self) -> Process {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut child = self.command().arg("serve").stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        // Said when the calls of before are put right and the sockets are bound; the end of a
        // process that failed reads as an empty line. A first start says other things before.
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("UDP ") {
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 {
                break;
            }
        }
        let said = line.split_once("UDP ").map(|(_, rest)| rest.split([' ', ',']).next().unwrap_or(""));
        let address = said.map(|address| address.trim_end_matches('.').parse());
        let log = || std::fs::read_to_string(self.folder.join("log")).unwrap();
        let Some(Ok(sip)) = address else { panic!("the service did not start: {line:?}\n{}", log()) };
        Process { child, sip }
    }

    /// Whether a command did it, and what it said.
    pub fn run(&self, words: &[&str]) -> (bool, String) {
        let Output { status, stdout, stderr } = self.command().args(words).output().unwrap();
        (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
    }

    /// What the command line says, as JSON.
    pub fn ask(&self, words: &[&str]) -> serde_json::Value {
        let Output { status: _, stdout, stderr } = self.command().args(words).arg("--json").output().unwrap();
        let said = serde_json::from_slice(&stdout);
        said.unwrap_or_else(|error| panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&stderr)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file below `dir`.
pub fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files_in(&path)),
            false => found.push(path),
        }
    }
    found
}
