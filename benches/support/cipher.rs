//! The caller's end of SRTP: its own key in the offer, the service's out of the answer.

use telegraphone::base::Seeded;
use telegraphone::rtp::srtp::{Inbound, Keys, MasterKey, OVERHEAD, Outbound, Suite};
use telegraphone::sdp;

const SUITE: Suite = Suite::Aes128Tag80;
/// A packet of 20 ms and what SRTP adds.
pub type Room = [u8; 12 + 160 + OVERHEAD];

pub struct Cipher {
    key: MasterKey,
    outbound: Outbound,
    inbound: Option<Inbound>,
}

impl Cipher {
    pub fn new(call: usize) -> Self {
        let key = MasterKey::random(SUITE, &mut Seeded(call as u64));
        Cipher { outbound: Outbound::new(&key), inbound: None, key }
    }

    /// A plain offer with the transport and the key of an encrypted one.
    pub fn offer(&self, plain: &str) -> String {
        let key = self.key.expose(base64);
        format!("{}a=crypto:1 {SUITE} inline:{key}\r\n", plain.replace("RTP/AVP", "RTP/SAVP"))
    }

    pub fn answered(&mut self, answer: &[u8]) {
        let audio = sdp::parse(answer).unwrap().audio.unwrap();
        let receive = audio.crypto.into_iter().next().expect("the answer is encrypted").key;
        self.inbound = Some(Inbound::new(&Keys { send: self.key.clone(), receive, mki_length: 0 }));
    }

    pub fn protect<'r>(&mut self, packet: &[u8], room: &'r mut Room) -> &'r [u8] {
        self.outbound.protect(packet, room).unwrap()
    }

    /// The length of the plain packet, where it is authentic.
    pub fn open(&mut self, packet: &mut [u8]) -> Option<usize> {
        self.inbound.as_mut()?.unprotect(packet).ok()
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // The keys of this suite are a multiple of three bytes long.
    let groups = bytes.chunks_exact(3).map(|three| u32::from_be_bytes([0, three[0], three[1], three[2]]));
    groups.flat_map(|group| [18, 12, 6, 0].map(|shift| char::from(LETTERS[(group >> shift) as usize & 63]))).collect()
}
