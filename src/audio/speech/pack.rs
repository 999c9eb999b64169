//! The speech that comes with the service: a file a language, Opus inside (`make/make.py` has the format).

use super::Clip;
use crate::audio::Coding;
use crate::audio::codec::decoder;
use crate::audio::prompt::Pcm;
use crate::base::{Language, Rate};
use std::collections::HashMap;
use std::sync::OnceLock;

/// Samples of a payload.
const FRAME: usize = 480;

static ENGLISH: Pack = Pack::of(include_bytes!("en.pack"));
static GERMAN: Pack = Pack::of(include_bytes!("de.pack"));
static FRENCH: Pack = Pack::of(include_bytes!("fr.pack"));
static SPANISH: Pack = Pack::of(include_bytes!("es.pack"));

/// What the service itself says for `clip`; empty where it has no such clip, which a test excludes.
pub(super) fn pcm(language: Language, clip: Clip) -> Pcm {
    pack(language).pcm(&clip.to_string())
}

fn pack(language: Language) -> &'static Pack {
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
        Language::French => &FRENCH,
        Language::Spanish => &SPANISH,
    }
}

struct Pack {
    bytes: &'static [u8],
    /// Read at the first use.
    clips: OnceLock<HashMap<&'static str, Entry>>,
}

struct Entry {
    payloads: &'static [u8],
    samples: usize,
    /// Samples before the first one.
    skip: usize,
    /// Decoded at the first use, then shared.
    pcm: OnceLock<Pcm>,
}

impl Pack {
    const fn of(bytes: &'static [u8]) -> Self {
        Pack { bytes, clips: OnceLock::new() }
    }

    fn clips(&self) -> &HashMap<&'static str, Entry> {
        self.clips.get_or_init(|| read(self.bytes).unwrap_or_default())
    }

    fn pcm(&self, name: &str) -> Pcm {
        let entry = self.clips().get(name);
        entry.map(|entry| entry.pcm.get_or_init(|| decode(entry).into()).clone()).unwrap_or_default()
    }
}

fn read(bytes: &'static [u8]) -> Option<HashMap<&'static str, Entry>> {
    let (count, mut rest) = bytes.split_first_chunk::<2>()?;
    let mut found = Vec::new();
    for _ in 0..u16::from_le_bytes(*count) {
        let (length, after) = rest.split_first()?;
        let (name, after) = after.split_at_checked(usize::from(*length))?;
        let (at, after) = after.split_first_chunk::<4>()?;
        let (samples, after) = after.split_first_chunk::<4>()?;
        let (skip, after) = after.split_first_chunk::<2>()?;
        rest = after;
        let numbers = (u32::from_le_bytes(*at) as usize, u32::from_le_bytes(*samples) as usize);
        found.push((str::from_utf8(name).ok()?, numbers, usize::from(u16::from_le_bytes(*skip))));
    }
    let entry = |(at, samples): (usize, usize), skip| {
        Some(Entry { payloads: rest.get(at..)?, samples, skip, pcm: OnceLock::new() })
    };
    found.into_iter().map(|(name, numbers, skip)| Some((name, entry(numbers, skip)?))).collect()
}

fn decode(entry: &Entry) -> Vec<i16> {
    let (mut rest, mut out, mut frame) = (entry.payloads, Vec::new(), [0; FRAME]);
    let Some(mut decoder) = decoder(Coding::Opus, Rate::NARROW) else { return out };
    while out.len() < entry.skip + entry.samples {
        let Some((length, after)) = rest.split_first_chunk::<2>() else { break };
        let Some((payload, after)) = after.split_at_checked(usize::from(u16::from_le_bytes(*length))) else { break };
        rest = after;
        let Ok(count) = decoder.decode(payload, &mut frame) else { break };
        out.extend(frame.iter().take(count));
    }
    out.drain(..entry.skip.min(out.len()));
    out.truncate(entry.samples);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_language_has_every_clip_and_no_other() {
        let all: BTreeSet<String> = Clip::all().iter().map(ToString::to_string).collect();
        assert_eq!(all.len(), Clip::all().len(), "names are unique");
        for language in Language::ALL {
            let packed: BTreeSet<String> = pack(language).clips().keys().map(|name| (*name).to_owned()).collect();
            assert_eq!(packed, all, "{language:?}");
        }
    }

    #[test]
    fn every_clip_is_whole_and_as_loud_as_speech() {
        for language in Language::ALL {
            for clip in Clip::all() {
                let entry = &pack(language).clips()[clip.to_string().as_str()];
                let pcm = pcm(language, clip);
                let loudest = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
                let longest = if matches!(clip, Clip::Phrase(_)) { 30 } else { 3 };
                assert_eq!(pcm.len(), entry.samples, "{language:?} {clip}");
                assert!((1_000..longest * 8_000).contains(&pcm.len()), "{language:?} {clip}: {} samples", pcm.len());
                assert!((7_000..31_000).contains(&loudest), "{language:?} {clip} peaks at {loudest}");
            }
        }
    }
}
