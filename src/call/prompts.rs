//! Prompts by name, a company's own before those of the service; what is said of a recording.

use super::MediaOrder;
use super::session::Session;
use super::switch::{Cx, Switch};
use crate::audio::prompt::{BuiltIn, Pcm};
use crate::base::{CompanyId, Side, Span};
use crate::directory::{Directory, NoticeTo};
use crate::ledger::Party;
use crate::media::{Notice, Prompt, Refuse, Times};

/// The company's prompt of this name is played to who is on hold.
pub(super) const HOLD_MUSIC: &str = "hold-music";

/// What is said for `name`; silence of no length where there is nothing of that name.
pub(super) fn prompt(directory: &Directory, company: CompanyId, name: &str) -> Pcm {
    let own = directory.prompt(company, name).map(|sound| sound.0.clone());
    own.or_else(|| BuiltIn::named(name).map(BuiltIn::pcm)).unwrap_or_default()
}

impl Switch {
    /// `on_recording_failure = "announce"`: both parties hear that the call is not recorded.
    pub(super) fn say_not_recorded(&self, session: &mut Session, cx: &mut Cx<'_>) {
        let pcm = prompt(&self.directory, session.record.company, "not-recorded");
        for side in Side::BOTH {
            let prompt = Prompt { id: session.next_play(), pcm: pcm.clone(), times: Times::Once, recorded: true };
            cx.shell.media(session.id(), MediaOrder::PlayPrompt { side, prompt });
        }
    }

    /// What the parties of a call are told where it is recorded: as the number says, else the
    /// company. The outside is whoever is behind a trunk.
    pub(super) fn notice_of(&self, session: &Session) -> Option<Notice> {
        let record = &session.record;
        // Nothing is said over a call for help, also one that became it by transfer.
        let helps = |party: &Party| party.user.is_none() && session.settings.emergency_numbers.contains(&party.address);
        if Side::BOTH.into_iter().any(|side| helps(record.party(side))) {
            return None;
        }
        let number = record.number.and_then(|id| self.directory.number(id)).and_then(|number| number.notice);
        // Who is not of the company.
        let outside = Side::BOTH.map(|side| session.leg(side).trunk.is_some());
        let key = session.settings.notice_refuse.and_then(|key| u8::try_from(key).ok());
        let refuse = key.filter(|_| outside != [false; 2]).map(|key| Refuse { key, by: outside });
        let spoken = if refuse.is_some() { "recorded-refuse" } else { "recorded" };
        let (name, to, every, refuse) = match number.unwrap_or(session.settings.notice) {
            NoticeTo::Off => return None,
            NoticeTo::Outside => (spoken, outside, None, refuse),
            NoticeTo::Both => (spoken, [true; 2], None, refuse),
            // A beep does not say how to refuse.
            NoticeTo::Beep => {
                ("beep", [true; 2], Some(Span::from_secs(u64::from(session.settings.notice_beep_s))), None)
            }
        };
        Some(Notice { pcm: prompt(&self.directory, record.company, name), to, every, refuse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::BUILT_IN_PROMPTS;

    #[test]
    fn what_the_company_file_may_name_of_the_service_is_there() {
        assert_eq!(BuiltIn::ALL.map(BuiltIn::name), BUILT_IN_PROMPTS);
        for name in BUILT_IN_PROMPTS {
            assert!(!prompt(&Directory::default(), CompanyId(1), name).is_empty(), "{name}");
        }
    }
}
