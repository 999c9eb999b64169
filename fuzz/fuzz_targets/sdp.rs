//! Any bytes as a description: read, answered, taken as an answer, and what we say back is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr};
use telegraphone::base::Seeded;
use telegraphone::sdp::{
    Encryption, Events, Flow, Format, Local, OfferAnswer, Security, answer, conclude, offer_formats_from, parse,
};

fn local() -> Local {
    Local {
        session_id: 1,
        version: 1,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 10_000,
        formats: vec![Format::PCMU, Format::PCMA],
        events: Some(Events { pt: 101, clock: 8_000 }),
        flow: Flow::SendRecv,
        ptime: None,
        rtcp_mux: true,
        security: Security::default(),
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(description) = parse(data) else { return };
    if let Some(audio) = &description.audio {
        let (formats, events) = offer_formats_from(audio, &[Format::PCMU, Format::PCMA]);
        assert!(formats.len() == 2 && events.is_some());
    }
    let _ = conclude(&local(), &description);
    if let Ok((body, negotiated)) = answer(&description, &local(), None) {
        let ours = parse(&body).expect("what we say can be read");
        assert_eq!(ours.media.len(), description.media.len());
        assert!(!negotiated.receive.is_empty());
    }
    let plain = OfferAnswer::new(1);
    let secured = |encryption| OfferAnswer::new(1).secured(Security::new(encryption, &mut Seeded(1)));
    for mut leg in [plain, secured(Encryption::Offered), secured(Encryption::Required)] {
        exchange(&mut leg, data);
    }
});

fn exchange(leg: &mut OfferAnswer, data: &[u8]) {
    if leg.receive_offer(data).is_ok() {
        let _ = leg.answer(local(), None);
        leg.roll_back();
        assert!(leg.offer(local()).is_ok());
        let _ = leg.receive_answer(data);
    }
}
