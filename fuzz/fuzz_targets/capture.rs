//! Any bytes as a capture: read to the end or to an error, in bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telegraphone::replay::capture::Capture;
use telegraphone::replay::rtp_guess::RtpGuess;

fuzz_target!(|data: &[u8]| {
    let Ok(mut capture) = Capture::from_reader(data, data.len() as u64) else { return };
    let mut guess = RtpGuess::new();
    let mut datagrams = 0_usize;
    while let Some(Ok(datagram)) = capture.next() {
        guess.see(datagram.at, datagram.src, datagram.dst, datagram.payload);
        datagrams += 1;
    }
    assert!(datagrams <= data.len());
    assert!(capture.position() <= capture.size());
    guess.finish();
});
