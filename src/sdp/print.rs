//! The strict writer (RFC 8866 §5): CRLF, mandatory lines in order.

use super::crypto::Said;
use super::description::{Events, MediaLine};
use super::negotiate::Local;
use bytes::Bytes;
use std::fmt::Write;
use std::net::IpAddr;

/// Our own audio line is written as this; `proto` and `formats` of the line are not looked at.
pub(super) struct Layout<'a> {
    /// All media lines; those that are not ours are written as refused.
    pub media: &'a [MediaLine],
    /// Which of them is ours.
    pub audio_index: usize,
    /// The transport that our line names.
    pub proto: &'a str,
    /// Our keys; none for plain RTP.
    pub crypto: &'a [Said<'a>],
    /// Events in a second clock, in an offer of codecs with two.
    pub wide_events: Option<Events>,
}

impl Layout<'_> {
    /// One audio line and nothing else.
    pub const SINGLE: Layout<'static> =
        Layout { media: &[], audio_index: 0, proto: "RTP/AVP", crypto: &[], wide_events: None };
}

/// What we say, with one media line for each of `layout`.
pub(super) fn print(local: &Local, layout: &Layout<'_>) -> Bytes {
    let mut text = String::with_capacity(512);
    // Writing to a String does not fail.
    let _ = write_session(&mut text, local).and_then(|()| {
        if layout.media.is_empty() {
            return write_audio(&mut text, local, layout);
        }
        for (index, line) in layout.media.iter().enumerate() {
            if index == layout.audio_index {
                write_audio(&mut text, local, layout)?;
            } else {
                write_refused(&mut text, line)?;
            }
        }
        Ok(())
    });
    Bytes::from(text)
}

fn write_session(text: &mut String, local: &Local) -> std::fmt::Result {
    let family = match local.address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    let Local { session_id, version, address, .. } = local;
    write!(text, "v=0\r\no=- {session_id} {version} IN {family} {address}\r\n")?;
    write!(text, "s=-\r\nc=IN {family} {address}\r\nt=0 0\r\n")
}

fn write_audio(text: &mut String, local: &Local, layout: &Layout<'_>) -> std::fmt::Result {
    let Local { session_id: _, version: _, address: _, port, formats, events, flow, ptime, rtcp_mux, security: _ } =
        local;
    write!(text, "m=audio {port} {}", layout.proto)?;
    let events = || events.iter().chain(&layout.wide_events);
    for pt in formats.iter().map(|format| format.pt).chain(events().map(|events| events.pt)) {
        write!(text, " {pt}")?;
    }
    text.push_str("\r\n");
    for format in formats {
        write!(text, "a=rtpmap:{} {}\r\n", format.pt, format.codec)?;
        if let Some(fmtp) = &format.fmtp {
            write!(text, "a=fmtp:{} {fmtp}\r\n", format.pt)?;
        }
    }
    for events in events() {
        write!(text, "a=rtpmap:{} telephone-event/{}\r\n", events.pt, events.clock)?;
        // The digits 0 to 9, *, #, A to D (RFC 4733 §3.2).
        write!(text, "a=fmtp:{} 0-15\r\n", events.pt)?;
    }
    if let Some(ptime) = ptime {
        write!(text, "a=ptime:{ptime}\r\n")?;
    }
    write!(text, "a={}\r\n", flow.as_str())?;
    for line in layout.crypto {
        text.push_str(&line.print());
    }
    if *rtcp_mux {
        text.push_str("a=rtcp-mux\r\n");
    }
    Ok(())
}

/// RFC 3264 §6: port 0, the rest as it was; at least one format must stand there.
fn write_refused(text: &mut String, line: &MediaLine) -> std::fmt::Result {
    write!(text, "m={} 0 {}", line.kind, line.proto)?;
    for format in &line.formats {
        write!(text, " {format}")?;
    }
    if line.formats.is_empty() {
        text.push_str(" 0");
    }
    text.push_str("\r\n");
    Ok(())
}
