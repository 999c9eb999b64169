use super::*;
use crate::base::Seeded;
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;

fn setup(user: i64) -> Setup {
    Setup { user: UserId(user), password: Zeroizing::new(format!("secret-{user}")) }
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

#[test]
fn a_link_is_fetched_once_and_within_its_hour_and_a_user_has_one() {
    let (links, mut random) = (Links::default(), Seeded(1));
    let first = links.open(setup(1), &mut random, at(0)).unwrap();
    assert_eq!(first.len(), 64, "256 bits");
    let other = links.open(setup(2), &mut random, at(0)).unwrap();
    assert_eq!(links.take(&first, at(3_599)).map(|setup| setup.user), Some(UserId(1)));
    for (token, seconds, why) in
        [(first.as_str(), 3_599, "it was used"), (&other, 3_600, "its hour is over"), ("", 0, "it is none")]
    {
        assert!(links.take(token, at(seconds)).is_none(), "{why}");
    }
    let old = links.open(setup(3), &mut random, at(0)).unwrap();
    let new = links.open(setup(3), &mut random, at(1)).unwrap();
    assert!(links.take(&old, at(2)).is_none(), "a new link closes the one before");
    assert!(links.take(&new, at(2)).is_some());
}

#[test]
fn there_are_so_many_links_and_no_more_until_some_are_over() {
    let (links, mut random) = (Links::default(), Seeded(1));
    for user in 0..MOST_LINKS {
        assert!(links.open(setup(i64::try_from(user).unwrap()), &mut random, at(0)).is_some());
    }
    assert!(links.open(setup(-1), &mut random, at(3_599)).is_none());
    assert!(links.open(setup(1), &mut random, at(3_599)).is_some(), "one for another is no more");
    assert!(links.open(setup(-1), &mut random, at(3_600)).is_some());
}

#[test]
fn a_phone_is_sent_to_the_safest_listener_that_it_reaches() {
    let server =
        |transport, address: &str, is_loopback| SipServer { transport, address: address.to_owned(), is_loopback };
    let (inside, udp) =
        (server(Transport::Tls, "127.0.0.1:5061", true), server(Transport::Udp, "sip.example:5060", false));
    let tls = server(Transport::Tls, "sip.example:5061", false);
    for (servers, expected) in [
        (vec![], None),
        (vec![udp.clone(), inside.clone()], Some("sip.example:5060")),
        (vec![udp, tls], Some("sip.example:5061")),
        (vec![inside], Some("127.0.0.1:5061")),
    ] {
        let settings = ProvisioningSettings { url: None, servers };
        assert_eq!(settings.server().map(|server| server.address.as_str()), expected);
    }
}

#[test]
fn what_a_phone_fetches_is_one_account_whatever_its_name_and_password_are() {
    let text = "[[company]]\nkey = 'a'\ndomains = ['a.example', 'b.example']
        [company.settings]\nonly_encrypted = true
        [[user]]\nextension = '201'\nname = 'A & B'\nauth_name = 'alice'";
    let directory = standalone(&CompanyFile::parse(text).unwrap()).unwrap();
    let company = directory.company_by_key("a").unwrap();
    let user = directory.user_by_extension(company.id, "201").unwrap();
    let secure = SipServer { transport: Transport::Tls, address: "sip.example:5061".to_owned(), is_loopback: false };
    let plain = SipServer { transport: Transport::Udp, address: "[::1]:5060".to_owned(), is_loopback: true };
    let told = |server| document(&Account { company, user, password: "p&<\u{7}ss]]>", server });
    let (over_tls, over_udp) = (told(&secure), told(&plain));
    for expected in [
        "<entry name=\"reg_identity\" overwrite=\"true\">\"A &amp; B\" &lt;sip:201@a.example&gt;</entry>",
        "<entry name=\"reg_proxy\" overwrite=\"true\">&lt;sip:sip.example:5061;transport=tls&gt;</entry>",
        "<entry name=\"username\" overwrite=\"true\">201</entry>",
        "<entry name=\"userid\" overwrite=\"true\">alice</entry>",
        "<entry name=\"passwd\" overwrite=\"true\">p&amp;&lt; ss]]&gt;</entry>",
        "<entry name=\"domain\" overwrite=\"true\">a.example</entry>",
        "<entry name=\"media_encryption\" overwrite=\"true\">srtp</entry>",
        "<entry name=\"media_encryption_mandatory\" overwrite=\"true\">1</entry>",
        "<entry name=\"transient_provisioning\" overwrite=\"true\">1</entry>",
    ] {
        assert!(over_tls.contains(expected), "{expected} is not in {over_tls}");
    }
    for expected in ["&lt;sip:[::1]:5060;transport=udp&gt;", "\"media_encryption\" overwrite=\"true\">none<"] {
        assert!(over_udp.contains(expected), "{expected} is not in {over_udp}");
    }
    // Every tag that opens is closed: what was put in is text.
    assert_eq!(over_tls.matches("<entry").count(), over_tls.matches("</entry>").count());
    assert_eq!(over_tls.matches('<').count(), over_tls.matches('>').count());
}

#[test]
fn the_code_is_an_image_that_a_page_may_show() {
    let image = svg("https://calls.example.org/provision/0123").unwrap();
    assert!(image.starts_with("<svg ") && image.ends_with("</svg>"), "{image}");
    assert!(image.contains("role=\"img\"") && image.contains("aria-label="));
    for forbidden in ["style", "<script", "http://calls", "0123"] {
        assert!(!image.contains(forbidden), "{forbidden} is in {image}");
    }
    // The dark modules are those of the code: as many as the lengths of all runs.
    let code = qrcodegen::QrCode::encode_text("https://calls.example.org/provision/0123", qrcodegen::QrCodeEcc::Medium);
    let code = code.unwrap();
    let dark = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
    let dark = dark.filter(|(x, y)| code.get_module(*x, *y)).count();
    let path = image.split("d=\"").nth(2).unwrap();
    let runs = path.split('h').skip(1).step_by(2).map(|run| run.split('v').next().unwrap().parse::<usize>().unwrap());
    assert_eq!(runs.sum::<usize>(), dark);
    assert!(svg(&"x".repeat(5_000)).is_err(), "what no code can hold");
}
