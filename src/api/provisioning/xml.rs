//! Linphone's remote provisioning: its configuration file as XML, sections with entries
//! (<http://www.linphone.org/xsds/lpconfig.xsd>).

use super::SipServer;
use crate::directory::{Company, Transport, User};
use std::fmt::Write;

/// What a phone needs.
pub struct Account<'a> {
    pub company: &'a Company,
    pub user: &'a User,
    pub password: &'a str,
    pub server: &'a SipServer,
}

/// The document. With TLS the media is encrypted too; it has to be where the company allows nothing else.
pub fn document(account: &Account<'_>) -> String {
    let Account { company, user, password, server } = account;
    let domain = company.domains.first().map_or("", String::as_str);
    let (transport, tls) = (server.transport.as_str(), server.transport == Transport::Tls);
    let must = tls && company.settings.only_encrypted;
    let name = user.name.replace(['\\', '"'], " ");
    let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
    let proxy = format!("<sip:{};transport={transport}>", server.address);
    let route = format!("<sip:{};transport={transport};lr>", server.address);
    let identity = format!("\"{name}\" <sip:{}@{domain}>", user.extension);
    let encryption = if tls { "srtp" } else { "none" }.to_owned();
    let sections: [(&str, &[(&str, String)]); 4] = [
        // It is fetched once: a phone must not ask for it at each start.
        ("misc", &[("transient_provisioning", flag(true))]),
        (
            "sip",
            &[
                ("default_proxy", "0".to_owned()),
                ("media_encryption", encryption),
                ("media_encryption_mandatory", flag(must)),
            ],
        ),
        (
            "auth_info_0",
            &[
                ("username", user.extension.clone()),
                ("userid", user.auth_name.clone()),
                ("passwd", (*password).to_owned()),
                ("realm", company.realm.clone()),
                ("domain", domain.to_owned()),
            ],
        ),
        (
            "proxy_0",
            &[
                ("reg_proxy", proxy),
                ("reg_route", route),
                ("reg_identity", identity),
                ("realm", company.realm.clone()),
                ("reg_expires", "600".to_owned()),
                ("reg_sendregister", flag(true)),
                ("publish", flag(false)),
                ("dial_escape_plus", flag(false)),
            ],
        ),
    ];
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <config xmlns=\"http://www.linphone.org/xsds/lpconfig.xsd\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.linphone.org/xsds/lpconfig.xsd lpconfig.xsd\">\n",
    );
    for (section, entries) in sections {
        let _ = writeln!(text, "  <section name=\"{section}\">");
        for (entry, value) in entries {
            let value = escaped(value);
            let _ = writeln!(text, "    <entry name=\"{entry}\" overwrite=\"true\">{value}</entry>");
        }
        text.push_str("  </section>\n");
    }
    text.push_str("</config>\n");
    text
}

/// As character data (XML 1.0 §2.4).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
