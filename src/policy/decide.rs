//! The decision: the first source that speaks wins (the outside party's refusal, flow step, agent
//! command, number, company).

use crate::base::Direction;
use crate::directory::{NumberRecording, Settings};
use crate::ledger::{Because, Decision, Refusal};

use super::Command;

/// What the decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The outside party does not want to be recorded.
    pub refused: bool,
    /// A voicemail box is at the other end.
    pub voicemail: bool,
    /// The last recording step that the call's path passed: on or off.
    pub step: Option<bool>,
    /// The last command that was obeyed.
    pub command: Option<Command>,
    /// The setting of the company's number on this call; `Inherit` where there is none.
    pub number: NumberRecording,
    pub direction: Direction,
    /// The company's toggle for that direction, as it was when the call started.
    pub toggle: bool,
}

impl Facts {
    /// The facts of a call that starts now.
    pub fn at_start(direction: Direction, settings: &Settings, number: NumberRecording, step: Option<bool>) -> Self {
        let toggle = match direction {
            Direction::Inbound => settings.record_inbound,
            Direction::Outbound => settings.record_outbound,
            Direction::Internal => settings.record_internal,
        };
        Facts { refused: false, voicemail: false, step, command: None, number, direction, toggle }
    }
}

impl Facts {
    /// An internal call that goes outside counts as outbound from there on; any other stays what it is.
    pub fn gone_outside(self, settings: &Settings) -> Self {
        let Facts { refused, voicemail: _, step, command, number, direction, toggle: _ } = self;
        match direction {
            Direction::Internal => {
                let facts = Facts::at_start(Direction::Outbound, settings, number, step);
                Facts { refused, command, ..facts }
            }
            Direction::Inbound | Direction::Outbound => self,
        }
    }
}

/// Whether the call is recorded, and which source says so.
pub fn decide(facts: &Facts) -> Decision {
    let Facts { refused, voicemail, step, command, number, direction, toggle } = *facts;
    if refused {
        return Decision { record: false, because: Because::OutsideRefusal };
    }
    if voicemail {
        return Decision { record: false, because: Because::Voicemail };
    }
    if let Some(record) = step {
        return Decision { record, because: Because::FlowStep { passed: None } };
    }
    if let Some(command) = command {
        return Decision { record: command == Command::Start, because: Because::AgentCommand };
    }
    match number {
        NumberRecording::On => Decision { record: true, because: Because::Number },
        NumberRecording::Off => Decision { record: false, because: Because::Number },
        NumberRecording::Inherit => Decision { record: toggle, because: Because::Company { direction } },
    }
}

/// The rules of one call as they stand in the media path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub facts: Facts,
    /// The recording cannot be made: the gate stays shut whatever the decision is.
    pub failed: bool,
}

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Obeyed,
    Refused(Refusal),
}

impl Rules {
    /// Whether samples may pass now.
    pub fn open(&self) -> bool {
        decide(&self.facts).record && !self.failed
    }

