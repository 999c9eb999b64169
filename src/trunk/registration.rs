//! Registering at a carrier and staying registered (RFC 3261 §10.2), as a machine.

use super::login::{is_challenge, prove};
use crate::base::{Random, Span, Time};
use crate::directory::Login;
use crate::sip::message::{Method, Request, Response};
use crate::sip::token;
use crate::sip::uri::{NameAddr, Uri};
use serde::{Deserialize, Serialize};

/// The first pause after a carrier that did not answer or could not; each further one is twice as
/// long.
const PAUSE: Span = Span::from_secs(30);
const MOST_PAUSE: Span = Span::from_secs(1_800);
/// After a refusal (wrong password, unknown address): asking often would get us locked out there.
const REFUSED_PAUSE: Span = Span::from_secs(300);
const MOST_REFUSED_PAUSE: Span = Span::from_secs(3_600);
/// The longest interval that a 423 may ask for, in s.
const MOST_EXPIRES_S: u32 = 86_400;

/// ```text
/// Waiting ─due─► Asking ─2xx─► Registered ─before it ends─► Asking
///    ▲              ├─423, challenge─► Asking (the same series)
///    └──back-off────┴─refused, silent on every target
/// Leaving: Expires 0 has gone out. Off: nothing more is sent.
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { at: Time },
    Asking { target: usize, tries: u8 },
    Registered { target: usize, refresh_at: Time },
    Leaving,
    Off,
}

/// The registration of one trunk.
#[derive(Clone, Debug)]
pub struct Registration {
    call_id: String,
    from_tag: String,
    seq: u32,
    /// What is asked for, in s; a 423 raises it.
    expires_s: u32,
    state: State,
    /// Until when the last 2xx holds.
    until: Option<Time>,
    /// Failures in a row.
    failures: u32,
    problem: Option<String>,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this to the same target.
    Ask(Box<Request>),
    /// This target cannot help: ask the next, or tell by [`Registration::fail`] that there is none.
    NextTarget { problem: String, retry_after_s: Option<u32> },
    /// Nothing until [`Registration::next_timeout`].
    Settled,
}

/// Who registers what.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    pub user: &'a str,
    /// The carrier's domain, and a port where it is not 5060.
    pub domain: &'a str,
    /// Our Contact value, with brackets.
    pub contact: &'a str,
}

impl Registration {
    pub fn new(expires_s: u32, at: Time, random: &mut dyn Random) -> Self {
        Registration {
            call_id: token(random, 12),
            from_tag: token(random, 8),
            seq: 0,
            expires_s,
            state: State::Waiting { at },
            until: None,
            failures: 0,
            problem: None,
        }
    }

    pub const fn next_timeout(&self) -> Option<Time> {
        match self.state {
            State::Waiting { at } => Some(at),
            State::Registered { refresh_at, .. } => Some(refresh_at),
            State::Asking { .. } | State::Leaving | State::Off => None,
        }
    }

    /// The target that took the last REGISTER, while that holds.
    pub fn registered_at(&self, now: Time) -> Option<usize> {
        match self.state {
            State::Registered { target, .. } | State::Asking { target, .. } => {
                self.until.filter(|until| now < *until).map(|_| target)
            }
            State::Waiting { .. } | State::Leaving | State::Off => None,
        }
    }

    /// The target that a REGISTER waits for an answer of.
    pub const fn asked_at(&self) -> Option<usize> {
        match self.state {
            State::Asking { target, .. } => Some(target),
            State::Waiting { .. } | State::Registered { .. } | State::Leaving | State::Off => None,
        }
    }

    /// The REGISTER to send to `target`.
    pub fn ask(&mut self, account: &Account<'_>, target: usize) -> Request {
        self.state = State::Asking { target, tries: 0 };
        self.build(account, self.expires_s)
    }

    /// The REGISTER that takes our address away; `None` where none is there.
    pub fn leave(&mut self, account: &Account<'_>, now: Time) -> Option<Request> {
        let there = self.registered_at(now).is_some();
        self.state = if there { State::Leaving } else { State::Off };
        self.until = None;
        there.then(|| self.build(account, 0))
    }

    fn build(&mut self, account: &Account<'_>, expires_s: u32) -> Request {
        self.seq = self.seq.saturating_add(1);
        let address = NameAddr::new(Uri::sip(account.user, account.domain));
        Request::new(Method::Register, Uri::sip("", account.domain))
            .with_header("From", address.clone().with_tag(&self.from_tag).to_string())
            .with_header("To", address.to_string())
            .with_header("Call-ID", self.call_id.clone())
            .with_header("CSeq", format!("{} REGISTER", self.seq))
            .with_header("Contact", account.contact)
            .with_header("Expires", expires_s.to_string())
    }

