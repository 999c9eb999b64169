//! Groups, inboxes, call flows, prompts and voicemail boxes in the company file, key by key.

use super::super::flow::{Flaw, Flow, ForwardTo, Holiday, Hours, RingHow, RingTo, Schedule, Step, StepName, Zone};
use super::super::{BoxAccess, BoxOwnerText, Sound, is_box_name};
use super::value::{
    BoxName, BoxNumber, BoxPassword, Cause, Context, Digit, E164, EmailOrNone, Extension, Key, KeyOrNone,
    LanguageOrNone, MaxMessages, MessageSeconds, Name, NumberOrNone, Own, RingSeconds, ZoneOrNone,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// `[[group]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupKeys {
    #[schema(value_type = Option<String>)]
    pub company: Option<Key>,
    /// Required.
    #[schema(value_type = Option<String>)]
    pub name: Option<Key>,
    /// For people; a new group's is its name.
    #[schema(value_type = Option<String>)]
    pub label: Option<Name>,
    /// Extensions of all members, in the order in which they ring in turn.
    #[schema(value_type = Option<Vec<String>>)]
    pub members: Option<Vec<Extension>>,
    /// Members are subscribed to the group's messages; a new group's are not.
    pub subscribe_members: Option<bool>,
}

/// `[[inbox]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InboxKeys {
    #[schema(value_type = Option<String>)]
    pub company: Option<Key>,
    /// Required.
    #[schema(value_type = Option<String>)]
    pub name: Option<Key>,
    /// For people; a new inbox's is its name.
    #[schema(value_type = Option<String>)]
    pub label: Option<Name>,
    /// All numbers of the inbox.
    #[schema(value_type = Option<Vec<String>>)]
    pub numbers: Option<Vec<E164>>,
    /// The one that its members call with; `""` for none.
    #[schema(value_type = Option<String>)]
    pub primary: Option<NumberOrNone>,
    /// Extensions of all members.
    #[schema(value_type = Option<Vec<String>>)]
    pub members: Option<Vec<Extension>>,
    #[schema(value_type = Option<String>)]
    pub time_zone: Option<Zone>,
    /// `[]`: always open.
    #[schema(value_type = Option<Vec<String>>)]
    pub hours: Option<Vec<Hours>>,
    #[schema(value_type = Option<Vec<String>>)]
    pub holidays: Option<Vec<Holiday>>,
    /// The flow of its numbers that have none of their own; `""`: every member rings.
    #[schema(value_type = Option<String>)]
    pub flow: Option<KeyOrNone>,
    /// The flow outside the hours; `""`: callers hear that it is closed.
    #[schema(value_type = Option<String>)]
    pub closed_flow: Option<KeyOrNone>,
    /// All numbers whose text messages come to it: company numbers, each a shared inbox.
    #[schema(value_type = Option<Vec<String>>)]
    pub messaging: Option<Vec<E164>>,
    /// Members see all texts; a new inbox's see what came after they joined.
    pub history: Option<bool>,
}

/// `[[prompt]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptKeys {
    pub company: Option<Key>,
    /// Required. That of a prompt of the service replaces it.
    pub name: Option<Key>,
    /// A WAV file, beside the company file where it is no whole path.
    pub file: Option<String>,
    /// What is in the file, once it was read.
    #[serde(skip)]
    pub sound: Option<Sound>,
}

/// `[[voicemail]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoicemailKeys {
    #[schema(value_type = Option<String>)]
    pub company: Option<Key>,
    /// Required; 1 to 40 digits.
    #[schema(value_type = Option<String>)]
    pub number: Option<BoxNumber>,
    /// `default` where it is not said.
    #[schema(value_type = Option<String>)]
    pub context: Option<Context>,
    /// For people; a new box's is its number.
    #[schema(value_type = Option<String>)]
    pub name: Option<BoxName>,
    /// `user:EXTENSION`, `group:NAME`, or `""`: nobody's, which a new box is.
    #[schema(value_type = Option<String>)]
    pub owner: Option<BoxOwnerText>,
    /// `personal`, which a new box is, or `global`.
    pub access: Option<BoxAccess>,
    /// Digits; `""` for none.
    #[schema(value_type = Option<String>, write_only)]
    pub password: Option<BoxPassword>,
    /// `""` for none.
    #[schema(value_type = Option<String>)]
    pub email: Option<EmailOrNone>,
    /// `""` for none.
    #[schema(value_type = Option<String>)]
    pub pager: Option<EmailOrNone>,
    /// `""` for the company's.
    #[schema(value_type = Option<String>)]
    pub language: Option<LanguageOrNone>,
    /// `""` for the company's.
    #[schema(value_type = Option<String>)]
    pub time_zone: Option<ZoneOrNone>,
    /// `"inherit"` for the company's.
    #[schema(value_type = Option<u32>)]
    pub max_messages: Option<Own<MaxMessages>>,
    /// A new box's is the company's.
    pub attach_audio: Option<bool>,
    pub delete_messages: Option<bool>,
    pub ask_password: Option<bool>,
    pub enabled: Option<bool>,
    pub subscribe_members: Option<bool>,
    /// `"inherit"` for the company's.
    #[schema(value_type = Option<u32>)]
    pub max_s: Option<Own<MessageSeconds>>,
    /// `"inherit"` for the company's.
    #[schema(value_type = Option<u32>)]
    pub min_s: Option<Own<MessageSeconds>>,
    pub review: Option<bool>,
    /// All pairs.
    #[schema(value_type = Option<Vec<Vec<String>>>)]
    pub options: Option<Vec<(String, String)>>,
}

