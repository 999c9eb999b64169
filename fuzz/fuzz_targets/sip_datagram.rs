//! Any datagram: nothing breaks, and what reads prints so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telegraphone::sip::check::{Capabilities, check_request};
use telegraphone::sip::dialog::Dialog;
use telegraphone::sip::digest::Credentials;
use telegraphone::sip::message::Message;
use telegraphone::sip::parse::parse_datagram;
use telegraphone::sip::session_timer::{Policy, negotiate_uas};

fuzz_target!(|data: &[u8]| {
    let message = match parse_datagram(data) {
        Ok(message) => message,
        Err(error) => {
            if let Some(request) = error.reply_to {
                let _ = request.response(error.status).with_reason(&error.reason).to_bytes();
            }
            return;
        }
    };
    let printed = message.to_bytes();
    if let Ok(again) = parse_datagram(&printed) {
        assert_eq!(again.to_bytes(), printed);
    }
    if let Message::Request(request) = message {
        let _ = check_request(&request, &Capabilities::default());
        let _ = (request.contacts(), request.route_set(), request.uri.user_unescaped());
        let _ = negotiate_uas(&request, &Policy::default());
        if let Some(value) = request.headers.get("Authorization") {
            let _ = Credentials::parse(value);
        }
        if let Ok(mut dialog) = Dialog::uas(&request, "t") {
            let _ = dialog.accept(&request);
            let _ = dialog.request(telegraphone::sip::message::Method::Bye, "").to_bytes();
        }
    }
});
