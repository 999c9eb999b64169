use super::*;
use proptest::prelude::*;

const CALLER: &str = "192.0.2.1:40000";
const CALLEE: &str = "192.0.2.2:5060";

fn at(millis: i64) -> Wall {
    Wall::from_unix_micros(millis * 1_000)
}

fn message(number: usize, body: usize) -> Vec<u8> {
    let body = "x".repeat(body);
    let method = ["INVITE", "ACK", "BYE"][number % 3];
    format!(
        "{method} sip:b@b SIP/2.0\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

struct Line {
    streams: Streams,
    heard: Vec<Heard>,
}

impl Line {
    fn new() -> Self {
        Line { streams: Streams::default(), heard: Vec::new() }
    }

    fn send(&mut self, millis: i64, sequence: u32, syn: bool, payload: &[u8]) -> Of {
        let (src, dst) = (CALLER.parse().unwrap(), CALLEE.parse().unwrap());
        self.streams.take(at(millis), &Segment { src, dst, sequence, syn, payload }, &mut self.heard)
    }

    fn texts(&self) -> Vec<Vec<u8>> {
        self.heard.iter().map(|heard| heard.bytes.to_vec()).collect()
    }
}

/// Near the end of the numbers: they wrap within the first message.
const ISN: u32 = u32::MAX - 20;

#[test]
fn several_messages_in_a_segment_and_one_over_several_are_all_heard() {
    let (one, two, three) = (message(0, 300), message(1, 0), message(2, 40));
    let stream = [one.clone(), b"\r\n\r\n".to_vec(), two.clone(), three.clone()].concat();
    let mut line = Line::new();
    assert_eq!(line.send(0, ISN, true, b""), Of::Sip);
    let first = ISN.wrapping_add(1);
    let cut = one.len() - 7;
    line.send(1, first, false, &stream[..cut]);
    assert!(line.heard.is_empty());
    assert_eq!(line.send(2, first.wrapping_add(cut as u32), false, &stream[cut..]), Of::Sip);
    assert_eq!(line.texts(), [one, two, three]);
    assert!(line.heard.iter().all(|heard| heard.at == at(2)), "at the moment of its last octet");
}

#[test]
fn retransmissions_and_overlaps_are_heard_once() {
    let (one, two) = (message(0, 300), message(1, 0));
    let stream = [one.clone(), two.clone()].concat();
    let mut line = Line::new();
    for (from, to) in [(0, 100), (0, 100), (50, 200), (300, 350), (150, 320), (10, 20), (200, stream.len())] {
        line.send(0, 1_000 + from as u32, false, &stream[from..to]);
    }
    assert_eq!(line.texts(), [one, two]);
    assert_eq!(line.streams.take_lost(), 0);
}

#[test]
fn a_stream_that_is_no_sip_is_not_kept() {
    let mut line = Line::new();
    line.send(0, 0, true, b"");
    assert_eq!(line.send(1, 1, false, b"GET / HTTP/1.1\r\n"), Of::Other);
    assert_eq!(line.send(2, 17, false, b"Host: a\r\n\r\n"), Of::Other);
    assert_eq!(line.send(3, 28, false, b""), Of::Nothing);
    assert!(line.streams.streams.is_empty());
    let rows: [(&[u8], Option<bool>); 10] = [
        (b"", None),
        (b"\r\n\r\n", None),
        (b"SIP/2", None),
        (b"SIP/2.0 200 OK", Some(true)),
        (b"\r\nINVITE sip:b@b", Some(true)),
        (b"MESSAGE SIPS:b@b", Some(true)),
        (b"INVITE s", None),
        (b"\x16\x03\x01\x02", Some(false)),
        (b"POST http://b/", Some(false)),
        (b"hello there", Some(false)),
    ];
    for (bytes, expected) in rows {
        assert_eq!(carries_sip(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_stream_is_followed_from_its_middle_where_a_message_begins() {
    let mut line = Line::new();
    let whole = message(1, 10);
    assert_eq!(line.send(0, 500, false, &whole[20..]), Of::Other);
    assert_eq!(line.send(1, 900, false, &whole), Of::Sip);
    assert_eq!(line.texts(), [whole]);
}

#[test]
fn what_the_capture_lacks_costs_the_messages_around_it_and_no_more() {
    let messages: Vec<Vec<u8>> = (0..5).map(|number| message(number, 30)).collect();
    let mut line = Line::new();
    let mut from = 1;
    line.send(0, 0, true, b"");
    for (number, message) in messages.iter().enumerate() {
        if number != 2 {
            line.send(number as i64, from, false, message);
        }
        from += message.len() as u32;
    }
    assert_eq!(line.heard.len(), 2, "the rest waits for what is missing");
    assert_eq!(line.streams.due(), Some(at(3 + 3_000)));
    line.streams.pass(at(2_999), &mut line.heard);
    assert_eq!(line.heard.len(), 2);
    line.streams.pass(at(3_003), &mut line.heard);
    assert_eq!(line.texts(), [&messages[..2], &messages[3..]].concat());
    assert_eq!((line.streams.take_lost(), line.streams.due()), (1, None));
    // It goes on.
    line.send(4_000, from, false, &message(7, 0));
    assert_eq!(line.heard.len(), 5);
}

#[test]
fn what_still_waits_at_the_end_is_heard() {
    let mut line = Line::new();
    line.send(0, 0, true, b"");
    line.send(1, 100, false, &message(2, 0));
    line.streams.finish(at(2), &mut line.heard);
    assert_eq!(line.texts(), [message(2, 0)]);
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut line = Line::new();
    let part = message(0, 60_000);
    for port in 0..10_000u16 {
        let (src, dst) = (SocketAddr::new([192, 0, 2, 1].into(), port), CALLEE.parse().unwrap());
        let segment = Segment { src, dst, sequence: 0, syn: false, payload: &part[..50_000] };
        line.streams.take(at(0), &segment, &mut line.heard);
        assert!(line.streams.held <= MOST_HELD && line.streams.streams.len() <= MOST_STREAMS);
    }
    let mut line = Line::new();
    line.send(0, 0, true, b"");
    for number in 1..10_000u32 {
        line.send(0, 10 * number, false, b"12345");
    }
    assert!(line.streams.held <= 5 * (MOST_EARLY + 1));
    let mut line = Line::new();
    for number in 0..100u32 {
        let payload = if number == 0 { b"INVITE sip:b@b SIP/2.0\r\n".to_vec() } else { vec![b'a'; 10_000] };
        let from = if number == 0 { 0 } else { 24 + (number - 1) * 10_000 };
        line.send(0, from, false, &payload);
        assert!(line.streams.held <= 80_000, "a head without an end");
    }
    assert_eq!(line.streams.take_lost(), 1);
}

proptest! {
    /// However a stream is cut, shuffled within reach and repeated, its messages come out in order.
    #[test]
    fn any_cut_and_any_order_give_the_same_messages(
        bodies in proptest::collection::vec(0usize..150, 1..6),
        cuts in proptest::collection::vec(15usize..150, 1..20),
        isn in any::<u32>(),
        dice in proptest::collection::vec(any::<u8>(), 64),
    ) {
        let messages: Vec<Vec<u8>> = bodies.iter().enumerate().map(|(number, body)| message(number, *body)).collect();
        let stream = messages.concat();
        let mut pieces = Vec::new();
        let (mut from, mut cuts) = (0, cuts.iter().cycle());
        while from < stream.len() {
            let to = (from + cuts.next().unwrap()).min(stream.len());
            pieces.push((from, to));
            from = to;
        }
        let mut dice = dice.iter().cycle().copied();
        for at in 1..pieces.len() {
            match dice.next().unwrap() % 4 {
                0 => pieces.swap(at - 1, at),
                1 => pieces.push(pieces[at]),
                _ => {}
            }
        }
        prop_assume!(pieces.len() <= MOST_EARLY);
        let mut line = Line::new();
        line.send(0, isn, true, b"");
        for (from, to) in pieces {
            line.send(0, isn.wrapping_add(1 + from as u32), false, &stream[from..to]);
        }
        prop_assert_eq!(line.texts(), messages);
        prop_assert_eq!(line.streams.take_lost(), 0);
    }

    #[test]
    fn whatever_comes_nothing_breaks(
        rows in proptest::collection::vec((any::<u16>(), any::<bool>(), 0usize..60, 0i64..9_000), 0..120),
    ) {
        let stream = [message(0, 30), message(1, 0), message(2, 400)].concat();
        let mut line = Line::new();
        for (sequence, syn, length, millis) in rows {
            let from = usize::from(sequence) % stream.len();
            let payload = &stream[from..(from + length).min(stream.len())];
            line.send(millis, u32::from(sequence), syn && sequence % 8 == 0, payload);
            line.streams.pass(at(millis), &mut line.heard);
        }
        line.streams.finish(at(10_000), &mut line.heard);
        let held: usize = line.streams.streams.values().map(Stream::count).sum();
        prop_assert_eq!(line.streams.held, held);
    }
}