    /// A response to `request`, which was sent last.
    pub fn on_response(
        &mut self,
        request: &Request,
        response: &Response,
        login: Option<&Login>,
        now: Time,
        random: &mut dyn Random,
    ) -> Step {
        if response.is_provisional() {
            return Step::Settled;
        }
        let (target, tries) = match self.state {
            State::Asking { target, tries } => (target, tries),
            State::Leaving => return self.left(request, response, login, random),
            State::Waiting { .. } | State::Registered { .. } | State::Off => return Step::Settled,
        };
        match response.status {
            200..300 => self.registered(target, request, response, now),
            status if is_challenge(status) => match prove(login, request, response, tries, &token(random, 8)) {
                Ok(again) => {
                    self.seq = self.seq.saturating_add(1);
                    self.state = State::Asking { target, tries: tries.saturating_add(1) };
                    return Step::Ask(Box::new(again));
                }
                Err(error) => self.refused(error.to_string(), now, random),
            },
            423 => return self.longer(target, request, response, now, random),
            // The target cannot now; another may (RFC 3263 §4.3).
            408 | 500..600 => {
                let problem = format!("{} {}", response.status, response.reason);
                return Step::NextTarget { problem, retry_after_s: response.headers.number("Retry-After") };
            }
            _ => self.refused(format!("{} {}", response.status, response.reason), now, random),
        }
        Step::Settled
    }

    /// 423: the interval that the carrier wants (RFC 3261 §10.2.8).
    fn longer(
        &mut self,
        target: usize,
        request: &Request,
        response: &Response,
        now: Time,
        random: &mut dyn Random,
    ) -> Step {
        let least = response.headers.number("Min-Expires").filter(|least| *least > self.expires_s);
        let Some(least) = least.filter(|least| *least <= MOST_EXPIRES_S) else {
            self.refused(format!("423 without a usable Min-Expires, asked for {} s", self.expires_s), now, random);
            return Step::Settled;
        };
        self.expires_s = least;
        self.seq = self.seq.saturating_add(1);
        self.state = State::Asking { target, tries: 0 };
        let mut again = request.clone();
        again.headers.remove("Authorization");
        again.headers.remove("Proxy-Authorization");
        again.headers.set("CSeq", format!("{} REGISTER", self.seq));
        again.headers.set("Expires", least.to_string());
        Step::Ask(Box::new(again))
    }

    fn left(&mut self, request: &Request, response: &Response, login: Option<&Login>, random: &mut dyn Random) -> Step {
        self.state = State::Off;
        if is_challenge(response.status)
            && !request.headers.has("Authorization")
            && !request.headers.has("Proxy-Authorization")
            && let Ok(again) = prove(login, request, response, 0, &token(random, 8))
        {
            self.state = State::Leaving;
            return Step::Ask(Box::new(again));
        }
        Step::Settled
    }

    /// No answer came to what was sent last.
    pub fn on_silence(&mut self, problem: &str) -> Step {
        match self.state {
            State::Asking { .. } => Step::NextTarget { problem: problem.to_owned(), retry_after_s: None },
            State::Leaving => {
                self.state = State::Off;
                Step::Settled
            }
            State::Waiting { .. } | State::Registered { .. } | State::Off => Step::Settled,
        }
    }

    fn registered(&mut self, target: usize, request: &Request, response: &Response, now: Time) {
        let granted = granted(request, response).unwrap_or(self.expires_s).max(1);
        let length = Span::from_secs(u64::from(granted));
        // Two tries with all their retransmissions fit in before it ends, where it is long enough.
        let lead = Span(length.0 / 2).min(Span::from_secs(90));
        self.until = Some(now + length);
        self.state = State::Registered { target, refresh_at: now + Span(length.0 - lead.0) };
        self.failures = 0;
        self.problem = None;
    }

    /// No target could help: it is tried again after a while, or when the carrier says.
    pub fn fail(&mut self, problem: String, retry_after_s: Option<u32>, now: Time, random: &mut dyn Random) {
        let asked = retry_after_s.map(|seconds| Span::from_secs(u64::from(seconds)).min(MOST_REFUSED_PAUSE));
        let pause = doubled(PAUSE, self.failures, MOST_PAUSE, random);
        self.wait(problem, asked.map_or(pause, |asked| asked.max(Span::from_secs(1))), now);
    }

