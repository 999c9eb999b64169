//! Descriptions as real programs write them, the examples of RFC 3264 and RFC 4317, and the laws.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

const BARESIP: &str = "v=0\r\no=- 3910921830 2052713241 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\n\
a=tool:baresip 1.0.0\r\nm=audio 23456 RTP/AVP 96 0 8 9 101\r\nb=AS:125\r\na=rtpmap:96 opus/48000/2\r\n\
a=fmtp:96 stereo=1;sprop-stereo=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:23457\r\na=sendrecv\r\na=label:1\r\n\
a=rtcp-rsize\r\na=ssrc:1277653043 cname:sip:bob@10.0.0.1\r\na=ptime:20\r\n";

const LINPHONE: &str = "v=0\r\no=alice 2813 1475 IN IP4 192.168.1.7\r\ns=Talk\r\nc=IN IP4 192.168.1.7\r\nt=0 0\r\n\
a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\na=record:off\r\n\
m=audio 7078 RTP/AVP 96 97 98 0 8 101 99 100\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
a=rtpmap:97 speex/16000\r\na=fmtp:97 vbr=on\r\na=rtpmap:98 speex/8000\r\na=fmtp:98 vbr=on\r\n\
a=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/16000\r\na=rtpmap:100 telephone-event/8000\r\n\
a=rtcp:57072\r\na=rtcp-fb:* trr-int 5000\r\nm=video 9078 RTP/AVP 96 97\r\na=rtpmap:96 VP8/90000\r\n\
a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42801F\r\na=rtcp-fb:* trr-int 5000\r\n";

const SIPP: &str = "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.1.1\r\ns=-\r\nc=IN IP4 127.0.1.1\r\nt=0 0\r\n\
m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

const PJSUA: &str = "v=0\r\no=- 3811398340 3811398340 IN IP4 172.16.0.9\r\ns=pjmedia\r\nb=AS:84\r\nt=0 0\r\na=X-nat:0\r\n\
m=audio 4000 RTP/AVP 98 97 99 104 3 0 8 9 96\r\nc=IN IP4 172.16.0.9\r\nb=TIAS:64000\r\n\
a=rtcp:4001 IN IP4 172.16.0.10\r\na=sendrecv\r\na=rtpmap:98 speex/16000\r\na=rtpmap:97 speex/8000\r\n\
a=rtpmap:99 speex/32000\r\na=rtpmap:104 iLBC/8000\r\na=fmtp:104 mode=30\r\na=rtpmap:3 GSM/8000\r\n\
a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
a=fmtp:96 0-16\r\na=ssrc:1 cname:x\r\na=rtcp-mux\r\n";

const ASTERISK: &str = "v=0\r\no=- 1729 1729 IN IP4 203.0.113.5\r\ns=Asterisk\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
m=audio 15370 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:150\r\na=sendrecv\r\n";

const CISCO: &str = "v=0\r\no=CiscoSystemsCCM-SIP 2000 1 IN IP4 10.10.1.2\r\ns=SIP Call\r\nc=IN IP4 10.10.1.3\r\n\
b=TIAS:64000\r\nb=AS:64\r\nt=0 0\r\nm=audio 24580 RTP/AVP 9 0 8 18 116 97\r\na=ptime:20\r\n\
a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\n\
a=fmtp:18 annexb=no\r\na=rtpmap:116 iLBC/8000\r\na=fmtp:116 mode=20\r\na=rtpmap:97 telephone-event/8000\r\n\
a=fmtp:97 0-15\r\na=trafficclass:conversational.audio.aq:admitted\r\n";

fn local() -> Local {
    Local {
        session_id: 7,
        version: 1,
        address: "192.0.2.1".parse().unwrap(),
        port: 10_000,
        formats: vec![Format::PCMU, Format::PCMA],
        events: Some(Events { pt: 101, clock: 8_000 }),
        flow: Flow::SendRecv,
        ptime: None,
        rtcp_mux: false,
        security: Security::default(),
    }
}

