//! What tests of bridges begin with, wherever they are: an internal call of G.711 without commands.

use crate::audio::Coding;
use crate::base::{Direction, Span};
use crate::directory::NumberRecording;
use crate::media::{BridgeConfig, LegMedia};
use crate::policy::{Facts, Rules};
use std::net::SocketAddr;

/// Recorded where the toggle says so; nobody commands.
pub fn config(toggle: bool) -> BridgeConfig {
    let facts = Facts {
        refused: false,
        voicemail: false,
        step: None,
        command: None,
        number: NumberRecording::Inherit,
        direction: Direction::Internal,
        toggle,
    };
    BridgeConfig {
        start: [(1, 1, 1), (2, 2, 2)],
        rules: Rules { facts, failed: false },
        commanders: [None, None],
        record_while_held: false,
        silence_timeout: Span::from_secs(60),
        rtcp_interval: Span::from_secs(5),
        cnames: ["a".into(), "b".into()],
    }
}

/// A party that speaks PCMU in 20 ms packets, without events, with RTCP at its RTP port.
pub fn media(remote: SocketAddr) -> LegMedia {
    LegMedia {
        remote,
        remote_rtcp: remote,
        rtcp_mux: true,
        signalling_ip: remote.ip(),
        send: (0, Coding::PCMU),
        receive: LegMedia::received([(0, Coding::PCMU)]),
        ptime: 20,
        send_events: None,
        receive_events: None,
        info: false,
        sends: true,
        receives: true,
        held: false,
        keys: None,
    }
}