/// `[[flow]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowKeys {
    #[schema(value_type = Option<String>)]
    pub company: Option<Key>,
    /// Required.
    #[schema(value_type = Option<String>)]
    pub name: Option<Key>,
    /// Name of a step; the first one unless said otherwise.
    #[schema(value_type = Option<String>)]
    pub start: Option<Key>,
    /// All steps of the flow.
    #[serde(default)]
    pub step: Vec<StepKeys>,
}

/// `do` of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    Recording,
    Announce,
    Schedule,
    Menu,
    Ring,
    Forward,
    Hangup,
    Voicemail,
}

/// `[[flow.step]]`: which keys mean something depends on `do`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepKeys {
    /// Required, unique in the flow.
    #[schema(value_type = Option<String>)]
    pub name: Option<Key>,
    /// Required.
    #[serde(rename = "do")]
    pub kind: Option<StepKind>,
    /// The step after this one; none: the flow ends.
    #[schema(value_type = Option<String>)]
    pub next: Option<Key>,
    /// recording: whether it is on.
    pub on: Option<bool>,
    /// announce, menu: a `[[prompt]]`, or one of the service.
    #[schema(value_type = Option<String>)]
    pub prompt: Option<Key>,
    #[schema(value_type = Option<String>)]
    pub time_zone: Option<Zone>,
    #[schema(value_type = Option<Vec<String>>)]
    pub hours: Option<Vec<Hours>>,
    #[schema(value_type = Option<Vec<String>>)]
    pub holidays: Option<Vec<Holiday>>,
    #[schema(value_type = Option<String>)]
    pub open: Option<Key>,
    #[schema(value_type = Option<String>)]
    pub closed: Option<Key>,
    /// menu: a step for each key.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub digits: Option<BTreeMap<Digit, Key>>,
    #[schema(value_type = Option<String>)]
    pub timeout: Option<Key>,
    #[schema(value_type = Option<String>)]
    pub invalid: Option<Key>,
    /// menu, ring: how long to wait.
    #[schema(value_type = Option<u16>)]
    pub seconds: Option<RingSeconds>,
    /// ring: who.
    #[schema(value_type = Option<String>)]
    pub target: Option<RingTo>,
    pub how: Option<RingHow>,
    /// forward: where to.
    #[schema(value_type = Option<String>)]
    pub to: Option<ForwardTo>,
    /// hangup: SIP status.
    #[schema(value_type = Option<u16>)]
    pub cause: Option<Cause>,
    /// voicemail: which box, by NUMBER or NUMBER@CONTEXT.
    #[serde(rename = "box")]
    pub mailbox: Option<String>,
}

/// A caller who was asked has this long to press a key.
const MENU_SECONDS: u16 = 5;
const RING_SECONDS: u16 = 25;
/// What a caller is told who is refused without a cause.
const UNAVAILABLE: u16 = 480;

impl FlowKeys {
    /// The flow, as far as it can be read, and what is wrong with its steps by themselves.
    /// `None` where there are no steps.
    pub fn flow(&self) -> (Option<Flow>, Vec<(StepName, Flaw)>) {
        let mut flaws = Vec::new();
        let mut steps = BTreeMap::new();
        let mut first = None;
        for (position, keys) in (1..).zip(&self.step) {
            let name = keys.name.as_ref().map_or_else(|| format!("{position} of the flow"), ToString::to_string);
            let name = StepName(name);
            if keys.name.is_none() {
                flaws.push((name.clone(), Flaw::Missing("name")));
            }
            let read = keys.clone().step();
            flaws.extend(read.flaws.into_iter().map(|flaw| (name.clone(), flaw)));
            first.get_or_insert_with(|| name.clone());
            if let Some(step) = read.step
                && steps.insert(name.clone(), step).is_some()
            {
                flaws.push((name, Flaw::Twice));
            }
        }
        let start = self.start.as_ref().map(|key| StepName(key.to_string())).or(first);
        (start.map(|start| Flow { start, steps }), flaws)
    }
}

struct ReadStep {
    step: Option<Step>,
    flaws: Vec<Flaw>,
}

