use super::*;
use crate::sip::message::Method;
use crate::sip::uri::Uri;

fn request(lines: &[(&str, &str)]) -> Request {
    let mut request = Request::new(Method::Invite, Uri::sip("a", "b"));
    for (name, value) in lines {
        request.headers.push(name, *value);
    }
    request
}

const OURS: Policy = Policy { interval_s: 1_800, min_s: 120 };

#[test]
fn what_a_request_asks_becomes_an_agreement() {
    const TIMER: (&str, &str) = ("Supported", "timer");
    type Row = (&'static [(&'static str, &'static str)], u32, Refresher);
    let rows: &[Row] = &[
        (&[], 1_800, Refresher::Us),
        (&[TIMER], 1_800, Refresher::Them),
        (&[TIMER, ("Session-Expires", "600")], 600, Refresher::Them),
        (&[TIMER, ("x", "600;refresher=uas")], 600, Refresher::Us),
        (&[TIMER, ("Session-Expires", "600 ; Refresher=UAC")], 600, Refresher::Them),
        (&[TIMER, ("Session-Expires", "7200")], 1_800, Refresher::Them),
        (&[TIMER, ("Session-Expires", "7200"), ("Min-SE", "3600")], 3_600, Refresher::Them),
        (&[("Session-Expires", "600;refresher=uac")], 600, Refresher::Us),
        // Without support a 422 would not be understood.
        (&[("Session-Expires", "60")], 120, Refresher::Us),
        (&[TIMER, ("Session-Expires", "soon")], 1_800, Refresher::Them),
    ];
    for (lines, interval_s, refresher) in rows {
        let agreed = negotiate_uas(&request(lines), &OURS).unwrap();
        assert_eq!(agreed, Agreed { interval_s: *interval_s, refresher: *refresher }, "{lines:?}");
    }
}

#[test]
fn too_small_an_interval_gets_422_with_our_least() {
    let request = request(&[("Supported", "timer"), ("Session-Expires", "90")]);
    let refused = negotiate_uas(&request, &OURS).unwrap_err();
    assert_eq!((refused.status, refused.headers.get("Min-SE")), (422, Some("120")));
    let again = after_422(&refused, &Policy { interval_s: 100, min_s: 90 }).unwrap();
    assert_eq!(again.interval_s, 120);
    assert_eq!(after_422(&refused, &OURS), None);
}

#[test]
fn the_answer_settles_what_we_asked() {
    let answer = |lines: &[(&str, &str)]| {
        let mut response = request(&[]).response(200);
        for (name, value) in lines {
            response.headers.push(name, *value);
        }
        negotiate_uac(&response, &OURS)
    };
    assert_eq!(answer(&[]), Agreed { interval_s: 1_800, refresher: Refresher::Us });
    let theirs = answer(&[("Session-Expires", "600;refresher=uas")]);
    assert_eq!(theirs, Agreed { interval_s: 600, refresher: Refresher::Them });
    let ours = answer(&[("Session-Expires", "1;refresher=uac")]);
    assert_eq!(ours, Agreed { interval_s: 90, refresher: Refresher::Us });
}

#[test]
fn refresh_is_due_at_half_and_the_session_ends_a_little_before_it_expires() {
    let from = Time(1_000_000);
    let us = Agreed { interval_s: 1_800, refresher: Refresher::Us };
    assert_eq!(us.refresh_at(from), Some(from + Span::from_secs(900)));
    assert_eq!(us.ends_at(from), from + Span::from_secs(1_768));
    let them = Agreed { interval_s: 90, refresher: Refresher::Them };
    assert_eq!(them.refresh_at(from), None);
    assert_eq!(them.ends_at(from), from + Span::from_secs(60));
}

#[test]
fn the_header_names_the_refresher_by_its_role_in_the_transaction() {
    let us = Agreed { interval_s: 600, refresher: Refresher::Us };
    assert_eq!((us.answer_value(), us.refresh_value()), ("600;refresher=uas".into(), "600;refresher=uac".into()));
    let them = Agreed { interval_s: 600, refresher: Refresher::Them };
    assert_eq!((them.answer_value(), them.refresh_value()), ("600;refresher=uac".into(), "600;refresher=uas".into()));
    assert!(them.requires_timer() && !us.requires_timer());
    let mut headers = Headers::default();
    offer(&mut headers, &OURS);
    assert_eq!(headers.get("Session-Expires"), Some("1800"));
    assert_eq!(headers.get("Min-SE"), Some("120"));
}
