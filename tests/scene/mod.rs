//! A company with one device and one trunk, and what both say on the wire: the caller on the trunk
//! and the answering device of many numbered calls. Sockets and time are the user's business.

use std::net::SocketAddr;
use telegraphone::sip::digest;
use telegraphone::sip::message::{Request, Response};

/// A scene by its name, which its company, domain, password and Call-IDs are made of.
#[derive(Clone, Copy)]
pub struct Scene(pub &'static str);

impl Scene {
    /// The company file: inbound calls are recorded, and ring the device 201; the trunk is 127.0.0.2.
    pub fn company(self) -> String {
        let name = self.0;
        format!(
            r#"
[[company]]
key = "{name}"
name = "{name}"
domains = ["{name}.example"]
realm = "{name}.example"
[company.settings]
record_inbound = true
agent_pause = true
[[user]]
extension = "201"
name = "Device"
password = "{name}-secret"
role = "agent"
[[number]]
number = "+15550100"
route = "user:201"
[[trunk]]
name = "carrier"
addresses = ["127.0.0.2"]
host = "127.0.0.2"
port = 5060
"#
        )
    }

    /// Registers the device at `contact` with digest. `ask` sends a request and gives its answer;
    /// `id` tells this registration from another's.
    pub fn register(
        self,
        contact: SocketAddr,
        id: &str,
        ask: impl FnMut(&str) -> Result<Response, String>,
    ) -> Result<(), String> {
        self.register_as("201", contact, id, ask)
    }

    /// The same for another user, who has the same password.
    pub fn register_as(
        self,
        user: &str,
        contact: SocketAddr,
        id: &str,
        mut ask: impl FnMut(&str) -> Result<Response, String>,
    ) -> Result<(), String> {
        let name = self.0;
        let mut authorization = String::new();
        for attempt in 1..=2 {
            let response = ask(&format!(
                "REGISTER sip:{name}.example SIP/2.0\r\nVia: SIP/2.0/UDP {contact};branch=z9hG4bKreg{id}-{attempt};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{user}@{name}.example>;tag=r\r\nTo: <sip:{user}@{name}.example>\r\n\
                 Call-ID: register-{id}\r\nCSeq: {attempt} REGISTER\r\nContact: <sip:{user}@{contact}>\r\nExpires: 3600\r\n\
                 {authorization}Content-Length: 0\r\n\r\n"
            ))?;
            if response.status == 200 {
                return Ok(());
            }
            let challenges = digest::challenges(&response.headers);
            let (password, uri) = (format!("{name}-secret"), format!("sip:{name}.example"));
            let credentials = digest::respond(&challenges, user, &password, "REGISTER", &uri, "cnonce", 1);
            authorization = format!("Authorization: {}\r\n", credentials.map_err(|error| error.to_string())?);
        }
        Err("the device could not register".to_owned())
    }

    /// The caller of `call` invites the number.
    pub fn invite(self, call: usize, local: SocketAddr, service: SocketAddr, body: &str) -> String {
        format!(
            "INVITE sip:+15550100@{service} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKi{call};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+1666{call:06}@{local}>;tag=c{call}\r\nTo: <sip:+15550100@{service}>\r\n\
             Call-ID: {name}-{call}\r\nCSeq: 1 INVITE\r\nContact: <sip:carrier@{local}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
            name = self.0,
            length = body.len()
        )
    }

    /// A request of the caller in the dialog of `call`: `to` and `target` as the 200 gave them.
    pub fn request(
        self,
        (method, cseq): (&str, u32),
        call: usize,
        local: SocketAddr,
        target: &str,
        to: &str,
    ) -> String {
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{method}{call};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+1666{call:06}@{local}>;tag=c{call}\r\nTo: {to}\r\n\
             Call-ID: {name}-{call}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            name = self.0
        )
    }

    /// The call that a response to the caller belongs to.
    pub fn call_of(self, response: &Response) -> usize {
        let number = response.call_id().unwrap().strip_prefix(self.0).unwrap();
        number.trim_start_matches('-').parse().unwrap()
    }
}

/// The device answers an INVITE of `call`.
pub fn answer(request: &Request, call: usize, contact: SocketAddr, body: String) -> Response {
    let response = request.response(200).with_to_tag(&format!("d{call}"));
    response.with_header("Contact", format!("<sip:201@{contact}>")).with_body("application/sdp", body)
}

/// PCMU and digits at `media`.
pub fn description(call: usize, media: SocketAddr) -> String {
    let (ip, port) = (media.ip(), media.port());
    format!(
        "v=0\r\no=- {call} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// The call that an INVITE at the device belongs to.
pub fn call_at_device(invite: &Request) -> usize {
    call_of_caller(&invite.from().unwrap().uri.user_unescaped().unwrap_or_default())
}

/// The call that this caller placed.
pub fn call_of_caller(caller: &str) -> usize {
    caller.trim_start_matches("+1666").parse().unwrap()
}

/// Where a body wants its audio.
pub fn media_of(body: &[u8]) -> SocketAddr {
    telegraphone::sdp::parse(body).unwrap().audio.unwrap().rtp()
}
