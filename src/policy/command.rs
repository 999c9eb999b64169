//! Commands in a run of digits: longest suffix match, held back until it is decided.

/// What a user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `#11#`: pause.
    Pause,
    /// `#12#`: start, or resume.
    Start,
}

/// The way a digit came, to tell a press that was sent twice from two presses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Event,
    Info,
    Tone,
}

/// Longest command, in keys.
pub const MAX_COMMAND: usize = 8;

/// A short run of keys without allocation.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digits {
    keys: [u8; MAX_COMMAND + 1],
    length: usize,
}

impl Digits {
    /// The first nine keys of `text`.
    pub fn new(text: &str) -> Self {
        let mut digits = Digits::default();
        text.bytes().for_each(|key| digits.push(key));
        digits
    }

    pub fn as_slice(&self) -> &[u8] {
        self.keys.get(..self.length).unwrap_or(&[])
    }

    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn push(&mut self, key: u8) {
        if let Some(slot) = self.keys.get_mut(self.length) {
            *slot = key;
            self.length += 1;
        }
    }

    /// Removes the first `count` keys and returns them.
    fn take_front(&mut self, count: usize) -> Digits {
        let mut front = Digits::default();
        let mut rest = Digits::default();
        for (at, key) in self.as_slice().iter().enumerate() {
            match at < count {
                true => front.push(*key),
                false => rest.push(*key),
            }
        }
        *self = rest;
        front
    }
}

impl std::fmt::Debug for Digits {
    /// Keys of people are never printed, not even here.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digits({})", self.length)
    }
}

/// What a digit led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Keys that can no longer become a command: they go to the other party, in order.
    pub release: Digits,
    /// The command that was completed: its keys are swallowed.
    pub command: Option<Command>,
}

/// Finds the two commands of a company in the keys of one leg.
#[derive(Clone, Copy, Debug)]
pub struct Matcher {
    commands: [(Digits, Command); 2],
    held: Digits,
}

impl Matcher {
    /// `pause` and `start` are one to eight keys each.
    pub fn new(pause: &str, start: &str) -> Self {
        Matcher {
            commands: [(Digits::new(pause), Command::Pause), (Digits::new(start), Command::Start)],
            held: Digits::default(),
        }
    }

    /// The next key of the leg.
    pub fn handle(&mut self, key: u8) -> Matched {
        self.held.push(key);
        let held = self.held;
        for (keys, command) in &self.commands {
            if !keys.is_empty() && held.as_slice().ends_with(keys.as_slice()) {
                let before = held.as_slice().len() - keys.as_slice().len();
                let release = self.held.take_front(before);
                self.held = Digits::default();
                return Matched { release, command: Some(*command) };
            }
        }
        let length = held.as_slice().len();
        let keep = (0..=length).rev().find(|keep| self.may_become_a_command(length - keep)).unwrap_or(0);
        Matched { release: self.held.take_front(length - keep), command: None }
    }

    /// Gives the held keys up: the run has waited too long, or the call has ended.
    pub fn release(&mut self) -> Digits {
        std::mem::take(&mut self.held)
    }

    pub const fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether the held keys from `start` on are a proper beginning of a command.
    fn may_become_a_command(&self, start: usize) -> bool {
        let Some(tail) = self.held.as_slice().get(start..) else {
            return false;
        };
        self.commands.iter().any(|(keys, _)| keys.as_slice().len() > tail.len() && keys.as_slice().starts_with(tail))
    }
}

/// How long the second form of the same press may come after the first, in µs.
const TWIN_WITHIN: u64 = 1_500_000;

/// Drops the twin where a phone sends each press as an event and as INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presses {
    /// Presses of one source whose twin has not come: (key, source, µs).
    unpaired: [Option<(u8, Source, u64)>; 16],
    next: usize,
}

impl Presses {
    /// Whether this is a press of its own, and not the twin of one that came the other way.
    pub fn is_new(&mut self, key: u8, source: Source, now: crate::base::Time) -> bool {
        let twin = self.oldest_twin(key, source, now.0);
        if let Some(slot) = twin.and_then(|at| self.unpaired.get_mut(at)) {
            *slot = None;
            return false;
        }
        if let Some(slot) = self.unpaired.get_mut(self.next) {
            *slot = Some((key, source, now.0));
        }
        self.next = (self.next + 1) % self.unpaired.len();
        true
    }

    fn oldest_twin(&self, key: u8, source: Source, now: u64) -> Option<usize> {
        let mut found: Option<(usize, u64)> = None;
        for (at, slot) in self.unpaired.iter().enumerate() {
            let Some((other_key, other_source, when)) = *slot else { continue };
            let recent = now.saturating_sub(when) <= TWIN_WITHIN;
            if other_key == key && other_source != source && recent && found.is_none_or(|(_, oldest)| when < oldest) {
                found = Some((at, when));
            }
        }
        found.map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;
    use proptest::prelude::*;

    /// Types `keys`; returns what was released and the commands, `P` and `S`, as one text.
    fn type_keys(keys: &str) -> (String, String) {
        let mut matcher = Matcher::new("#11#", "#12#");
        let (mut released, mut commands) = (String::new(), String::new());
        for key in keys.bytes() {
            let matched = matcher.handle(key);
            released.push_str(std::str::from_utf8(matched.release.as_slice()).unwrap());
            match matched.command {
                Some(Command::Pause) => commands.push('P'),
                Some(Command::Start) => commands.push('S'),
                None => {}
            }
        }
        released.push_str(std::str::from_utf8(matcher.release().as_slice()).unwrap());
        (released, commands)
    }

    #[test]
    fn commands_are_found_and_swallowed_and_other_keys_released_in_order() {
        let rows = [
            ("#11#", "", "P"),
            ("#12#", "", "S"),
            ("##11#", "#", "P"),
            ("#1#12#", "#1", "S"),
            ("#11#12#", "12#", "P"),
            ("#11##12#", "", "PS"),
            ("5", "5", ""),
            ("123#", "123#", ""),
            ("#13#", "#13#", ""),
            ("#11", "#11", ""),
            ("9#11#9", "99", "P"),
            ("#111#", "#111#", ""),
        ];
        for (keys, released, commands) in rows {
            assert_eq!(type_keys(keys), (released.to_owned(), commands.to_owned()), "{keys}");
        }
    }

    #[test]
    fn the_twin_of_a_press_that_came_the_other_way_is_dropped() {
        let mut presses = Presses::default();
        let at = |ms: u64| Time(ms * 1_000);
        assert!(presses.is_new(b'1', Source::Event, at(0)));
        assert!(presses.is_new(b'1', Source::Event, at(200)));
        assert!(!presses.is_new(b'1', Source::Info, at(250)));
        assert!(!presses.is_new(b'1', Source::Info, at(300)));
        assert!(presses.is_new(b'1', Source::Info, at(900)), "both twins are paired");
        assert!(presses.is_new(b'2', Source::Event, at(1_000)));
        assert!(presses.is_new(b'2', Source::Info, at(4_000)), "too late to be a twin");
    }

    proptest! {
        #[test]
        fn no_key_is_lost_or_invented(keys in "[0-9*#]{0,40}") {
            let (released, commands) = type_keys(&keys);
            prop_assert_eq!(released.len() + 4 * commands.len(), keys.len());
        }
    }
}
