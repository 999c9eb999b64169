use super::*;
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;

const COMPANY: &str = "
    [[company]]\nkey = 'a'\ndomains = ['a.example']\ndefault_number = '+4930100'
    [company.settings]\nrecord_inbound = true\nrecord_internal = false\nrecord_outbound = true\ndestinations = ['+49']
    [[user]]\nextension = '201'\nname = 'Alice'
    [[user]]\nextension = '202'\nname = 'Bob'\non_no_answer = 'group:sales'
    [[user]]\nextension = '203'\nname = 'Carol'
    [[group]]\nname = 'sales'\nmembers = ['201', '203']
    [[group]]\nname = 'empty'\nmembers = []
    [[trunk]]\nname = 't'\nhost = 'sip.example'\naddresses = ['192.0.2.1']
    [[voicemail]]\nnumber = '8000'\npassword = '4711'
    [[number]]\nnumber = '+4930100'\nrecording = 'off'
    [[number]]\nnumber = '+4930200'\nroute = 'flow:main'
    [[inbox]]\nname = 'night'\nnumbers = ['+4930300']\nmembers = ['203']
    time_zone = 'Europe/Berlin'\nhours = ['mon-fri 09:00-17:00']
    [[number]]\nnumber = '+4930300'
    [[flow]]\nname = 'main'
";

/// A Friday, 12:00 in Berlin.
const DAY: &str = "2026-11-27T11:00:00Z";
/// The same day, midnight in Berlin.
const NIGHT: &str = "2026-11-27T23:00:00Z";

struct Row {
    steps: &'static str,
    at: &'static str,
    number: Option<&'static str>,
    internal: bool,
    keys: &'static [(&'static str, &'static str)],
    answered: bool,
    /// Each step with the exit that was taken.
    path: &'static str,
    end: &'static str,
    because: &'static str,
}

const ROW: Row = Row {
    steps: "",
    at: DAY,
    number: None,
    internal: false,
    keys: &[],
    answered: true,
    path: "",
    end: "",
    because: "Recorded: the company's setting for inbound calls.",
};

const HOURS: &str = "
    [[flow.step]]\nname = 'hours'\ndo = 'schedule'\ntime_zone = 'Europe/Berlin'\nhours = ['mon-fri 09:00-17:00']
    open = 'ring'\nclosed = 'box'
    [[flow.step]]\nname = 'ring'\ndo = 'ring'\ntarget = 'group:sales'\nnext = 'box'
    [[flow.step]]\nname = 'box'\ndo = 'voicemail'\nbox = '8000'
";
const MENU: &str = "
    [[flow.step]]\nname = 'm'\ndo = 'menu'\nprompt = 'recorded'\ndigits = { 1 = 'rec', 2 = 'quiet' }
    timeout = 'bye'\ninvalid = 'm'
    [[flow.step]]\nname = 'rec'\ndo = 'recording'\non = true\nnext = 'ring'
    [[flow.step]]\nname = 'quiet'\ndo = 'recording'\non = false\nnext = 'ring'
    [[flow.step]]\nname = 'ring'\ndo = 'ring'\ntarget = 'user:203'\nhow = 'in_turn'\nnext = 'bye'
    [[flow.step]]\nname = 'bye'\ndo = 'hangup'\ncause = 486
";

const ROWS: [Row; 14] = [
    Row { steps: HOURS, path: "hours=open>ring ring=answered", end: "answered 201+203", ..ROW },
    Row {
        steps: HOURS,
        answered: false,
        path: "hours=open>ring ring=no_answer>box box",
        end: "box 8000",
        because: "Not recorded: voicemail, of which no recording is made.",
        ..ROW
    },
    Row {
        steps: HOURS,
        at: NIGHT,
        path: "hours=closed>box box",
        end: "box 8000",
        because: "Not recorded: voicemail, of which no recording is made.",
        ..ROW
    },
    Row {
        steps: MENU,
        keys: &[("m", "1")],
        path: "m=1>rec rec=next>ring ring=answered",
        end: "answered 203",
        because: "Recorded: the recording step `rec` of the call flow `main`.",
        ..ROW
    },
    Row {
        steps: MENU,
        keys: &[("m", "92")],
        path: "m=invalid>m m=2>quiet quiet=next>ring ring=answered",
        end: "answered 203",
        because: "Not recorded: the recording step `quiet` of the call flow `main`.",
        ..ROW
    },
    Row {
        steps: MENU,
        path: "m=timeout>bye bye",
        end: "end 486",
        because: "Recorded: the company's setting for inbound calls, if anybody answered: nobody does.",
        ..ROW
    },
    Row {
        steps: "[[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'user:203'",
        number: Some("+4930100"),
        path: "r=answered",
        end: "answered 203",
        because: "Not recorded: the number's setting.",
        ..ROW
    },
    Row {
        steps: "[[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'user:203'",
        internal: true,
        path: "r=answered",
        end: "answered 203",
        because: "Not recorded: the company's setting for internal calls.",
        ..ROW
    },
    // An internal call that goes outside is an outbound one.
    Row {
        steps: "[[flow.step]]\nname = 'f'\ndo = 'forward'\nto = 'number:+4989555'",
        internal: true,
        path: "f=answered",
        end: "outside +4989555 as +4930100",
        because: "Recorded: the company's setting for outbound calls.",
        ..ROW
    },
    Row {
        steps: "[[flow.step]]\nname = 'f'\ndo = 'forward'\nto = 'number:+4989555'",
        answered: false,
        path: "f=no_answer",
        end: "end 480",
        because: "Recorded: the company's setting for inbound calls, if anybody answered: nobody does.",
        ..ROW
    },
    // By the way that Bob has chosen.
    Row {
        steps: "[[flow.step]]\nname = 'f'\ndo = 'forward'\nto = 'user:202'",
        answered: false,
        path: "f goes_on ring=no_answer goes_on ring=no_answer",
        end: "end 480",
        because: "Recorded: the company's setting for inbound calls, if anybody answered: nobody does.",
        ..ROW
    },
    Row {
        steps: "[[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'group:empty'\nnext = 'x'
            [[flow.step]]\nname = 'x'\ndo = 'announce'\nprompt = 'closed'",
        path: "r=nobody>x x=next",
        end: "end 480",
        because: "Recorded: the company's setting for inbound calls, if anybody answered: nobody does.",
        ..ROW
    },
    Row {
        steps: "[[flow.step]]\nname = 'f'\ndo = 'forward'\nto = 'number:+4930300'",
        path: "f goes_on ring=answered",
        end: "answered 203",
        ..ROW
    },
    Row {
        steps: "[[flow.step]]\nname = 'f'\ndo = 'forward'\nto = 'number:+4930200'",
        path: "f goes_on f goes_on f goes_on f goes_on f goes_on f",
        end: "end 482",
        because: "Recorded: the company's setting for inbound calls, if anybody answered: nobody does.",
        ..ROW
    },
];