fn read(text: &str) -> Description {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

fn audio(text: &str) -> Audio {
    read(text).audio.unwrap_or_else(|| panic!("no audio in\n{text}"))
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

/// A minimal description with these session and media attributes.
fn with(session: &str, media: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n{session}m=audio 5000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n{media}"
    )
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

// ---- reading ----

#[test]
fn the_descriptions_of_common_clients_are_read() {
    struct Row {
        name: &'static str,
        sdp: &'static str,
        rtp: &'static str,
        rtcp: Option<&'static str>,
        codecs: &'static str,
        events: Option<(u8, u32)>,
        ptime: Option<u16>,
    }
    #[rustfmt::skip]
    let rows = [
        Row { name: "baresip", sdp: BARESIP, rtp: "10.0.0.5:23456", rtcp: Some("10.0.0.5:23457"),
              codecs: "opus/48000/2 PCMU/8000 PCMA/8000 G722/8000", events: Some((101, 8_000)), ptime: Some(20) },
        Row { name: "linphone", sdp: LINPHONE, rtp: "192.168.1.7:7078", rtcp: Some("192.168.1.7:57072"),
              codecs: "opus/48000/2 speex/16000 speex/8000 PCMU/8000 PCMA/8000", events: Some((100, 8_000)), ptime: None },
        Row { name: "sipp", sdp: SIPP, rtp: "127.0.1.1:6000", rtcp: None,
              codecs: "PCMU/8000", events: None, ptime: None },
        Row { name: "pjsua", sdp: PJSUA, rtp: "172.16.0.9:4000", rtcp: Some("172.16.0.10:4001"),
              codecs: "speex/16000 speex/8000 speex/32000 iLBC/8000 GSM/8000 PCMU/8000 PCMA/8000 G722/8000",
              events: Some((96, 8_000)), ptime: None },
        Row { name: "Asterisk", sdp: ASTERISK, rtp: "203.0.113.5:15370", rtcp: None,
              codecs: "PCMA/8000 PCMU/8000", events: Some((101, 8_000)), ptime: Some(20) },
        Row { name: "Cisco", sdp: CISCO, rtp: "10.10.1.3:24580", rtcp: None,
              codecs: "G722/8000 PCMU/8000 PCMA/8000 G729/8000 iLBC/8000", events: Some((97, 8_000)), ptime: Some(20) },
    ];
    for row in rows {
        let far = audio(row.sdp);
        let codecs: Vec<String> = far.formats.iter().map(|format| format.codec.to_string()).collect();
        assert_eq!(far.rtp(), socket(row.rtp), "{}", row.name);
        assert_eq!(far.rtcp, row.rtcp.map(socket), "{}", row.name);
        assert_eq!(codecs.join(" "), row.codecs, "{}", row.name);
        assert_eq!(far.events.map(|events| (events.pt, events.clock)), row.events, "{}", row.name);
        assert_eq!(far.ptime, row.ptime, "{}", row.name);
        assert_eq!(far.flow, Flow::SendRecv, "{}", row.name);
        assert_eq!(far.profile, Profile::Avp, "{}", row.name);
    }
}

#[test]
fn origin_gives_the_session_id_and_the_version() {
    let description = read(BARESIP);
    assert_eq!((description.session_id.as_str(), description.version), ("3910921830", 2_052_713_241));
    assert_eq!(read("v=0\r\no=broken\r\nm=audio 0 RTP/AVP 0\r\n").version, 0);
}

#[test]
fn static_payload_types_need_no_rtpmap() {
    let far = audio("v=0\nc=IN IP4 10.0.0.9\nm=audio 5000 RTP/AVP 0 3 8 9 13 18 77 96 200\n");
    let codecs: Vec<String> = far.formats.iter().map(|format| format.codec.to_string()).collect();
    assert_eq!(codecs, ["PCMU/8000", "GSM/8000", "PCMA/8000", "G722/8000", "CN/8000", "G729/8000"]);
}

#[test]
fn an_rtpmap_overrules_the_static_meaning_and_may_give_g711_another_number() {
    let far = audio(
        "v=0\nc=IN IP4 10.0.0.9\nm=audio 5000 RTP/AVP 0 97 98\na=rtpmap:0 iLBC/8000\na=rtpmap:97 pcma/8000/1\na=rtpmap:98 PCMU/16000\n",
    );
    assert_eq!(far.formats[0].codec, Codec::Other { name: "ilbc".into(), clock: 8_000, channels: 1 });
    assert_eq!((far.formats[1].pt, &far.formats[1].codec), (97, &Codec::Pcma));
    assert_ne!(far.formats[2].codec, Codec::Pcmu, "16 kHz µ-law is another codec");
}

#[test]
fn disorder_and_omissions_are_read_over() {
    let rows = [
        ("bare LF, no t= and s=", "v=0\no=- 1 1 IN IP4 10.0.0.9\nc=IN IP4 10.0.0.9\nm=audio 5000 RTP/AVP 0\n"),
        ("CR only", "v=0\rc=IN IP4 10.0.0.9\rm=audio 5000 RTP/AVP 0\r"),
        ("no v=", "o=- 1 1 IN IP4 10.0.0.9\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 0\r\n"),
        ("c= before o=", "v=0\r\nc=IN IP4 10.0.0.9\r\no=- 1 1 IN IP4 1.1.1.1\r\nm=audio 5000 RTP/AVP 0\r\n"),
        ("c= after a=", "v=0\r\nm=audio 5000 RTP/AVP 0\r\na=x\r\nc=IN IP4 10.0.0.9\r\n"),
        ("address only in o=", "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 0\r\n"),
        ("spaces and blank lines", "v=0\r\n\r\n c=IN  IP4  10.0.0.9 \r\nm=audio  5000  RTP/AVP  0 \r\n"),
        ("port count, TTL", "v=0\r\nc=IN IP4 10.0.0.9/127\r\nm=audio 5000/2 RTP/AVP 0\r\n"),
        ("lower case", "v=0\r\nc=in ip4 10.0.0.9\r\nm=AUDIO 5000 rtp/avp 0\r\n"),
        ("not UTF-8", "v=0\r\ns=\u{fffd}\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 0\r\n"),
        (
            "junk lines",
            "v=0\r\nhello\r\n=\r\nZ=1\r\nb=x\r\nz=-\r\nk=clear:x\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 0\r\n",
        ),
        ("IPv4-mapped", "v=0\r\nc=IN IP6 ::ffff:10.0.0.9\r\nm=audio 5000 RTP/AVP 0\r\n"),
        ("wrong family", "v=0\r\nc=IN IP6 10.0.0.9\r\nm=audio 5000 RTP/AVP 0\r\n"),
        ("no end of line", "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 0"),
    ];
    for (name, sdp) in rows {
        let bytes: Vec<u8> = if name == "not UTF-8" {
            sdp.as_bytes().iter().map(|byte| if *byte == 0xef { 0xff } else { *byte }).collect()
        } else {
            sdp.as_bytes().to_vec()
        };
        let far = parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}")).audio.expect(name);
        assert_eq!(far.rtp(), socket("10.0.0.9:5000"), "{name}");
        assert_eq!(far.formats, [Format::PCMU], "{name}");
    }
}

#[test]
fn an_ipv6_address_is_read_and_written() {
    let far = audio("v=0\r\nc=IN IP6 2001:db8::7\r\nm=audio 5000 RTP/AVP 0\r\na=rtcp:5009 IN IP6 2001:db8::8\r\n");
    assert_eq!(far.rtp(), socket("[2001:db8::7]:5000"));
    assert_eq!(far.rtcp, Some(socket("[2001:db8::8]:5009")));
    let said = text(&offer(&Local { address: ip("2001:db8::1"), ..local() }));
    assert!(said.contains("o=- 7 1 IN IP6 2001:db8::1\r\n") && said.contains("c=IN IP6 2001:db8::1\r\n"), "{said}");
}

#[test]
fn packet_length_and_flow_stand_at_media_or_session_level() {
    let far = audio(&with("a=ptime:30\r\na=recvonly\r\na=maxptime:60\r\n", ""));
    assert_eq!((far.ptime, far.maxptime, far.flow), (Some(30), Some(60), Flow::RecvOnly));
    let far = audio(&with("a=ptime:30\r\na=recvonly\r\n", "a=ptime:10.5\r\na=inactive\r\n"));
    assert_eq!((far.ptime, far.flow), (Some(10), Flow::Inactive));
    assert_eq!(audio(&with("", "a=ptime:0\r\n")).ptime, None);
}

#[test]
fn unusable_descriptions_are_refused_with_the_value_and_its_status() {
    let media = |c: &str, m: &str| format!("v=0\r\n{c}m={m}\r\n");
    let c = "c=IN IP4 10.0.0.9\r\n";
    let rows = [
        (String::new(), SdpError::NotSdp { bytes: 0 }, 400),
        ("hello\r\nworld\r\n".into(), SdpError::NotSdp { bytes: 14 }, 400),
        ("v=1\r\n".into(), SdpError::Version("1".into()), 400),
        (media(c, "audio"), SdpError::MediaLine("audio".into()), 400),
        (media(c, "audio 70000 RTP/AVP 0"), SdpError::MediaLine("audio 70000 RTP/AVP 0".into()), 400),
        (media("", "audio 5000 RTP/AVP 0"), SdpError::NoAddress, 400),
        (
            media("c=IN IP4 phone.example.com\r\n", "audio 5000 RTP/AVP 0"),
            SdpError::Address("phone.example.com".into()),
            488,
        ),
        (
            media("c=IN IP4 224.2.36.42/127\r\n", "audio 5000 RTP/AVP 0"),
            SdpError::Address("224.2.36.42/127".into()),
            488,
        ),
        (
            media("c=IN IP4 255.255.255.255\r\n", "audio 5000 RTP/AVP 0"),
            SdpError::Address("255.255.255.255".into()),
            488,
        ),
    ];
    for (sdp, expected, status) in rows {
        assert_eq!(parse(sdp.as_bytes()), Err(expected.clone()), "{sdp:?}");
        assert_eq!(expected.status(), status, "{sdp:?}");
    }
    let long = vec![b'x'; 70_000];
    assert_eq!(parse(&long).unwrap_err().status(), 413);
    let many = format!("v=0\r\n{c}{}", "m=video 0 RTP/AVP 31\r\n".repeat(33));
    assert_eq!(parse(many.as_bytes()), Err(SdpError::TooManyMedia { limit: 32 }));
}

#[test]
fn a_bad_address_of_a_stream_that_we_refuse_anyway_does_no_harm() {
    let sdp =
        "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 0\r\nm=video 6000 RTP/AVP 31\r\nc=IN IP4 224.1.1.1/3\r\n";
    assert!(answer(&read(sdp), &local(), None).is_ok());
}

#[test]
fn hold_by_address_takes_the_receiving_half_away() {
    let rows = [
        ("IN IP4 0.0.0.0", "", Flow::SendOnly),
        ("IN IP4 0.0.0.0", "a=sendonly\r\n", Flow::SendOnly),
        ("IN IP4 0.0.0.0", "a=recvonly\r\n", Flow::Inactive),
        ("IN IP4 0.0.0.0", "a=inactive\r\n", Flow::Inactive),
        ("IN IP6 ::", "", Flow::SendOnly),
        ("IN IP6 hold.invalid", "", Flow::SendOnly),
    ];
    for (c, attribute, flow) in rows {
        let far = audio(&format!("v=0\r\nc={c}\r\nm=audio 5000 RTP/AVP 0\r\n{attribute}"));
        assert!(far.held_by_address, "{c} {attribute}");
        assert_eq!(far.flow, flow, "{c} {attribute}");
    }
}

#[test]
fn plain_rtp_is_taken_before_encrypted_and_a_stream_that_is_off_is_not_taken() {
    let description = read(
        "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 0 RTP/AVP 0\r\nm=audio 5000 RTP/SAVP 0\r\na=crypto:1 X inline:secret\r\nm=audio 5002 RTP/AVP 8\r\n",
    );
    assert_eq!(description.audio_index, 2);
    assert_eq!(description.audio.as_ref().unwrap().formats, [Format::PCMA]);
    assert!(!format!("{description:?}").contains("secret"), "keys are not kept");
}

// ---- offering ----

#[test]
fn our_offer_is_a_strict_description() {
    let said = text(&offer(&Local { ptime: Some(20), rtcp_mux: true, flow: Flow::SendOnly, ..local() }));
    assert_eq!(
        said,
        "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 10000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\na=rtcp-mux\r\n"
    );
}

#[test]
fn the_next_leg_is_offered_both_laws_in_the_callers_order_and_events() {
    let rows = [
        ("baresip", BARESIP, [0, 8], 101),
        ("linphone", LINPHONE, [0, 8], 100),
        ("sipp", SIPP, [0, 8], 101),
        ("pjsua", PJSUA, [0, 8], 96),
        ("Asterisk", ASTERISK, [8, 0], 101),
    ];
    for (name, sdp, pts, events_pt) in rows {
        let (formats, events) = offer_formats_from(&audio(sdp), &[Format::PCMU, Format::PCMA]);
        assert_eq!(formats.iter().map(|format| format.pt).collect::<Vec<_>>(), pts, "{name}");
        assert_eq!(events, Some(Events { pt: events_pt, clock: 8_000 }), "{name}");
    }
    let only_pcma = audio("v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 97\r\na=rtpmap:97 PCMA/8000\r\n");
    assert_eq!(offer_formats_from(&only_pcma, &[Format::PCMU, Format::PCMA]).0, [Format::PCMA, Format::PCMU]);
}

/// All that we have, in an order of our own.
fn ours() -> Vec<Format> {
    vec![Format::opus(), Format::g722(), Format::PCMU, Format::PCMA, Format::g729(), Format::noise()]
}

#[test]
fn what_the_caller_has_is_offered_on_under_its_parameters_then_g711_then_what_only_it_knows() {
    let rows = [
        ("baresip", BARESIP, "opus/48000/2 PCMU/8000 PCMA/8000 G722/8000"),
        ("linphone", LINPHONE, "opus/48000/2 PCMU/8000 PCMA/8000 speex/16000 speex/8000"),
        ("Cisco", CISCO, "G722/8000 PCMU/8000 PCMA/8000 G729/8000 iLBC/8000"),
    ];
    for (name, sdp, expected) in rows {
        let (formats, events) = offer_with_foreign(&audio(sdp), &ours());
        let names: Vec<String> = formats.iter().map(|format| format.codec.to_string()).collect();
        assert_eq!(names.join(" "), expected, "{name}");
        let mut pts: Vec<u8> = formats.iter().map(|format| format.pt).chain(events.map(|events| events.pt)).collect();
        pts.sort_unstable();
        pts.dedup();
        assert_eq!(pts.len(), formats.len() + 1, "{name}: every number stands for one thing");
    }
    let only_opus = audio(
        "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=1\r\n",
    );
    let (formats, _) = offer_with_foreign(&only_opus, &ours());
    let pts: Vec<u8> = formats.iter().map(|format| format.pt).collect();
    assert_eq!((pts, formats[0].fmtp.as_deref()), (vec![111, 0, 8], Some("stereo=1")));
    let unknown =
        "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 99\r\na=rtpmap:99 iLBC/8000\r\na=fmtp:99 mode=20\r\n";
    let (formats, _) = offer_with_foreign(&audio(unknown), &ours());
    assert_eq!(formats, audio(unknown).formats, "whoever can only be passed through is offered nothing else");
}

#[test]
fn events_are_agreed_in_the_clock_of_the_codec() {
    let both = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 96 0 101 97\r\na=rtpmap:96 opus/48000/2\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=rtpmap:97 telephone-event/48000\r\n";
    for (preferred, pt, clock) in [(Format::opus(), 97, 48_000), (Format::PCMU, 101, 8_000)] {
        let local = Local { formats: ours(), ..local() };
        let (body, negotiated) = answer(&read(both), &local, Some(&preferred.codec)).unwrap();
        assert_eq!(negotiated.send.codec, preferred.codec);
        assert_eq!(negotiated.receive_events, Some(Events { pt, clock }), "{preferred:?}");
        assert_eq!(text(&body).matches("telephone-event").count(), 1);
        assert!(text(&body).contains(&format!("a=rtpmap:{pt} telephone-event/{clock}\r\n")), "{}", text(&body));
    }
    let ours = Local { formats: ours(), ..local() };
    let said = text(&offer(&ours));
    assert!(said.contains("a=rtpmap:101 telephone-event/8000\r\n"), "{said}");
    assert!(said.contains("a=rtpmap:97 telephone-event/48000\r\n"), "{said}");
    let answered = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\n\
        a=rtpmap:97 telephone-event/48000\r\n";
    let negotiated = conclude(&ours, &read(answered)).unwrap();
    let events = Some(Events { pt: 97, clock: 48_000 });
    assert_eq!((negotiated.send_events, negotiated.receive_events), (events, events));
}

#[test]
fn an_answer_has_our_parameters_and_noise_only_beside_speech() {
    let sdp = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 13 111 0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=1\r\n";
    let local = Local { formats: ours(), ..local() };
    let (body, negotiated) = answer(&read(sdp), &local, None).unwrap();
    assert_eq!(negotiated.send.codec, Format::opus().codec, "comfort noise is no codec");
    assert!(text(&body).contains("m=audio 10000 RTP/AVP 111\r\n"), "{}", text(&body));
    assert!(text(&body).contains("a=fmtp:111 useinbandfec=1\r\n"), "{}", text(&body));
    let (body, _) = answer(&read(sdp), &local, Some(&Codec::Pcmu)).unwrap();
    assert!(text(&body).contains("m=audio 10000 RTP/AVP 0 13\r\n"), "{}", text(&body));
    let only_noise = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 13\r\n";
    assert!(answer(&read(only_noise), &local, None).is_err());
}

// ---- answering ----

#[test]
fn an_answer_takes_one_codec_the_preferred_one_if_it_was_offered() {
    let rows = [
        (BARESIP, None, 0),
        (BARESIP, Some(Codec::Pcma), 8),
        (ASTERISK, None, 8),
        (ASTERISK, Some(Codec::Pcmu), 0),
        (SIPP, Some(Codec::Pcma), 0),
    ];
    for (sdp, preferred, pt) in rows {
        let (body, negotiated) = answer(&read(sdp), &local(), preferred.as_ref()).unwrap();
        assert_eq!(negotiated.send.pt, pt, "{preferred:?} of\n{sdp}");
        assert_eq!(negotiated.receive[0], negotiated.send);
        assert_eq!(audio(&text(&body)).formats, [negotiated.send], "{preferred:?} of\n{sdp}");
    }
}

#[test]
fn an_answer_keeps_the_payload_types_of_the_offer() {
    let sdp = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 97 110\r\na=rtpmap:97 PCMA/8000\r\na=rtpmap:110 telephone-event/8000\r\n";
    let (body, negotiated) = answer(&read(sdp), &local(), None).unwrap();
    let said = text(&body);
    assert!(said.contains("m=audio 10000 RTP/AVP 97 110\r\na=rtpmap:97 PCMA/8000\r\n"), "{said}");
    assert_eq!(negotiated.send, Format { pt: 97, codec: Codec::Pcma, fmtp: None });
    assert_eq!(negotiated.send_events, Some(Events { pt: 110, clock: 8_000 }));
    assert_eq!(negotiated.receive_events, negotiated.send_events);
}

#[test]
fn events_are_answered_only_where_offered_and_in_the_offered_clock() {
    let (body, negotiated) = answer(&read(SIPP), &local(), None).unwrap();
    assert_eq!((negotiated.send_events, negotiated.receive_events), (None, None));
    assert!(!text(&body).contains("telephone-event"));

    let only_48k = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 0 99\r\na=rtpmap:99 telephone-event/48000\r\n";
    let (body, negotiated) = answer(&read(only_48k), &local(), None).unwrap();
    assert_eq!(negotiated.receive_events, Some(Events { pt: 99, clock: 48_000 }));
    assert!(text(&body).contains("a=rtpmap:99 telephone-event/48000\r\n"));

    let (body, negotiated) = answer(&read(BARESIP), &Local { events: None, ..local() }, None).unwrap();
    assert_eq!(negotiated.send_events, None);
    assert!(!text(&body).contains("telephone-event"));
}

#[test]
fn the_answers_flow_is_what_both_sides_allow() {
    use Flow::*;
    let rows = [
        (SendRecv, SendRecv, SendRecv, false),
        (SendOnly, SendRecv, RecvOnly, true),
        (RecvOnly, SendRecv, SendOnly, false),
        (Inactive, SendRecv, Inactive, true),
        (SendRecv, SendOnly, SendOnly, false),
        (SendRecv, Inactive, Inactive, false),
        (SendOnly, SendOnly, Inactive, true),
        (SendOnly, RecvOnly, RecvOnly, true),
        (RecvOnly, RecvOnly, Inactive, false),
    ];
    for (theirs, wish, expected, held) in rows {
        let sdp = with("", &format!("a={}\r\n", theirs.as_str()));
        let (body, negotiated) = answer(&read(&sdp), &Local { flow: wish, ..local() }, None).unwrap();
        assert_eq!(negotiated.flow, expected, "{theirs:?} and {wish:?}");
        assert_eq!(negotiated.held, held, "{theirs:?} and {wish:?}");
        assert_eq!(audio(&text(&body)).flow, expected, "{theirs:?} and {wish:?}");
    }
}

#[test]
fn a_hold_in_the_manner_of_rfc_2543_is_answered_and_nothing_is_sent() {
    let sdp = "v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 5000 RTP/AVP 0\r\n";
    let (_, negotiated) = answer(&read(sdp), &local(), None).unwrap();
    assert!(negotiated.held && negotiated.held_by_address);
    assert_eq!(negotiated.flow, Flow::RecvOnly);
}

#[test]
fn every_media_line_is_answered_and_all_but_one_are_refused() {
    let (body, _) = answer(&read(LINPHONE), &local(), None).unwrap();
    let said = read(&text(&body));
    assert_eq!(said.media.len(), 2);
    assert_eq!(said.media[1].port, 0);
    assert_eq!(said.media[1].proto, "RTP/AVP");
    assert_eq!(said.media[1].formats, ["96", "97"]);

    let fax_first = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=image 4000 udptl t38\r\nm=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/AVP 8\r\nm=application 0 X\r\n";
    let (body, _) = answer(&read(fax_first), &local(), None).unwrap();
    let said = text(&body);
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=image 0 udptl t38", "m=audio 10000 RTP/AVP 0", "m=audio 0 RTP/AVP 8", "m=application 0 X 0"]);
}

#[test]
fn the_answer_names_the_transport_of_the_offer() {
    let (body, _) = answer(&read(&with("", "").replace("RTP/AVP", "RTP/AVPF")), &local(), None).unwrap();
    assert!(text(&body).contains("m=audio 10000 RTP/AVPF 0 101\r\n"));
}

#[test]
fn rtcp_goes_where_the_far_side_said() {
    let rows = [
        ("", false, "10.0.0.9:5001", false),
        ("a=rtcp:7000\r\n", false, "10.0.0.9:7000", false),
        ("a=rtcp:7000 IN IP4 10.0.0.8\r\n", false, "10.0.0.8:7000", false),
        ("a=rtcp:0\r\n", false, "10.0.0.9:5001", false),
        ("a=rtcp-mux\r\na=rtcp:7000\r\n", true, "10.0.0.9:5000", true),
        ("a=rtcp-mux\r\n", false, "10.0.0.9:5001", false),
        ("", true, "10.0.0.9:5001", false),
    ];
    for (attributes, we_mux, rtcp, muxed) in rows {
        let offer = read(&with("", attributes));
        let (body, negotiated) = answer(&offer, &Local { rtcp_mux: we_mux, ..local() }, None).unwrap();
        assert_eq!(negotiated.remote_rtcp, socket(rtcp), "{attributes:?} {we_mux}");
        assert_eq!(negotiated.rtcp_mux, muxed, "{attributes:?} {we_mux}");
        assert_eq!(text(&body).contains("a=rtcp-mux"), muxed, "{attributes:?} {we_mux}");
    }
}

#[test]
fn the_packet_length_is_the_far_sides_wish_within_its_limit() {
    let rows = [
        ("", None),
        ("a=ptime:30\r\n", Some(30)),
        ("a=ptime:60\r\na=maxptime:40\r\n", Some(40)),
        ("a=maxptime:40\r\n", None),
    ];
    for (attributes, expected) in rows {
        let (_, negotiated) = answer(&read(&with("", attributes)), &local(), None).unwrap();
        assert_eq!(negotiated.ptime, expected, "{attributes:?}");
    }
    let (body, _) = answer(&read(&with("", "a=ptime:30\r\n")), &local(), None).unwrap();
    assert!(text(&body).contains("a=ptime:30\r\n"));
}

#[test]
fn an_offer_that_we_cannot_accept_is_488_and_says_why() {
    let c = "v=0\r\nc=IN IP4 10.0.0.9\r\n";
    let rows = [
        (format!("{c}m=audio 5000 RTP/SAVP 0\r\n"), SdpError::Transport("RTP/SAVP".into())),
        (format!("{c}m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\n"), SdpError::Transport("UDP/TLS/RTP/SAVPF".into())),
        (format!("{c}m=audio 5000 RTP/AVP 18 9\r\n"), SdpError::NoCommonCodec("G729/8000, G722/8000".into())),
        (format!("{c}m=audio 5000 RTP/AVP\r\n"), SdpError::NoCommonCodec("none".into())),
        (format!("{c}m=video 5000 RTP/AVP 31\r\n"), SdpError::NoAudio),
        (format!("{c}m=audio 0 RTP/AVP 0\r\n"), SdpError::NoAudio),
        ("v=0\r\n".into(), SdpError::NoAudio),
    ];
    for (sdp, expected) in rows {
        assert_eq!(answer(&read(&sdp), &local(), None).unwrap_err(), expected, "{sdp}");
        assert_eq!(expected.status(), 488, "{sdp}");
    }
}

// ---- concluding ----

#[test]
fn each_side_sends_with_the_payload_types_of_the_other() {
    let ours = Local { formats: vec![Format::PCMU, Format { pt: 98, ..Format::PCMA }], ..local() };
    let theirs = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n";
    let negotiated = conclude(&ours, &read(theirs)).unwrap();
    assert_eq!(negotiated.send, Format::PCMA);
    assert_eq!(negotiated.receive[0], Format { pt: 98, ..Format::PCMA });
    assert_eq!(negotiated.send_events, Some(Events { pt: 96, clock: 8_000 }));
    assert_eq!(negotiated.receive_events, Some(Events { pt: 101, clock: 8_000 }));
    assert_eq!(negotiated.remote, socket("10.0.0.9:5000"));
}

#[test]
fn a_refused_or_foreign_answer_is_an_error() {
    let c = "v=0\r\nc=IN IP4 10.0.0.9\r\n";
    let rows = [
        ("m=audio 0 RTP/AVP 0\r\n", SdpError::Refused),
        ("m=audio 5000 RTP/SAVP 0\r\n", SdpError::Transport("RTP/SAVP".into())),
        ("m=audio 5000 RTP/AVP 18\r\n", SdpError::NoCommonCodec("G729/8000".into())),
    ];
    for (media, expected) in rows {
        assert_eq!(conclude(&local(), &read(&format!("{c}{media}"))), Err(expected), "{media}");
    }
}

#[test]
fn who_offers_not_to_send_is_not_held_by_an_answer_that_agrees() {
    use Flow::*;
    let rows = [
        (SendRecv, SendRecv, SendRecv, false),
        (SendRecv, SendOnly, RecvOnly, true),
        (SendRecv, Inactive, Inactive, true),
        (SendOnly, RecvOnly, SendOnly, false),
        (SendOnly, Inactive, Inactive, true),
        (Inactive, Inactive, Inactive, false),
        (SendOnly, SendRecv, SendOnly, false),
    ];
    for (offered, answered, flow, held) in rows {
        let sdp = with("", &format!("a={}\r\n", answered.as_str()));
        let negotiated = conclude(&Local { flow: offered, ..local() }, &read(&sdp)).unwrap();
        assert_eq!((negotiated.flow, negotiated.held), (flow, held), "{offered:?} answered {answered:?}");
    }
}

// ---- the examples of the RFCs ----

#[test]
fn rfc_3264_10_1_basic_exchange() {
    let alice = "v=0\r\no=alice 2890844526 2890844526 IN IP4 host.anywhere.com\r\ns=\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n\
        m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n\
        m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n";
    let (body, negotiated) = answer(&read(alice), &local(), None).unwrap();
    let ports: Vec<u16> = read(&text(&body)).media.iter().map(|line| line.port).collect();
    assert_eq!(ports, [10_000, 0, 0]);
    assert_eq!(negotiated.send, Format::PCMU);
}

#[test]
fn rfc_3264_10_2_one_of_n_codecs() {
    let alice = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.11\r\ns=\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n\
        m=audio 62986 RTP/AVP 0 4 18\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:4 G723/8000\r\na=rtpmap:18 G729/8000\r\na=inactive\r\n";
    let (_, negotiated) = answer(&read(alice), &local(), None).unwrap();
    assert_eq!((negotiated.send, negotiated.flow), (Format::PCMU, Flow::Inactive));
}

#[test]
fn rfc_4317_2_1_audio_and_video_1() {
    let alice = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.11\r\ns= \r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n\
        m=audio 49170 RTP/AVP 0 8 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:97 iLBC/8000\r\n\
        m=video 51372 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\na=rtpmap:32 MPV/90000\r\n";
    let (body, _) = answer(&read(alice), &local(), None).unwrap();
    let said = read(&text(&body));
    assert_eq!((said.media.len(), said.media[1].port), (2, 0));
}

#[test]
fn rfc_4317_2_4_audio_and_telephone_events() {
    let alice = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.11\r\ns= \r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n\
        m=audio 49170 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 iLBC/8000\r\n\
        m=audio 49172 RTP/AVP 98\r\na=rtpmap:98 telephone-event/8000\r\na=sendonly\r\n";
    let (body, negotiated) = answer(&read(alice), &local(), None).unwrap();
    assert_eq!(negotiated.send, Format::PCMU);
    assert_eq!(read(&text(&body)).media[1].port, 0, "events on a stream of their own are refused");
}

#[test]
fn rfc_4317_3_1_second_offer_puts_on_hold() {
    let mut leg = OfferAnswer::new(1);
    let talking = with("", "");
    leg.receive_offer(talking.as_bytes()).unwrap();
    leg.answer(local(), None).unwrap();
    leg.receive_offer(with("", "a=sendonly\r\n").as_bytes()).unwrap();
    let (_, held) = leg.answer(local(), None).unwrap();
    assert!(held.held && held.flow == Flow::RecvOnly);
    leg.receive_offer(talking.as_bytes()).unwrap();
    assert!(!leg.answer(local(), None).unwrap().1.held);
}

// ---- the exchange ----

#[test]
fn an_offer_is_refused_while_another_is_open() {
    let mut leg = OfferAnswer::new(1);
    leg.offer(local()).unwrap();
    assert_eq!(leg.pending(), Pending::Ours);
    let glare = leg.receive_offer(SIPP.as_bytes()).unwrap_err();
    assert_eq!((glare.clone(), glare.status()), (SdpError::OurOfferPending, 491));
    leg.roll_back();

    leg.receive_offer(SIPP.as_bytes()).unwrap();
    let second = leg.receive_offer(SIPP.as_bytes()).unwrap_err();
    assert_eq!((second.clone(), second.status()), (SdpError::TheirOfferPending, 500));
    assert_eq!(leg.offer(local()).unwrap_err().status(), 500);
}

#[test]
fn an_answer_without_an_offer_is_an_error() {
    let mut leg = OfferAnswer::new(1);
    assert_eq!(leg.receive_answer(SIPP.as_bytes()), Err(SdpError::UnexpectedAnswer));
    assert_eq!(leg.answer(local(), None).unwrap_err(), SdpError::UnexpectedAnswer);
    leg.receive_offer(SIPP.as_bytes()).unwrap();
    assert_eq!(leg.receive_answer(SIPP.as_bytes()), Err(SdpError::UnexpectedAnswer));
}

#[test]
fn a_failed_offer_leaves_what_was_agreed() {
    let mut leg = OfferAnswer::new(1);
    leg.offer(local()).unwrap();
    let before = leg.receive_answer(SIPP.as_bytes()).unwrap();
    leg.offer(Local { flow: Flow::SendOnly, ..local() }).unwrap();
    assert_eq!(leg.roll_back(), Some(&before));
    assert_eq!(leg.pending(), Pending::None);
    assert_eq!(leg.local().unwrap().flow, Flow::SendRecv);

    leg.receive_offer(b"v=0\r\nm=audio 0 RTP/AVP 0\r\n").unwrap();
    assert_eq!(leg.answer(local(), None).unwrap_err(), SdpError::NoAudio);
    assert_eq!(leg.roll_back(), Some(&before));
    assert!(leg.receive_offer(b"junk").is_err());
    assert_eq!(leg.pending(), Pending::None, "what cannot be read opens nothing");
}

#[test]
fn the_version_grows_by_one_when_the_description_changes_and_only_then() {
    let mut leg = OfferAnswer::new(99);
    let versions = |body: &[u8]| read(&text(body)).version;
    assert_eq!(versions(&leg.offer(local()).unwrap()), 1);
    leg.receive_answer(SIPP.as_bytes()).unwrap();
    assert_eq!(versions(&leg.offer(local()).unwrap()), 1, "a refresh says the same");
    leg.receive_answer(SIPP.as_bytes()).unwrap();
    let hold = leg.offer(Local { flow: Flow::SendOnly, ..local() }).unwrap();
    assert_eq!((versions(&hold), read(&text(&hold)).session_id.as_str()), (2, "99"));
    assert_eq!(leg.said(), Some(&hold));
    leg.roll_back();
    assert_eq!(versions(&leg.offer(local()).unwrap()), 3, "a failed one is not said again under its number");
}

#[test]
fn a_late_offer_is_ours_and_the_ack_brings_the_answer() {
    let mut leg = OfferAnswer::new(1);
    let in_200 = leg.offer(local()).unwrap();
    assert_eq!(read(&text(&in_200)).media.len(), 1);
    let in_ack = leg.receive_answer(ASTERISK.as_bytes()).unwrap();
    assert_eq!(in_ack.send, Format::PCMA);
    assert_eq!(leg.agreed(), Some(&in_ack));
}

#[test]
fn an_early_answer_is_previewed_and_the_final_one_counts() {
    let mut leg = OfferAnswer::new(1);
    assert_eq!(leg.preview_answer(SIPP.as_bytes()), Err(SdpError::UnexpectedAnswer));
    leg.offer(local()).unwrap();
    assert_eq!(leg.preview_answer(ASTERISK.as_bytes()).unwrap().send, Format::PCMA);
    assert_eq!((leg.pending(), leg.agreed()), (Pending::Ours, None));
    assert_eq!(leg.receive_answer(SIPP.as_bytes()).unwrap().send, Format::PCMU);
}

#[test]
fn a_later_offer_has_as_many_media_lines_as_the_session() {
    let mut leg = OfferAnswer::new(1);
    leg.receive_offer(LINPHONE.as_bytes()).unwrap();
    leg.answer(local(), None).unwrap();
    let said = text(&leg.offer(Local { flow: Flow::SendOnly, ..local() }).unwrap());
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=audio 10000 RTP/AVP 0 8 101", "m=video 0 RTP/AVP 96 97"]);
}

// ---- laws ----

fn any_local() -> impl Strategy<Value = Local> {
    let flows = prop_oneof![Just(Flow::SendRecv), Just(Flow::SendOnly), Just(Flow::RecvOnly), Just(Flow::Inactive)];
    (any::<[u8; 4]>(), 1024_u16.., flows, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(address, port, flow, rtcp_mux, swap, events)| Local {
            address: IpAddr::from([10, address[1], address[2], address[3]]),
            port,
            flow,
            rtcp_mux,
            formats: if swap { vec![Format::PCMA, Format::PCMU] } else { vec![Format::PCMU, Format::PCMA] },
            events: events.then_some(Events { pt: 101, clock: 8_000 }),
            ..local()
        },
    )
}

/// A real description with some bytes changed, cut or doubled.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let samples = prop::sample::select(vec![BARESIP, LINPHONE, SIPP, PJSUA, ASTERISK, CISCO]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..12);
    (samples, edits).prop_map(|(sample, edits)| {
        let mut bytes = sample.as_bytes().to_vec();
        for (place, byte, kind) in edits {
            let at = place.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

/// Everything that can be done with bytes from the far side.
fn use_everything(bytes: &[u8]) {
    let Ok(description) = parse(bytes) else { return };
    if let Some(audio) = &description.audio {
        assert_eq!(offer_formats_from(audio, &[Format::PCMU, Format::PCMA]).0.len(), 2);
        assert!(
            !offer_with_foreign(audio, &[Format::opus()]).0.is_empty() || audio.formats.iter().all(Format::is_noise)
        );
    }
    if let Ok(negotiated) = conclude(&local(), &description) {
        assert_eq!(negotiated.receive[0].codec, negotiated.send.codec);
    }
    if let Ok((body, negotiated)) = answer(&description, &local(), None) {
        let said = read(&text(&body));
        assert_eq!(said.media.len(), description.media.len());
        assert_eq!(said.audio_index, description.audio_index);
        assert_eq!(said.audio.unwrap().formats, vec![negotiated.send]);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        use_everything(&bytes);
    }

    #[test]
    fn no_damage_to_a_real_description_makes_it_panic(bytes in mutated()) {
        use_everything(&bytes);
    }

    #[test]
    fn two_of_us_agree_on_the_same_thing(alice in any_local(), bob in any_local()) {
        let said = read(&text(&offer(&alice)));
        let (body, at_bob) = answer(&said, &bob, None).unwrap();
        let at_alice = conclude(&alice, &read(&text(&body))).unwrap();
        prop_assert_eq!(&at_alice.send, &at_bob.send);
        prop_assert_eq!(at_alice.flow, at_bob.flow.reversed());
        prop_assert_eq!(at_alice.rtcp_mux, at_bob.rtcp_mux);
        prop_assert_eq!(at_alice.send_events, at_bob.receive_events);
        prop_assert_eq!(at_bob.send_events, at_alice.receive_events);
        prop_assert_eq!(at_alice.remote, SocketAddr::new(bob.address, bob.port));
        prop_assert_eq!(at_bob.remote, SocketAddr::new(alice.address, alice.port));
        prop_assert_eq!(at_bob.held, !alice.flow.receives());
    }
}
