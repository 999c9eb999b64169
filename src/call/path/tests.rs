use super::*;
use crate::directory::file::CompanyFile;
use crate::directory::plan::standalone;

/// 201 to 204, group `sales` of 201 and 202; the rest is in `more`.
fn directory(more: &str) -> Arc<Directory> {
    let text = format!(
        "[[company]]\nkey = 'a'\ndomains = ['a.example']
        [[group]]\nname = 'sales'\nmembers = ['201', '202']
        [[group]]\nname = 'empty'\nmembers = []
        [[number]]\nnumber = '+4930100'\nroute = 'group:sales'
        {more}
        {}",
        ["201", "202", "203", "204"]
            .into_iter()
            .filter(|extension| !more.contains(&format!("extension = '{extension}'")))
            .map(|extension| format!("[[user]]\nextension = '{extension}'\n"))
            .collect::<String>()
    );
    let file = CompanyFile::parse(&text).unwrap_or_else(|errors| panic!("{errors:#?}"));
    Arc::new(standalone(&file).unwrap_or_else(|errors| panic!("{errors:#?}")))
}

struct Lab {
    path: Path,
    directory: Arc<Directory>,
    idle: HashMap<UserId, Time>,
    wall: Wall,
}

fn wall(utc: &str) -> Wall {
    Wall::from_unix_micros(utc.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

impl Lab {
    fn new(more: &str, start: impl Fn(&Directory, CompanyId) -> Start) -> Self {
        let directory = directory(more);
        let company = directory.company_by_key("a").unwrap().id;
        let start = start(&directory, company);
        let path = Path::new(Arc::clone(&directory), company, start);
        Lab { path, directory, idle: HashMap::new(), wall: wall("2026-11-23T12:00:00Z") }
    }

    /// On the flow of the number +4930200.
    fn flow(steps: &str) -> Self {
        let flow = format!("[[number]]\nnumber = '+4930200'\nroute = 'flow:f'\n[[flow]]\nname = 'f'\n{steps}");
        Self::new(&flow, |directory, _| Start::of(directory.number_by_e164("+4930200").unwrap().route).unwrap())
    }

    fn tell(&mut self, event: Event) -> Option<String> {
        let action = self.path.handle(event, Moment { wall: self.wall, idle: &self.idle })?;
        Some(match action {
            Action::Play { prompt } => format!("play {prompt}"),
            Action::Ask { prompt } => format!("ask {prompt}"),
            Action::Wait { seconds } => format!("wait {seconds}"),
            Action::Ring { users, seconds } => {
                let users: Vec<&str> =
                    users.iter().map(|id| self.directory.user(*id).unwrap().extension.as_str()).collect();
                format!("ring {} {}", users.join("+"), seconds.map_or("-".to_owned(), |seconds| seconds.to_string()))
            }
            Action::Dial { e164, .. } => format!("dial {e164}"),
            Action::End { cause } => format!("end {cause}"),
            Action::Voicemail { mailbox, busy } => format!("box {mailbox}{}", if busy { " busy" } else { "" }),
            Action::Menu(chosen) => format!("menu {chosen:?}"),
        })
    }

    /// Tells the events and compares what comes of each; `-` for nothing.
    fn walk(&mut self, rows: &[(Event, &str)]) {
        for (at, (event, expected)) in rows.iter().enumerate() {
            let came = self.tell(*event).unwrap_or_else(|| "-".to_owned());
            assert_eq!(&came, expected, "row {at}: {event:?}");
        }
    }

    fn user(&self, extension: &str) -> UserId {
        let company = self.directory.company_by_key("a").unwrap().id;
        self.directory.user_by_extension(company, extension).unwrap().id
    }
}

const BUSY: Event = Event::NotAnswered(Unable::Busy);
const NO_ANSWER: Event = Event::NotAnswered(Unable::NoAnswer);
const UNREGISTERED: Event = Event::NotAnswered(Unable::Unregistered);

const MENU: &str = "
    [[flow.step]]\nname = 'm'\ndo = 'menu'\nprompt = 'recorded'\nseconds = 7
    digits = { 1 = 'r', '#' = 'x' }\ntimeout = 'x'\ninvalid = 'w'
    [[flow.step]]\nname = 'w'\ndo = 'announce'\nprompt = 'invalid'\nnext = 'm'
    [[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'group:sales'\nseconds = 9\nnext = 'x'
    [[flow.step]]\nname = 'x'\ndo = 'hangup'\ncause = 486
";

#[test]
fn a_menu_leads_by_the_digit_the_timeout_and_the_invalid_branch() {
    let rows: [&[(Event, &str)]; 4] = [
        &[(Event::Begin, "ask recorded"), (Event::Key(b'1'), "ring 201+202 9"), (NO_ANSWER, "end 486")],
        &[(Event::Begin, "ask recorded"), (Event::Played, "wait 7"), (Event::TimedOut, "end 486")],
        &[
            (Event::Begin, "ask recorded"),
            (Event::Played, "wait 7"),
            (Event::Key(b'5'), "play invalid"),
            (Event::Key(b'1'), "-"),
            (Event::Played, "ask recorded"),
            (Event::Key(b'#'), "end 486"),
        ],
        &[(Event::Played, "-"), (Event::Begin, "ask recorded"), (BUSY, "-"), (Event::Begin, "-")],
    ];
    for row in rows {
        Lab::flow(MENU).walk(row);
    }
}

#[test]
fn the_last_recording_step_of_the_path_speaks_and_none_says_nothing() {
    let steps = "
        [[flow.step]]\nname = 'on'\ndo = 'recording'\non = true\nnext = 'm'
        [[flow.step]]\nname = 'm'\ndo = 'menu'\nprompt = 'recorded'\ndigits = { 1 = 'r', 2 = 'off' }
        [[flow.step]]\nname = 'off'\ndo = 'recording'\non = false\nnext = 'r'
        [[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'user:203'\n";
    for (key, said) in [(b'1', (true, "on")), (b'2', (false, "off"))] {
        let mut lab = Lab::flow(steps);
        assert_eq!(lab.path.recording(), None);
        lab.walk(&[(Event::Begin, "ask recorded"), (Event::Key(key), "ring 203 25")]);
        let (on, step) = lab.path.recording().unwrap();
        assert_eq!((*on, step.step.as_str()), said);
    }
    let mut lab = Lab::flow(MENU);
    lab.walk(&[(Event::Begin, "ask recorded"), (Event::Key(b'1'), "ring 201+202 9")]);
    assert_eq!(lab.path.recording(), None);
}

#[test]
fn members_ring_all_at_once_in_turn_or_the_longest_idle_first() {
    let step = |how: &str| {
        format!("[[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'group:sales'\nhow = '{how}'\nseconds = 10\n")
    };
    Lab::flow(&step("all")).walk(&[(Event::Begin, "ring 201+202 10"), (BUSY, "end 486")]);
    let in_turn: &[(Event, &str)] =
        &[(Event::Begin, "ring 201 10"), (UNREGISTERED, "ring 202 10"), (NO_ANSWER, "end 480"), (NO_ANSWER, "-")];
    Lab::flow(&step("in_turn")).walk(in_turn);
    // (idle of 201, idle of 202, who rings first)
    for (one, two, first) in [(Some(50), Some(20), "202"), (Some(50), None, "202"), (Some(10), Some(u64::MAX), "201")] {
        let mut lab = Lab::flow(&step("longest_idle"));
        for (extension, idle) in [("201", one), ("202", two)] {
            let user = lab.user(extension);
            lab.idle.extend(idle.map(|at| (user, Time(at))));
        }
        assert_eq!(lab.tell(Event::Begin), Some(format!("ring {first} 10")));
    }
}

#[test]
fn hours_choose_the_branch_and_a_group_without_members_is_passed() {
    let steps = "
        [[flow.step]]\nname = 's'\ndo = 'schedule'\ntime_zone = 'Europe/Berlin'\nhours = ['mon-fri 09:00-17:00']
        holidays = ['12-24']\nopen = 'e'\nclosed = 'c'
        [[flow.step]]\nname = 'e'\ndo = 'ring'\ntarget = 'group:empty'\nnext = 'r'
        [[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'group:sales'
        [[flow.step]]\nname = 'c'\ndo = 'forward'\nto = 'number:+49555'\n";
    for (utc, expected) in [
        ("2026-11-23T08:00:00Z", "ring 201+202 25"),
        ("2026-11-23T16:00:00Z", "dial +49555"),
        ("2026-12-24T10:00:00Z", "dial +49555"),
    ] {
        let mut lab = Lab::flow(steps);
        lab.wall = wall(utc);
        lab.walk(&[(Event::Begin, expected)]);
    }
}

#[test]
fn an_inbox_has_its_own_hours_and_flow_and_a_number_of_its_own_route_goes_there() {
    let inbox = |more: &str| {
        format!(
            "[[inbox]]\nname = 'i'\nnumbers = ['+4930300']\nmembers = ['203', '204']
            time_zone = 'UTC'\nhours = ['mon 09:00-10:00']\n{more}
            [[number]]\nnumber = '+4930300'
            [[flow]]\nname = 'f'\n[[flow.step]]\nname = 'x'\ndo = 'announce'\nprompt = 'goodbye'\n"
        )
    };
    let rows = [
        ("", "2026-11-23T09:30:00Z", "ring 203+204 60"),
        ("", "2026-11-23T11:00:00Z", "play closed"),
        ("flow = 'f'", "2026-11-23T09:30:00Z", "play goodbye"),
        ("closed_flow = 'f'", "2026-11-23T11:00:00Z", "play goodbye"),
    ];
    for (more, utc, expected) in rows {
        let mut lab = Lab::new(&inbox(more), |directory, _| {
            Start::of(directory.route_of(directory.number_by_e164("+4930300").unwrap())).unwrap()
        });
        lab.wall = wall(utc);
        lab.walk(&[(Event::Begin, expected)]);
    }
}

#[test]
fn a_user_who_cannot_take_the_call_has_said_where_it_goes() {
    let user = "[[user]]\nextension = '203'\nring_s = 12\non_busy = 'user:204'\non_no_answer = 'group:sales'
        on_unregistered = 'number:+49777'\n";
    let start = |directory: &Directory, company| Start::User(directory.user_by_extension(company, "203").unwrap().id);
    let rows: [&[(Event, &str)]; 5] = [
        &[(Event::Begin, "ring 203 12"), (BUSY, "ring 204 -"), (NO_ANSWER, "end 480")],
        &[(Event::Begin, "ring 203 12"), (NO_ANSWER, "ring 201+202 60"), (BUSY, "end 486")],
        &[(Event::Begin, "ring 203 12"), (UNREGISTERED, "dial +49777"), (BUSY, "end 486")],
        &[(Event::Begin, "ring 203 12"), (Event::NotAnswered(Unable::Refused(404)), "end 404")],
        &[(Event::Begin, "ring 203 12"), (Event::NotAnswered(Unable::of_status(603)), "ring 204 -")],
    ];
    for row in rows {
        Lab::new(user, start).walk(row);
    }
    let own_number = user.replace("number:+49777", "number:+4930100");
    Lab::new(&own_number, start).walk(&[(Event::Begin, "ring 203 12"), (UNREGISTERED, "ring 201+202 60")]);
}

#[test]
fn a_ring_step_lasts_as_long_as_it_says_and_its_user_decides_what_follows() {
    let steps = "[[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'user:203'\nseconds = 33\nnext = 'x'
        [[flow.step]]\nname = 'x'\ndo = 'announce'\nprompt = 'goodbye'
        [[user]]\nextension = '203'\nring_s = 5\non_busy = 'user:204'\n";
    Lab::flow(steps).walk(&[(Event::Begin, "ring 203 33"), (BUSY, "ring 204 -"), (NO_ANSWER, "end 480")]);
    Lab::flow(steps).walk(&[(Event::Begin, "ring 203 33"), (NO_ANSWER, "play goodbye"), (Event::Played, "end 480")]);
}

#[test]
fn calls_that_are_sent_on_in_a_circle_or_ring_for_ever_come_to_an_end() {
    let circle = "[[user]]\nextension = '203'\non_unregistered = 'user:204'\n[[user]]\nextension = '204'
        on_unregistered = 'user:203'\n";
    let mut lab =
        Lab::new(circle, |directory, company| Start::User(directory.user_by_extension(company, "203").unwrap().id));
    lab.tell(Event::Begin);
    let last = std::iter::from_fn(|| lab.tell(UNREGISTERED)).last();
    assert_eq!(last, Some("end 482".to_owned()));
    let queue = "[[flow.step]]\nname = 'r'\ndo = 'ring'\ntarget = 'group:sales'\nnext = 'r'\n";
    let mut lab = Lab::flow(queue);
    lab.tell(Event::Begin);
    let rounds: Vec<String> = std::iter::from_fn(|| lab.tell(UNREGISTERED)).collect();
    assert_eq!((rounds.len(), rounds.last().map(String::as_str)), (usize::from(MOST_STEPS), Some("end 482")));
}
