//! RTP, RTCP and telephone events: whatever bytes come, a packet is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telegraphone::rtp::{EventPayload, KeyDetector, View, rtcp};

fuzz_target!(|bytes: &[u8]| {
    let mut detector = KeyDetector::default();
    if let Ok(view) = View::parse(bytes) {
        let payload = &bytes[view.payload.clone()];
        if let Some(event) = EventPayload::parse(payload) {
            let _ = detector.handle(view.marker, view.timestamp, event);
        }
    }
    let _ = rtcp::read(bytes);
});
