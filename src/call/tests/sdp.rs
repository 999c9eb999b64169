//! Session descriptions of phones, as text.

use bytes::Bytes;

/// What a phone says in its descriptions.
#[derive(Clone, Debug)]
pub struct Voice {
    pub ip: String,
    pub port: u16,
    /// Payload types in order: 0 PCMU, 8 PCMA, 9 G722, 18 G729, 96 Opus.
    pub formats: Vec<u8>,
    /// Payload type of telephone events.
    pub events: Option<u8>,
    pub version: u32,
    /// The transport of the audio line.
    pub proto: &'static str,
    /// Values of `a=crypto`.
    pub crypto: Vec<String>,
}

impl Voice {
    /// `flow` is a direction attribute, or `zero` for a hold in the manner of RFC 2543.
    pub fn say(&mut self, flow: &str) -> Bytes {
        self.version += 1;
        let address = if flow == "zero" { "0.0.0.0" } else { &self.ip };
        let flow = if flow == "zero" { "sendrecv" } else { flow };
        let mut pts: Vec<String> = self.formats.iter().map(u8::to_string).collect();
        let mut lines = String::new();
        if let Some(pt) = self.events {
            pts.push(pt.to_string());
            lines = format!("a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-15\r\n");
        }
        if self.formats.contains(&96) {
            lines.push_str("a=rtpmap:96 opus/48000/2\r\n");
        }
        for line in &self.crypto {
            lines.push_str(&format!("a=crypto:{line}\r\n"));
        }
        let (ip, port, version, pts, proto) = (&self.ip, self.port, self.version, pts.join(" "), self.proto);
        Bytes::from(format!(
            "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} {proto} {pts}\r\n{lines}a={flow}\r\n"
        ))
    }
}

/// The direction that a description says; `zero` where its address is none.
pub fn flow_of(body: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(body);
    if text.contains("c=IN IP4 0.0.0.0") {
        return "zero";
    }
    let flows = ["sendonly", "recvonly", "inactive"];
    flows.into_iter().find(|flow| text.contains(&format!("a={flow}"))).unwrap_or("sendrecv")
}

/// The formats of the audio line.
pub fn formats_of(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().find(|line| line.starts_with("m=audio")).unwrap_or("");
    line.split(' ').skip(3).map(str::to_owned).collect()
}

/// How a phone that wants `wish` answers an offer of `offered`.
pub fn answer_flow(offered: &str, holding: bool) -> &'static str {
    match (offered, holding) {
        ("sendrecv", false) => "sendrecv",
        ("sendrecv" | "recvonly", true) | ("recvonly", false) => "sendonly",
        ("sendonly" | "zero", false) => "recvonly",
        _ => "inactive",
    }
}