impl StepKeys {
    fn step(mut self) -> ReadStep {
        let mut flaws = Vec::new();
        let Some(kind) = self.kind.take() else {
            return ReadStep { step: None, flaws: vec![Flaw::Missing("do")] };
        };
        self.name = None;
        let step = match kind {
            StepKind::Recording => self.recording(&mut flaws),
            StepKind::Announce => self.announce(&mut flaws),
            StepKind::Schedule => self.schedule(&mut flaws),
            StepKind::Menu => self.menu(&mut flaws),
            StepKind::Ring => self.ring(&mut flaws),
            StepKind::Forward => needed("to", self.to.take(), &mut flaws).map(|to| Step::Forward { to }),
            StepKind::Hangup => {
                Some(Step::Hangup { cause: self.cause.take().map_or(UNAVAILABLE, |Cause(cause)| cause) })
            }
            StepKind::Voicemail => self.voicemail(&mut flaws),
        };
        flaws.extend(self.left_over().into_iter().map(Flaw::Useless));
        ReadStep { step, flaws }
    }

    fn recording(&mut self, flaws: &mut Vec<Flaw>) -> Option<Step> {
        let next = branch(self.next.take());
        needed("on", self.on.take(), flaws).map(|on| Step::Recording { on, next })
    }

    fn announce(&mut self, flaws: &mut Vec<Flaw>) -> Option<Step> {
        let next = branch(self.next.take());
        let prompt = needed("prompt", self.prompt.take(), flaws)?.to_string();
        Some(Step::Announce { prompt, next })
    }

    fn schedule(&mut self, flaws: &mut Vec<Flaw>) -> Option<Step> {
        let zone = needed("time_zone", self.time_zone.take(), flaws);
        let hours = needed("hours", self.hours.take(), flaws);
        let holidays = self.holidays.take().unwrap_or_default();
        let open = needed("open", self.open.take(), flaws).map(step_name);
        let closed = needed("closed", self.closed.take(), flaws).map(step_name);
        Some(Step::Schedule { schedule: Schedule { time_zone: zone?, hours: hours?, holidays }, open, closed })
    }

    fn menu(&mut self, flaws: &mut Vec<Flaw>) -> Option<Step> {
        let prompt = needed("prompt", self.prompt.take(), flaws);
        let digits = self.digits.take().unwrap_or_default();
        if digits.is_empty() {
            flaws.push(Flaw::NoDigits);
        }
        let digits = digits.into_iter().map(|(Digit(key), name)| (key, step_name(name))).collect();
        let (timeout, invalid) = (branch(self.timeout.take()), branch(self.invalid.take()));
        let seconds = self.seconds.take().map_or(MENU_SECONDS, |RingSeconds(seconds)| seconds);
        Some(Step::Menu { prompt: prompt?.to_string(), digits, timeout, invalid, seconds })
    }

    fn ring(&mut self, flaws: &mut Vec<Flaw>) -> Option<Step> {
        let how = self.how.take().unwrap_or_default();
        let seconds = self.seconds.take().map_or(RING_SECONDS, |RingSeconds(seconds)| seconds);
        let next = branch(self.next.take());
        needed("target", self.target.take(), flaws).map(|target| Step::Ring { target, how, seconds, next })
    }

    fn voicemail(&mut self, flaws: &mut Vec<Flaw>) -> Option<Step> {
        let mailbox = needed("box", self.mailbox.take(), flaws)?;
        if !is_box_name(&mailbox) {
            flaws.push(Flaw::BadBox(mailbox));
            return None;
        }
        Some(Step::Voicemail { mailbox })
    }

    /// Keys that were said and mean nothing for this kind of step.
    fn left_over(&self) -> Vec<&'static str> {
        let StepKeys {
            name: _,
            kind: _,
            next,
            on,
            prompt,
            time_zone,
            hours,
            holidays,
            open,
            closed,
            digits,
            timeout,
            invalid,
            seconds,
            target,
            how,
            to,
            cause,
            mailbox,
        } = self;
        let said = [
            ("next", next.is_some()),
            ("on", on.is_some()),
            ("prompt", prompt.is_some()),
            ("time_zone", time_zone.is_some()),
            ("hours", hours.is_some()),
            ("holidays", holidays.is_some()),
            ("open", open.is_some()),
            ("closed", closed.is_some()),
            ("digits", digits.is_some()),
            ("timeout", timeout.is_some()),
            ("invalid", invalid.is_some()),
            ("seconds", seconds.is_some()),
            ("target", target.is_some()),
            ("how", how.is_some()),
            ("to", to.is_some()),
            ("cause", cause.is_some()),
            ("box", mailbox.is_some()),
        ];
        said.into_iter().filter_map(|(key, said)| said.then_some(key)).collect()
    }
}

fn needed<T>(key: &'static str, value: Option<T>, flaws: &mut Vec<Flaw>) -> Option<T> {
    if value.is_none() {
        flaws.push(Flaw::Missing(key));
    }
    value
}

fn step_name(key: Key) -> StepName {
    StepName(key.to_string())
}

fn branch(key: Option<Key>) -> Option<StepName> {
    key.map(step_name)
}