    /// The carrier does not want us.
    fn refused(&mut self, problem: String, now: Time, random: &mut dyn Random) {
        self.until = None;
        let pause = doubled(REFUSED_PAUSE, self.failures, MOST_REFUSED_PAUSE, random);
        self.wait(problem, pause, now);
    }

    fn wait(&mut self, problem: String, pause: Span, now: Time) {
        self.failures = self.failures.saturating_add(1);
        self.problem = Some(problem);
        self.state = State::Waiting { at: now + pause };
    }

    pub fn view(&self, now: Time) -> RegistrationView {
        let registered = self.until.filter(|until| now < *until);
        let state = match (self.state, registered) {
            (State::Off | State::Leaving, _) => "off",
            (_, Some(_)) => "registered",
            (State::Asking { .. } | State::Registered { .. }, None) => "asking",
            (State::Waiting { .. }, None) if self.failures == 0 => "asking",
            (State::Waiting { .. }, None) => "failed",
        };
        RegistrationView {
            state: state.to_owned(),
            expires_in_s: registered.map(|until| until.since(now).0 / 1_000_000),
            next_try_in_s: self.next_timeout().map(|at| at.since(now).0 / 1_000_000),
            failures: self.failures,
            problem: self.problem.clone().unwrap_or_default(),
        }
    }
}

/// `first`, doubled for each failure before, at most `most`, and up to a quarter less: many trunks
/// of one carrier shall not come back at one moment.
fn doubled(first: Span, failures: u32, most: Span, random: &mut dyn Random) -> Span {
    let factor = 1u64.checked_shl(failures).unwrap_or(u64::MAX);
    let whole = Span(first.0.saturating_mul(factor)).min(most);
    Span(whole.0 - whole.0 / 4 * u64::from(random.u16()) / 65_536)
}

/// Seconds that were granted: those of our contact in the answer, else its Expires.
fn granted(request: &Request, response: &Response) -> Option<u32> {
    let ours = request.contact()?.uri;
    let contacts = response.contacts().unwrap_or_default();
    let own = contacts.iter().find(|contact| contact.uri.equivalent(&ours));
    own.and_then(|contact| contact.params.get("expires")?.parse().ok()).or_else(|| response.expires())
}

