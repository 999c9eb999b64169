//! Reason phrases of status codes.

/// The phrase of RFC 3261 §21 and its successors; a generic one of the class for unknown codes.
pub fn phrase(status: u16) -> String {
    let known = match status {
        204 => "No Notification",
        414 => "Request-URI Too Long",
        416 => "Unsupported URI Scheme",
        424 => "Bad Location Information",
        481 => "Call/Transaction Does Not Exist",
        487 => "Request Terminated",
        500 => "Server Internal Error",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        606 => "Not Acceptable",
        _ => return from_rsip(status),
    };
    known.to_owned()
}

fn from_rsip(status: u16) -> String {
    let code = rsip::StatusCode::from(status);
    if let rsip::StatusCode::Other(..) = code {
        return generic(status).to_owned();
    }
    let printed = code.to_string();
    let name = printed.split_once(' ').map_or("", |(_, name)| name);
    spaced(name)
}

/// `BusyHere` to `Busy Here`; runs of capitals stay together (`OK`).
fn spaced(camel: &str) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    let mut previous_is_lower = false;
    for c in camel.chars() {
        if c.is_ascii_uppercase() && previous_is_lower {
            out.push(' ');
        }
        previous_is_lower = c.is_ascii_lowercase();
        out.push(c);
    }
    out
}

fn generic(status: u16) -> &'static str {
    match status / 100 {
        1 => "Session Progress",
        2 => "OK",
        3 => "Redirection",
        4 => "Client Error",
        5 => "Server Error",
        _ => "Global Failure",
    }
}

#[cfg(test)]
mod tests {
    use super::phrase;

    #[test]
    fn phrases_are_those_of_the_rfc() {
        let rows = [
            (100, "Trying"),
            (180, "Ringing"),
            (181, "Call Is Being Forwarded"),
            (183, "Session Progress"),
            (200, "OK"),
            (302, "Moved Temporarily"),
            (401, "Unauthorized"),
            (405, "Method Not Allowed"),
            (415, "Unsupported Media Type"),
            (416, "Unsupported URI Scheme"),
            (422, "Session Interval Too Small"),
            (423, "Interval Too Brief"),
            (481, "Call/Transaction Does Not Exist"),
            (486, "Busy Here"),
            (491, "Request Pending"),
            (503, "Service Unavailable"),
            (513, "Message Too Large"),
            (603, "Decline"),
            (499, "Client Error"),
        ];
        for (status, expected) in rows {
            assert_eq!(phrase(status), expected, "{status}");
        }
    }
}
