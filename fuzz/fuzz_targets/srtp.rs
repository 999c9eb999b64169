//! SRTP and SRTCP: whatever bytes come, they are opened or refused; a forged packet is never
//! opened, and what is refused changes nothing for the packets after it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telegraphone::base::Seeded;
use telegraphone::rtp::srtp::{Inbound, Keys, MasterKey, OVERHEAD, Outbound, Suite};

fuzz_target!(|input: (u8, u8, Vec<Vec<u8>>)| {
    let (suite, mki_length, packets) = input;
    let suite = Suite::ALL[usize::from(suite) % Suite::ALL.len()];
    let key = MasterKey::random(suite, &mut Seeded(1));
    let mut outbound = Outbound::new(&key);
    let mut inbound = Inbound::new(&Keys { send: key.clone(), receive: key.clone(), mki_length });
    let mut plain_inbound = Inbound::new(&Keys { send: key.clone(), receive: key, mki_length: 0 });
    for mut packet in packets {
        let mut room = vec![0; packet.len() + OVERHEAD];
        if let Ok(sent) = outbound.protect(&packet, &mut room) {
            let mut sent = sent.to_vec();
            let length = plain_inbound.unprotect(&mut sent).expect("our own packet");
            assert_eq!(sent[..length], packet);
        }
        if let Ok(sent) = outbound.protect_rtcp(&packet, &mut room) {
            let mut sent = sent.to_vec();
            let length = plain_inbound.unprotect_rtcp(&mut sent).expect("our own report");
            assert_eq!(sent[..length], packet);
        }
        let before = packet.clone();
        assert!(inbound.unprotect(&mut packet).is_err() && inbound.unprotect_rtcp(&mut packet).is_err());
        assert_eq!(packet, before);
    }
});