fn tried(row: &Row) -> (Arc<Directory>, Tried) {
    let text = format!("{COMPANY}{}", row.steps);
    let file = CompanyFile::parse(&text).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let directory = Arc::new(standalone(&file).unwrap_or_else(|errors| panic!("{errors:#?}")));
    let company = directory.company_by_key("a").unwrap().id;
    let flow = directory.facility_id(company, crate::directory::FacilityKind::Flow, "main").unwrap();
    let supposed = Supposed {
        at: Wall::from_unix_micros(row.at.parse::<jiff::Timestamp>().unwrap().as_microsecond()),
        direction: if row.internal { Direction::Internal } else { Direction::Inbound },
        number: row.number.map(|e164| directory.number_by_e164(e164).unwrap().id),
        keys: row.keys.iter().map(|(menu, keys)| ((*menu).to_owned(), (*keys).to_owned())).collect(),
        answered: row.answered,
    };
    let tried = try_flow(&directory, company, FlowId(flow), &supposed);
    (directory, tried)
}

fn path_text(tried: &Tried) -> String {
    let step = |told: &TriedStep| {
        let name = told.step.as_deref().unwrap_or(told.does);
        let exit = told.exit.as_ref().map(|exit| {
            let to = exit.to.as_ref().map(|to| format!(">{to}")).unwrap_or_default();
            format!("={}{to}", exit.name)
        });
        format!("{name}{}", exit.unwrap_or_default())
    };
    tried.path.iter().map(step).collect::<Vec<_>>().join(" ")
}

fn end_text(directory: &Directory, end: &TrialEnd) -> String {
    match end {
        TrialEnd::Answered { users } => {
            let users: Vec<&str> = users.iter().map(|id| directory.user(*id).unwrap().extension.as_str()).collect();
            format!("answered {}", users.join("+"))
        }
        TrialEnd::Outside { e164, caller_id } => format!("outside {e164} as {caller_id}"),
        TrialEnd::Voicemail { mailbox } => format!("box {}", directory.mailbox(*mailbox).unwrap().key()),
        TrialEnd::HungUp { cause } => format!("end {cause}"),
    }
}

#[test]
fn a_flow_is_walked_as_a_call_walks_it_and_says_why() {
    for (at, row) in ROWS.iter().enumerate() {
        let (directory, tried) = tried(row);
        let came = (path_text(&tried), end_text(&directory, &tried.end), tried.because_text());
        let expected = (row.path.to_owned(), row.end.to_owned(), row.because.to_owned());
        assert_eq!(came, expected, "row {at}");
    }
}

#[test]
fn every_step_is_told_in_plain_words() {
    let (_, tried) = tried(&Row { steps: HOURS, answered: false, ..ROW });
    let texts: Vec<String> = tried.path.iter().map(|told| told.sentences.join(" ")).collect();
    assert_eq!(
        texts,
        [
            "The opening hours decide.",
            "The call is for the group sales. It rings for 25 s: Alice (201), Carol (203).",
            "The caller leaves a message in box 8000.",
        ]
    );
    let why: Vec<&str> =
        tried.path.iter().filter_map(|told| told.exit.as_ref()).map(|exit| exit.why.as_str()).collect();
    assert_eq!(
        why,
        [
            "fri 2026-11-27 12:00 (Europe/Berlin) is in the opening hours (mon-fri 09:00-17:00)",
            "it is supposed that nobody answers",
        ]
    );
}
