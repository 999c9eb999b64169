use super::*;

const EXAMPLE: &str = include_str!("../../../fixtures/company.example.toml");

fn errors(text: &str) -> Vec<String> {
    match CompanyFile::parse(text) {
        Ok(file) => panic!("accepted: {file:?}"),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_example_is_read() {
    let file = CompanyFile::parse(EXAMPLE).unwrap();
    let names = |entries: Vec<(&str, &str)>| entries.iter().map(|(c, n)| format!("{c}/{n}")).collect::<Vec<_>>();
    assert_eq!(names(file.users.iter().map(|e| (&*e.company, &*e.name)).collect()), ["acme/201", "acme/202"]);
    assert_eq!(names(file.numbers.iter().map(|e| (&*e.company, &*e.name)).collect()), ["acme/+15550100"]);
    assert_eq!(names(file.trunks.iter().map(|e| (&*e.company, &*e.name)).collect()), ["acme/carrier"]);
    assert_eq!(file.users[1].keys.agent_pause, Some(Own::Inherit));
}

#[test]
fn a_bad_value_is_named_with_its_place_and_the_way_out() {
    let table = [
        ("[[company]]\nkey = 'Acme'", "company Acme: key: `Acme` is not a key: write 1 to 32 of a-z, 0-9 and `-`"),
        (
            "[[company]]\nkey = 'a'\ndomains = ['a.example', 'http://a']",
            "company a: domains: `http://a` is not a domain: write a host name or an IP address, without scheme and port",
        ),
        (
            "[[company]]\nkey = 'a'\ndomains = ['10.0.0.256']",
            "company a: domains: `10.0.0.256` is not a domain: write a host name or an IP address, without scheme and port",
        ),
        (
            "[[company]]\nkey = 'a'\nrealm = 'a\"b'",
            "company a: realm: `a\"b` is not a realm: write 1 to 100 printable ASCII characters without quotes, colons and backslashes",
        ),
        (
            "[[company]]\nkey = 'a'\n[company.settings.commands]\npause = '#1x#'",
            "company a: settings.commands.pause: `#1x#` is not a command: write 1 to 8 of 0-9, A-D, `*` and `#`",
        ),
        (
            "[[company]]\nkey = 'a'\n[company.settings.commands]\nstart = '#12345678#'",
            "company a: settings.commands.start: `#12345678#` is not a command: write 1 to 8 of 0-9, A-D, `*` and `#`",
        ),
        (
            "[[company]]\nkey = 'a'\n[company.settings]\nrecord_inbound = 'yes'",
            "company a: settings.record_inbound: invalid type: string \"yes\", expected a boolean",
        ),
        (
            "[[company]]\nkey = 'a'\n[company.settings]\nmax_hold_ms = 60000",
            "company a: settings.max_hold_ms: 60000 ms is too long to hold a digit back: write 10000 at most",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '20a'",
            "user 20a of a: extension: `20a` is not an extension: write 1 to 32 digits",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '201'\nname = \"A\\r\\nVia: x\"",
            "user 201 of a: name: `A Via: x` is not a name",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '201'\nauth_name = 'a:b'",
            "user 201 of a: auth_name: `a:b` is not a digest user name",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '201'\nrole = 'boss'",
            "user 201 of a: role: unknown variant `boss`, expected one of `admin`, `supervisor`, `analyst`, `agent`",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '201'\nplay = 'some'",
            "user 201 of a: play: unknown variant `some`, expected one of `all`, `own`, `none`, or \"inherit\"",
        ),
        (
            "[[user]]\ncompany = 'a'\nextension = '201'\npassword = 'short'",
            "user 201 of a: password: the password is 5 characters long: write 8 to 128, without line breaks",
        ),
        ("[[user]]\ncompany = 'a'\nextension = '201'\npassword = 12345678", "user 201 of a: password: not a string"),
        ("[[user]]\ncompany = 'a'", "user 1 of the file: `extension` is missing"),
        (
            "[[user]]\nextension = '201'",
            "user 1 of the file: `company` is missing: the file has not exactly one [[company]], so say which",
        ),
        (
            "[[number]]\ncompany = 'a'\nnumber = '+1 555 0100'",
            "number +1 555 0100 of a: number: `+1 555 0100` is not an E.164 number: write `+` and 2 to 15 digits",
        ),
        (
            "[[number]]\ncompany = 'a'\nnumber = '15550100'",
            "number 15550100 of a: number: `15550100` is not an E.164 number",
        ),
        (
            "[[number]]\ncompany = 'a'\nnumber = '+15550100'\nroute = '201'",
            "number +15550100 of a: route: `201` is not a route: write \"user:EXTENSION\", \"group:NAME\", \"inbox:NAME\", \"flow:NAME\" or \"unrouted\"",
        ),
        (
            "[[trunk]]\ncompany = 'a'\nname = 'c'\naddresses = ['192.0.2.1/24']",
            "trunk c of a: addresses: `192.0.2.1/24` is not an address of a peer",
        ),
        (
            "[[trunk]]\ncompany = 'a'\nname = 'c'\naddresses = ['0.0.0.0']",
            "trunk c of a: addresses: `0.0.0.0` is not an address of a peer",
        ),
        ("[[trunk]]\ncompany = 'a'\nname = 'c'\nhost = 'h:5060'", "trunk c of a: host: `h:5060` is not a host"),
        ("[[trunk]]\ncompany = 'a'\nname = 'c'\nkeepalive_s = 2", "trunk c of a: keepalive_s: 2 s is not a time"),
        ("[[trunk]]\ncompany = 'a'\nname = 'c'\nusername = 'a b'", "trunk c of a: username: `a b` is not a user name"),
        (
            "[[trunk]]\ncompany = 'a'\nname = 'c'\ntargets = [{ host = 'h', weight = 0 }]",
            "trunk c of a: targets[1].weight: weight 0 would never be taken",
        ),
        ("[[trunk]]\ncompany = 'a'\nname = 'c'\nport = 0", "trunk c of a: port: port 0 cannot be called"),
        ("[[trunk]]\ncompany = 'a'\nname = 'c'\nport = 70000", "trunk c of a: port: invalid value: integer `70000`"),
        ("[[trunk]]\ncompany = 'a'\nname = 'c'\ntransport = 'sctp'", "trunk c of a: transport: unknown variant `sctp`"),
        ("[[unit]]\nname = 'g'", "file: unit[1].name: unknown field `unit`"),
        ("[user]\nextension = '201'", "file: user.extension: invalid type: map, expected a sequence"),
        ("[[company]\n", "file: not TOML: line 1"),
        (
            "[[user]]\ncompany = 'a'\nextension = '201'\n[[user]]\ncompany = 'a'\nextension = '201'",
            "user 201 of a: stands twice in this file: leave one out",
        ),
        (
            "[[number]]\ncompany = 'a'\nnumber = '+15550100'\n[[number]]\ncompany = 'b'\nnumber = '+15550100'",
            "number +15550100 of b: stands twice in this file: leave one out",
        ),
        ("[[company]]\nkey = 'a'\n[[company]]\nkey = 'a'", "company a: stands twice in this file: leave one out"),
        (
            "[[trunk]]\ncompany = 'a'\nname = 'c'\n[[trunk]]\ncompany = 'a'\nname = 'c'",
            "trunk c of a: stands twice in this file: leave one out",
        ),
    ];
    for (text, expected) in table {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
        assert!(errors[0].starts_with(expected), "{text}\n got {}\nwant {expected}", errors[0]);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "
        [[company]]
        key = 'a'
        domains = ['ok.example', 'not a domain']
        colour = 'blue'
        [company.settings]
        play = 'loud'
        [[user]]
        extension = '201'
        role = 'boss'
        email = 'x'
        [[user]]
        extension = '201'
        [[number]]
        number = '555'
        [[trunk]]
        port = 'sip'
    ";
    let errors = errors(text);
    let expected = [
        "company a: colour: unknown field",
        "company a: domains: `not a domain`",
        "company a: settings.play: unknown variant `loud`",
        "number 555 of a: number: `555`",
        "trunk 1 of the file: port: invalid type",
        "user 201 of a: email: unknown field",
        "user 201 of a: role: unknown variant `boss`",
        "trunk 1 of the file: `name` is missing",
        "user 201 of a: stands twice",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for expected in expected {
        assert!(errors.iter().any(|error| error.starts_with(expected)), "{expected} not in {errors:#?}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let text = "[[user]]\ncompany = 'a'\nextension = '201'\npassword = 'open-sesame'";
    let file = CompanyFile::parse(text).unwrap();
    assert!(!format!("{file:?}").contains("sesame"));
    let wrong = text.replace("sesame'", "sesame\\u0007'").replace('\'', "\"");
    assert!(!errors(&wrong).concat().contains("sesame"));
}