/// A registration, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationView {
    /// `registered`, `asking`, `failed`, `off`.
    pub state: String,
    pub expires_in_s: Option<u64>,
    pub next_try_in_s: Option<u64>,
    pub failures: u32,
    /// Why the last try failed; empty when it did not.
    pub problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Seeded;
    use crate::directory::LoginSecret;
    use crate::directory::file::Secret;

    const ACCOUNT: Account<'_> = Account { user: "acme", domain: "carrier.test", contact: "<sip:acme@192.0.2.1:5060>" };

    struct Bench {
        machine: Registration,
        random: Seeded,
        now: Time,
        asked: Request,
    }

    impl Bench {
        fn new() -> Self {
            let mut random = Seeded(3);
            let mut machine = Registration::new(600, Time(0), &mut random);
            assert_eq!(machine.next_timeout(), Some(Time(0)));
            let asked = machine.ask(&ACCOUNT, 0);
            Bench { machine, random, now: Time(0), asked }
        }

        fn hears(&mut self, response: &Response) -> Step {
            let login = Login { user: "acme".to_owned(), secret: LoginSecret::Clear(Secret::stored("x".to_owned())) };
            let step = self.machine.on_response(&self.asked, response, Some(&login), self.now, &mut self.random);
            if let Step::Ask(request) = &step {
                self.asked = (**request).clone();
            }
            step
        }

        fn hears_status(&mut self, status: u16) -> Step {
            let response = self.asked.response(status);
            self.hears(&response)
        }

        fn challenge(&mut self, more: &str) -> Step {
            let value = format!("Digest realm=\"carrier\", nonce=\"n\"{more}");
            let response = self.asked.response(401).with_header("WWW-Authenticate", value);
            self.hears(&response)
        }

        fn wait_s(&self) -> u64 {
            self.machine.next_timeout().expect("a time").since(self.now).0 / 1_000_000
        }

        fn asks_again(&mut self) {
            self.now = self.machine.next_timeout().expect("a time");
            self.asked = self.machine.ask(&ACCOUNT, 0);
        }
    }

    #[test]
    fn a_challenge_is_answered_and_the_registration_refreshed_before_it_ends() {
        let mut bench = Bench::new();
        assert_eq!(bench.asked.uri.to_string(), "sip:carrier.test");
        assert!(matches!(bench.challenge(""), Step::Ask(_)));
        assert!(bench.asked.headers.has("Authorization"));
        assert_eq!(bench.asked.headers.get("CSeq"), Some("2 REGISTER"));
        let granted = bench.asked.response(200).with_header("Contact", "<sip:acme@192.0.2.1:5060>;expires=300");
        assert_eq!(bench.hears(&granted), Step::Settled);
        assert_eq!(bench.machine.registered_at(bench.now), Some(0));
        assert_eq!(bench.wait_s(), 210);
        assert_eq!(bench.machine.view(bench.now).expires_in_s, Some(300));
        bench.asks_again();
        assert_eq!(bench.asked.headers.get("CSeq"), Some("3 REGISTER"));
        assert_eq!(bench.machine.registered_at(bench.now), Some(0), "a refresh that is under way changes nothing");
    }

    #[test]
    fn the_contact_of_another_device_does_not_say_how_long_ours_lives() {
        let mut bench = Bench::new();
        let response = bench
            .asked
            .response(200)
            .with_header("Contact", "<sip:acme@203.0.113.5>;expires=10, <sip:acme@192.0.2.1:5060>;expires=120");
        bench.hears(&response);
        assert_eq!(bench.wait_s(), 60);
    }

    #[test]
    fn a_423_raises_the_interval_and_one_that_makes_no_sense_is_a_refusal() {
        let mut bench = Bench::new();
        let response = bench.asked.response(423).with_header("Min-Expires", "1800");
        assert!(matches!(bench.hears(&response), Step::Ask(_)));
        assert_eq!(bench.asked.expires(), Some(1_800));
        let response = bench.asked.response(423).with_header("Min-Expires", "1800");
        assert_eq!(bench.hears(&response), Step::Settled);
        assert_eq!(bench.machine.view(bench.now).state, "failed");
    }

    #[test]
    fn a_stale_nonce_is_answered_anew_and_a_wrong_password_backs_off_for_long() {
        let mut bench = Bench::new();
        bench.challenge("");
        assert!(matches!(bench.challenge(", stale=true"), Step::Ask(_)));
        assert_eq!(bench.challenge(""), Step::Settled);
        assert!((225..=300).contains(&bench.wait_s()), "{} s", bench.wait_s());
        assert!(bench.machine.view(bench.now).problem.contains("password"));
        bench.asks_again();
        bench.challenge("");
        bench.challenge("");
        assert!((450..=600).contains(&bench.wait_s()), "{} s", bench.wait_s());
    }

    #[test]
    fn silence_and_5xx_ask_for_the_next_target_and_back_off_when_there_is_none() {
        let mut bench = Bench::new();
        assert!(matches!(bench.hears_status(503), Step::NextTarget { .. }));
        for (failures, least, most) in [(0, 22, 30), (1, 45, 60), (2, 90, 120), (9, 1_350, 1_800)] {
            bench.machine.failures = failures;
            bench.machine.fail("no answer".to_owned(), None, bench.now, &mut bench.random);
            assert!((least..=most).contains(&bench.wait_s()), "{} s after {failures}", bench.wait_s());
        }
        bench.machine.fail("503".to_owned(), Some(77), bench.now, &mut bench.random);
        assert_eq!(bench.wait_s(), 77, "Retry-After is respected");
        bench.asks_again();
        assert!(matches!(bench.machine.on_silence("no answer"), Step::NextTarget { .. }));
    }

    #[test]
    fn what_was_granted_ends_by_itself_when_refreshes_go_unanswered() {
        let mut bench = Bench::new();
        let response = bench.asked.response(200).with_header("Expires", "100");
        bench.hears(&response);
        bench.asks_again();
        bench.now = bench.now + Span::from_secs(51);
        assert_eq!(bench.machine.registered_at(bench.now), None);
        assert_eq!(bench.machine.view(bench.now).state, "asking");
    }

    #[test]
    fn leaving_takes_the_address_away_and_answers_one_challenge() {
        let mut bench = Bench::new();
        bench.hears_status(200);
        bench.asked = bench.machine.leave(&ACCOUNT, bench.now).expect("a REGISTER");
        assert_eq!(bench.asked.expires(), Some(0));
        assert!(matches!(bench.challenge(""), Step::Ask(_)));
        assert_eq!(bench.challenge(""), Step::Settled);
        assert_eq!((bench.machine.next_timeout(), bench.machine.view(bench.now).state.as_str()), (None, "off"));
        assert_eq!(bench.machine.leave(&ACCOUNT, bench.now), None);
    }
}