    /// Applies a command of somebody whose permission is `permitted`.
    pub fn command(&mut self, command: Command, permitted: Result<(), Refusal>) -> Verdict {
        if let Err(refusal) = permitted {
            return Verdict::Refused(refusal);
        }
        if self.facts.refused {
            return Verdict::Refused(Refusal::OutsideRefused);
        }
        if self.facts.voicemail {
            return Verdict::Refused(Refusal::Voicemail);
        }
        if self.facts.step.is_some() {
            return Verdict::Refused(Refusal::FlowStep);
        }
        if self.failed && command == Command::Start {
            return Verdict::Refused(Refusal::RecordingFailed);
        }
        self.facts.command = Some(command);
        Verdict::Obeyed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fixtures/policy.csv`: every combination of the sources, with the expected decision and
    /// the sentence of the product documents that it follows.
    const TABLE: &str = include_str!("../../fixtures/policy.csv");

    #[test]
    fn every_row_of_the_policy_table_comes_out_as_it_stands_there() {
        let mut rows = 0;
        for (line, row) in TABLE.lines().enumerate().skip(1) {
            let cells: Vec<&str> = row.splitn(9, ',').collect();
            let [direction, step, command, permission, number, toggle, record, because, sentence] = cells[..] else {
                panic!("line {}: {row}", line + 1);
            };
            assert!(sentence.len() > 20, "line {} names its sentence", line + 1);
            let direction = match direction {
                "inbound" => Direction::Inbound,
                "outbound" => Direction::Outbound,
                "internal" => Direction::Internal,
                other => panic!("direction {other}"),
            };
            let facts = Facts {
                refused: false,
                voicemail: false,
                step: match step {
                    "on" => Some(true),
                    "off" => Some(false),
                    _ => None,
                },
                command: None,
                number: match number {
                    "on" => NumberRecording::On,
                    "off" => NumberRecording::Off,
                    _ => NumberRecording::Inherit,
                },
                direction,
                toggle: toggle == "on",
            };
            let mut rules = Rules { facts, failed: false };
            let permitted = match permission {
                "yes" => Ok(()),
                _ => Err(Refusal::AgentPauseOff),
            };
            match command {
                "#11#" => drop(rules.command(Command::Pause, permitted)),
                "#12#" => drop(rules.command(Command::Start, permitted)),
                _ => {}
            }
            let decision = decide(&rules.facts);
            let source = match decision.because {
                Because::OutsideRefusal => "refusal",
                Because::Voicemail => "voicemail",
                Because::FlowStep { .. } => "step",
                Because::AgentCommand => "command",
                Because::Number => "number",
                Because::Company { .. } => "company",
            };
            assert_eq!((decision.record, source), (record == "yes", because), "line {}: {row}", line + 1);
            rows += 1;
        }
        assert_eq!(rows, 3 * 3 * 3 * 2 * 3 * 2, "every combination stands in the table");
    }

    #[test]
    fn what_the_outside_party_refused_is_opened_by_nothing_and_nobody() {
        for step in [None, Some(true), Some(false)] {
            let number = NumberRecording::On;
            let facts = Facts {
                refused: true,
                voicemail: false,
                step,
                command: None,
                number,
                direction: Direction::Inbound,
                toggle: true,
            };
            let mut rules = Rules { facts, failed: false };
            for command in [Command::Start, Command::Pause] {
                assert_eq!(rules.command(command, Ok(())), Verdict::Refused(Refusal::OutsideRefused));
            }
            assert_eq!(decide(&rules.facts), Decision { record: false, because: Because::OutsideRefusal });
            assert!(!rules.open());
        }
    }

    #[test]
    fn a_call_to_a_voicemail_box_is_never_recorded_whatever_opened_it_before() {
        for (step, command) in [(None, None), (Some(true), None), (None, Some(Command::Start))] {
            let facts = Facts {
                refused: false,
                voicemail: true,
                step,
                command,
                number: NumberRecording::On,
                direction: Direction::Inbound,
                toggle: true,
            };
            let mut rules = Rules { facts, failed: false };
            assert_eq!(decide(&facts), Decision { record: false, because: Because::Voicemail });
            assert_eq!(rules.command(Command::Start, Ok(())), Verdict::Refused(Refusal::Voicemail));
            assert!(!rules.open());
        }
    }

    #[test]
    fn a_failed_recording_keeps_the_gate_shut_and_refuses_a_start() {
        let facts = Facts {
            refused: false,
            voicemail: false,
            step: None,
            command: None,
            number: NumberRecording::On,
            direction: Direction::Inbound,
            toggle: true,
        };
        let mut rules = Rules { facts, failed: true };
        assert!(!rules.open());
        assert_eq!(rules.command(Command::Start, Ok(())), Verdict::Refused(Refusal::RecordingFailed));
        assert_eq!(rules.command(Command::Pause, Ok(())), Verdict::Obeyed);
    }
}
