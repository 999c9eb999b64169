//! Whoever speaks: the service, a folder that replaces it, a company.

use super::clip::{Clip, Word};
use super::number::{say_digits, say_messages, say_number};
use super::when::say_received;
use super::{Say, pack};
use crate::audio::prompt::{Pcm, tone};
use crate::base::{Language, Wall};
use jiff::tz::TimeZone;
use std::collections::HashMap;

/// Of 8 kHz.
const PER_MS: usize = 8;
/// Between the clips of one piece, and between two pieces.
const WITHIN: usize = 40 * PER_MS;
const BETWEEN: usize = 120 * PER_MS;
/// What a company's own clips are called before their name: a company's `goodbye` is already what
/// callers hear whom nobody takes.
const OWN: &str = "vm-";

/// In which language it is said, and by which clocks.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    pub language: Language,
    pub zone: &'a TimeZone,
    pub now: Wall,
}

/// What is spoken for each clip.
#[derive(Clone, Debug, Default)]
pub struct Voices {
    replaced: HashMap<(Language, Clip), Pcm>,
}

impl Voices {
    /// The service's own, and these instead of some of them.
    pub fn with(replaced: impl IntoIterator<Item = (Language, Clip, Pcm)>) -> Self {
        Voices { replaced: replaced.into_iter().map(|(language, clip, pcm)| ((language, clip), pcm)).collect() }
    }

    pub fn pcm(&self, language: Language, clip: Clip) -> Pcm {
        self.replaced.get(&(language, clip)).cloned().unwrap_or_else(|| pack::pcm(language, clip))
    }

    /// All that is said, one after the other. `own`: a company's prompt of that name (`vm-welcome-de`,
    /// else `vm-welcome`), which is played instead.
    pub fn speak(&self, say: &[Say], manner: Manner<'_>, own: &dyn Fn(&str) -> Option<Pcm>) -> Pcm {
        let mut out: Vec<i16> = Vec::new();
        for piece in say {
            let spoken = self.piece(piece, manner, own);
            let silent = matches!(piece, Say::Pause(_)) || spoken.is_empty();
            if !silent && !out.is_empty() {
                out.extend([0; BETWEEN]);
            }
            out.extend(&spoken[..]);
        }
        out.into()
    }

    fn piece(&self, piece: &Say, manner: Manner<'_>, own: &dyn Fn(&str) -> Option<Pcm>) -> Pcm {
        let Manner { language, zone, now } = manner;
        let clips = match piece {
            Say::Clip(pcm) => return pcm.clone(),
            Say::Pause(ms) => return vec![0; usize::from(*ms) * PER_MS].into(),
            Say::Tone => return tone(1_000.0, 400 * PER_MS, 450 * PER_MS),
            Say::Phrase(phrase) => vec![Clip::Phrase(*phrase)],
            Say::YouHave { urgent, new, old } => say_messages(language, *urgent, *new, *old),
            Say::Message(n) => {
                let mut clips = vec![Clip::Word(Word::MessageNumber)];
                clips.extend(say_number(language, *n, None));
                clips
            }
            Say::Received(at) => say_received(language, *at, now, zone),
            Say::Number(n) => say_number(language, *n, None),
            Say::Digits(digits) => say_digits(digits),
        };
        let of_company =
            |clip: Clip| own(&format!("{OWN}{clip}-{}", language.as_str())).or_else(|| own(&format!("{OWN}{clip}")));
        let spoken = |clip: Clip| of_company(clip).unwrap_or_else(|| self.pcm(language, clip));
        concat(&clips.into_iter().map(spoken).collect::<Vec<_>>())
    }
}

/// One after the other, with short gaps.
pub fn concat(pieces: &[Pcm]) -> Pcm {
    let mut out: Vec<i16> = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        if !out.is_empty() {
            out.extend([0; WITHIN]);
        }
        out.extend(&piece[..]);
    }
    out.into()
}
