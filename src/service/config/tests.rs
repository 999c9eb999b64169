use super::*;
use std::collections::BTreeSet;

fn file(text: &str) -> Sources {
    Sources { file: Some(("telegraphone.toml".to_owned(), text.to_owned())), ..Sources::default() }
}

fn variables(pairs: &[(&str, &str)]) -> Sources {
    let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources { variables, ..Sources::default() }
}

fn errors(sources: &Sources) -> Vec<String> {
    match Config::read(sources) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn without_a_file_the_embedded_default_holds() {
    let config = Config::read(&Sources::default()).unwrap();
    assert_eq!(config, Config::default_for(Path::new("./telegraphone-data")));
    let listen: Vec<_> =
        config.sip.listen.iter().map(|listen| format!("{} {}", listen.transport.as_str(), listen.address)).collect();
    assert_eq!(listen, ["udp 127.0.0.1:5060", "tcp 127.0.0.1:5060"]);
    assert_eq!((config.rtp.port_min, config.rtp.port_max), (10_000, 29_999));
    assert_eq!(config.recording.dir, Path::new("./telegraphone-data/recordings"));
    assert_eq!(config.control.socket, Path::new("./telegraphone-data/control.sock"));
}

#[test]
fn a_mail_leads_to_the_page_unless_another_place_is_named() {
    let mail = "[mail]\nserver = 'smtp.example.org'\nfrom = 'v@example.org'\n";
    for (text, link) in [
        ("", ""),
        ("[http]\nurl = 'https://calls.example.org/'", "https://calls.example.org/voicemail/{id}"),
        (
            "link = 'https://m.example.org/{id}'\n[http]\nurl = 'https://calls.example.org'",
            "https://m.example.org/{id}",
        ),
        ("[http]\nurl = 'http://127.0.0.1:8080'", ""),
    ] {
        let config = Config::read(&file(&format!("{mail}{text}"))).unwrap();
        assert_eq!(config.mail.smtp.unwrap().1.link, link, "{text}");
    }
}

#[test]
fn a_mail_server_has_the_port_of_its_encryption_and_is_greeted_with_the_senders_domain() {
    for (encryption, port) in [("starttls", 587), ("tls", 465)] {
        let text = format!(
            "prompts = 'speech'\n[mail]\nserver = 'smtp.example.org'\nencryption = '{encryption}'\nfrom = 'Voicemail <v@example.org>'"
        );
        let config = Config::read(&file(&text)).unwrap();
        let (smtp, settings) = config.mail.smtp.unwrap();
        assert_eq!((smtp.port, smtp.hello.as_str(), settings.from.name.as_str()), (port, "example.org", "Voicemail"));
        assert_eq!((settings.most_attached, config.prompts), (20 << 20, Some("speech".into())));
    }
    assert_eq!(Config::read(&file("[mail]\nserver = ''")).unwrap().mail.smtp, None);
}

#[test]
fn the_data_folder_of_the_command_line_rules() {
    let sources = Sources { data_dir: Some("/var/lib/t".to_owned()), ..file("data_dir = 'elsewhere'") };
    assert_eq!(Config::read(&sources).unwrap(), Config::default_for(Path::new("/var/lib/t")));
}

#[test]
fn a_variable_overrides_the_file() {
    let mut sources = file("[sip]\ntimer_t1_ms = 200\nmax_calls = 10");
    sources.variables = variables(&[
        ("TELEGRAPHONE_SIP__TIMER_T1_MS", "300"),
        ("TELEGRAPHONE_LOG__FORMAT", "json"),
        ("TELEGRAPHONE_RTP__STRICT_SOURCE", "true"),
        ("TELEGRAPHONE_SIP__LISTEN", r#"[{transport="tcp",address="192.0.2.1:5070",advertise="sip.example"}]"#),
        ("TELEGRAPHONE_CONFIG", "/etc/telegraphone.toml"),
        ("HOME", "/root"),
    ])
    .variables;
    let config = Config::read(&sources).unwrap();
    assert_eq!((config.sip.timer_t1, config.sip.max_calls), (Span::from_millis(300), 10));
    assert_eq!((config.log.format, config.rtp.strict_source), (LogFormat::Json, true));
    let advertise = Some(Advertise { host: "sip.example".to_owned(), port: None });
    let address = "192.0.2.1:5070".parse().unwrap();
    assert_eq!(config.sip.listen, [Listen { transport: Transport::Tcp, address, advertise }]);
}

#[test]
fn a_wrong_value_is_named_with_its_source_and_the_way_out() {
    let table = [
        ("colour = 'blue'", "telegraphone.toml: colour: \"blue\": unknown field `colour`"),
        (
            "[http]\nurl = 'calls.example.org'",
            "telegraphone.toml: http.url: `calls.example.org` is no address of a page",
        ),
        ("[http]\nurl = 'https://x?y=1'", "telegraphone.toml: http.url: `https://x?y=1` is no address of a page"),
        ("[sip]\ntimer_t1 = 500", "telegraphone.toml: sip.timer_t1: 500: unknown field `timer_t1`"),
        ("[sip]\ntimer_t1_ms = 'fast'", "telegraphone.toml: sip.timer_t1_ms: \"fast\": invalid type"),
        ("[sip]\ntimer_t1_ms = 5", "telegraphone.toml: sip.timer_t1_ms: 5 is out of range: write 10 to 4000 ms"),
        (
            "[sip]\nregistration_min_s = 900",
            "telegraphone.toml: sip.registration_min_s: 900 is above sip.registration_default_s (600)",
        ),
        ("[sip]\nmin_se_s = 30", "telegraphone.toml: sip.min_se_s: 30 is out of range: write 90 to 86400 s"),
        ("[sip]\nlisten = []", "telegraphone.toml: sip.listen: is empty: name at least one listener"),
        (
            "[[sip.listen]]\ntransport = 'udp'\naddress = 'localhost:5060'",
            "telegraphone.toml: sip.listen[1].address: `localhost:5060` is not an address with port",
        ),
        (
            "[[sip.listen]]\naddress = '127.0.0.1:5060'",
            "telegraphone.toml: sip.listen[1].transport: is missing: write \"udp\", \"tcp\" or \"tls\"",
        ),
        (
            "[[sip.listen]]\ntransport = 'sctp'\naddress = '127.0.0.1:5061'",
            "telegraphone.toml: sip.listen[1].transport: \"sctp\": unknown variant `sctp`",
        ),
        (
            "[tls]\nkey = 'k.pem'\n[[sip.listen]]\ntransport = 'tls'\naddress = '127.0.0.1:5061'",
            "default: tls.certificate: is missing: name the PEM file of the certificate and its chain",
        ),
        ("[tls]\ncertificate = 'c.pem'", "default: tls.key: is missing: name the PEM file of the certificate's key"),
        (
            "[[sip.listen]]\ntransport = 'udp'\naddress = '127.0.0.1:5060'\nadvertise = 'sip:x'",
            "telegraphone.toml: sip.listen[1].advertise: `sip:x` is not host or host:port",
        ),
        (
            "[[sip.listen]]\ntransport = 'udp'\naddress = '127.0.0.1:12000'",
            "telegraphone.toml: sip.listen[1].address: port 12000 is one of the media ports",
        ),
        ("[mail]\nserver = 'smtp.example.org'", "default: mail.from: \"\": \"\" is no address of a mailbox"),
        (
            "[mail]\nserver = 'smtp.example.org'\nfrom = 'voice@example.org'\nencryption = 'none'",
            "telegraphone.toml: mail.encryption: none: mails would go out readable",
        ),
        (
            "[mail]\nserver = 'smtp.example.org'\nfrom = 'voice@example.org'\nuser = 'voice'",
            "default: mail.password_file: is missing: name the file whose first line is the password",
        ),
        (
            "[mail]\nserver = 'smtp.example.org'\nfrom = 'voice@example.org'\nlink = 'https://voice.example.org/'",
            "telegraphone.toml: mail.link: https://voice.example.org/: write a https:// URL with {id}",
        ),
        ("[push]\ncontact = 'me'", "telegraphone.toml: push.contact: me: write mailto:NAME@HOST"),
        ("[rtp]\nport_min = 80", "telegraphone.toml: rtp.port_min: 80 is out of range"),
        (
            "[rtp]\nport_min = 20000\nport_max = 20002",
            "telegraphone.toml: rtp.port_max: 20002 is out of range: write 20003",
        ),
        ("[rtp]\naddress = ['eth0']", "telegraphone.toml: rtp.address: `eth0` is not an IP address"),
        (
            "[rtp]\naddress = ['127.0.0.1', '127.0.0.2']",
            "telegraphone.toml: rtp.address: 127.0.0.2: one address per family: leave one out",
        ),
        (
            "[rtp]\naddress = ['0.0.0.0']",
            "telegraphone.toml: rtp.address: 0.0.0.0 is no address that phones can be told: set `rtp.advertise`",
        ),
        (
            "[rtp]\nadvertise = ['2001:db8::1']",
            "telegraphone.toml: rtp.advertise: 2001:db8::1 is of a family that media has no local address of",
        ),
        (
            "[recording]\nrefuse_free_mib = 4096",
            "telegraphone.toml: recording.refuse_free_mib: 4096 is above recording.warn_free_mib (2048)",
        ),
        (
            "[recording]\nwrite_interval_ms = 1000",
            "telegraphone.toml: recording.write_interval_ms: 1000 is out of range: write 20 to 500 ms",
        ),
        (
            "[recording]\nmax_part_bytes = 3000000000",
            "telegraphone.toml: recording.max_part_bytes: 3000000000 is out of range",
        ),
        ("[log]\nformat = 'xml'", "telegraphone.toml: log.format: \"xml\": unknown variant `xml`"),
        ("[log]\nfilter = 'sip=loud'", "telegraphone.toml: log.filter: `sip=loud` is not a log filter"),
        ("[limits]\ncpu_percent = 200", "telegraphone.toml: limits.cpu_percent: 200 is out of range: write 0 to 100 %"),
        ("data_dir = ''", "telegraphone.toml: data_dir: is empty: name a folder"),
        ("[sip\n", "telegraphone.toml: not readable as TOML: TOML parse error at line 1"),
    ];
    for (text, expected) in table {
        let errors = errors(&file(text));
        assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
        assert!(errors[0].starts_with(expected), "{text}\n got {}\nwant {expected}", errors[0]);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut sources = file(
        "colour = 'blue'\n[sip]\ntimer_t1_ms = 5\nmax_calls = 0\n[rtp]\nport_min = 1\n[log]\nformat = 'xml'\nfilter = 'a=b=c'",
    );
    sources.variables = variables(&[("TELEGRAPHONE_MEDIA__WORKERS", "many")]).variables;
    let errors = errors(&sources);
    assert_eq!(errors.len(), 7, "{errors:#?}");
    let expected = "TELEGRAPHONE_MEDIA__WORKERS: media.workers: \"many\": invalid type";
    assert!(errors.iter().any(|error| error.starts_with(expected)), "{errors:#?}");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let errors = Sources::gather(Some(Path::new("/nonexistent/t.toml")), None).unwrap_err();
    assert!(errors[0].to_string().starts_with("/nonexistent/t.toml: the file cannot be read: "), "{}", errors[0]);
}

#[test]
fn an_address_that_nobody_can_call_needs_another_name() {
    let text = "[[sip.listen]]\ntransport = 'udp'\naddress = '0.0.0.0:5060'";
    let unnamed = errors(&file(text));
    assert!(unnamed[0].contains("0.0.0.0:5060 is no address that phones can be told"), "{unnamed:#?}");
    let named = Config::read(&file(&format!("{text}\nadvertise = '203.0.113.5:5062'"))).unwrap();
    let advertise = Advertise { host: "203.0.113.5".to_owned(), port: Some(5062) };
    assert_eq!(named.sip.listen[0].advertise, Some(advertise));
    let media = MediaAddress { bind: "0.0.0.0".parse().unwrap(), advertise: "203.0.113.5".parse().unwrap() };
    assert_eq!(named.rtp.addresses, [media], "media is called what the listener is called");
}

#[test]
fn media_has_one_address_of_each_family_that_is_listened_on() {
    let text = "
        [[sip.listen]]
        transport = 'udp'
        address = '192.0.2.1:5060'
        [[sip.listen]]
        transport = 'tcp'
        address = '192.0.2.2:5060'
        [[sip.listen]]
        transport = 'udp'
        address = '[2001:db8::1]:5060'
    ";
    let config = Config::read(&file(text)).unwrap();
    let bind: Vec<_> = config.rtp.addresses.iter().map(|address| address.bind.to_string()).collect();
    assert_eq!(bind, ["192.0.2.1", "2001:db8::1"]);
}

#[test]
fn advertised_names_are_read_in_every_form() {
    let table = [
        ("sip.example", Some(("sip.example", None))),
        ("SIP.example:5070", Some(("sip.example", Some(5070)))),
        ("203.0.113.5", Some(("203.0.113.5", None))),
        ("203.0.113.5:5070", Some(("203.0.113.5", Some(5070)))),
        ("[2001:db8::1]:5070", Some(("2001:db8::1", Some(5070)))),
        ("[2001:db8::1]", Some(("2001:db8::1", None))),
        ("2001:db8::1", Some(("2001:db8::1", None))),
        ("0.0.0.0", None),
        ("sip.example:0", None),
        ("sip.example:x", None),
        ("300.1.2.3", None),
        ("a b", None),
        ("", None),
    ];
    for (text, expected) in table {
        let got = check::advertise(text);
        let expected = expected.map(|(host, port)| Advertise { host: host.to_owned(), port });
        assert_eq!(got, expected, "{text}");
    }
}

#[test]
fn every_key_is_documented_with_its_default() {
    let table = toml::Table::try_from(RawConfig::default()).unwrap();
    let mut keys = BTreeSet::new();
    for (name, value) in &table {
        match value {
            toml::Value::Table(section) => {
                keys.extend(section.iter().map(|(key, value)| (format!("{name}.{key}"), value.to_string())));
            }
            value => {
                keys.insert((name.clone(), value.to_string()));
            }
        }
    }
    let docs = describe();
    assert_eq!(docs.iter().map(|doc| (doc.key.clone(), doc.default.clone())).collect::<BTreeSet<_>>(), keys);
    for doc in docs {
        assert!(doc.doc.ends_with('.') && doc.doc.len() > 20, "{}", doc.key);
        let suffix = [("_ms", "ms"), ("_s", "s"), ("_mib", "MiB"), ("_bytes", "bytes"), ("_percent", "%")];
        if let Some((_, unit)) = suffix.into_iter().find(|(suffix, _)| doc.key.ends_with(suffix)) {
            assert_eq!(doc.unit, unit, "{}", doc.key);
        }
    }
}

#[test]
fn the_defaults_written_as_a_file_are_the_defaults() {
    let text = toml::to_string(&RawConfig::default()).unwrap();
    assert_eq!(Config::read(&file(&text)).unwrap(), Config::default_for(Path::new("./telegraphone-data")));
}

#[test]
fn workers_leave_a_core_to_the_rest() {
    let count = |workers, cores| MediaConfig { workers, pin: true, realtime: true }.worker_count(cores);
    assert_eq!((count(0, 1), count(0, 2), count(0, 8), count(3, 2)), (1, 1, 7, 3));
}
