//! Any stream, cut anywhere: the frames do not depend on the cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telegraphone::sip::parse::Framer;

fuzz_target!(|data: &[u8]| {
    let Some((cut, stream)) = data.split_first() else {
        return;
    };
    let mut whole = Framer::new();
    whole.push(stream);
    let expected: Vec<_> = whole.by_ref().collect();

    let mut pieces = Framer::new();
    let mut found = Vec::new();
    for piece in stream.chunks(usize::from(*cut).max(1)) {
        pieces.push(piece);
        found.extend(pieces.by_ref());
    }
    assert_eq!(found, expected);
    assert_eq!(pieces.is_dead(), whole.is_dead());
});
