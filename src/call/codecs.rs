//! Which codecs a call may use: the company's, and what can only be passed through.

use super::session::{Leg, Session};
use crate::audio::Coding;
use crate::base::{Rate, Side};
use crate::directory::{AudioCodec, OnRecordingFailure, Settings};
use crate::policy::{Facts, decide};
use crate::sdp::{
    Audio, Codec, Description, Events, Format, Local, SdpError, Security, answerable, offer_formats_from,
    offer_with_foreign,
};

/// The company's codecs, in its order; all that we have where it names none.
pub fn ours(settings: &Settings) -> Vec<Format> {
    let all = [AudioCodec::Pcmu, AudioCodec::Pcma, AudioCodec::G722, AudioCodec::Opus, AudioCodec::G729];
    let named = if settings.codecs.is_empty() { &all[..] } else { &settings.codecs };
    let mut formats: Vec<Format> = named.iter().filter_map(|codec| format_of(*codec)).collect();
    formats.push(Format::noise());
    formats
}

fn format_of(codec: AudioCodec) -> Option<Format> {
    match codec {
        AudioCodec::Opus => Some(Format::opus()),
        AudioCodec::G722 => Some(Format::g722()),
        AudioCodec::Pcmu => Some(Format::PCMU),
        AudioCodec::Pcma => Some(Format::PCMA),
        AudioCodec::G729 => Some(Format::g729()),
        AudioCodec::Other => None,
    }
}

/// Whether a codec that we lack may be passed through. Not where what cannot be recorded must not
/// be talked.
pub fn passes_foreign(settings: &Settings, facts: &Facts) -> bool {
    let named = settings.codecs.is_empty() || settings.codecs.contains(&AudioCodec::Other);
    named && !(settings.on_recording_failure == OnRecordingFailure::Refuse && decide(facts).record)
}

/// Whether an offer can be answered at all.
///
/// # Errors
/// As [`crate::sdp::answer`].
pub fn can_answer(
    offer: &Description,
    settings: &Settings,
    facts: &Facts,
    security: &Security,
) -> Result<(), SdpError> {
    let mut formats = ours(settings);
    if let Some(audio) = offer.audio.as_ref().filter(|_| passes_foreign(settings, facts)) {
        formats.extend(audio.formats.iter().filter(|format| !format.is_noise()).cloned());
    }
    answerable(offer, &formats, security)
}

/// What the called side is offered upon the caller's offer.
pub fn offer_upon(far: &Audio, settings: &Settings, facts: &Facts) -> (Vec<Format>, Option<Events>) {
    let ours = ours(settings);
    let (mut formats, events) = match passes_foreign(settings, facts) {
        true => offer_with_foreign(far, &ours),
        false => offer_formats_from(far, &ours),
    };
    in_the_companys_order(&mut formats, &ours, settings);
    (formats, events)
}

/// What a device is offered that took nothing of `said`: the company's other codecs behind it,
/// which are transcoded. `None` where there are none, or where the other party speaks only what
/// cannot be decoded.
pub fn offer_more(said: &Local, settings: &Settings) -> Option<Local> {
    let decoded = |format: &Format| !matches!(coding_of(&format.codec), Coding::Foreign { .. } | Coding::Noise);
    if !said.formats.iter().any(decoded) {
        return None;
    }
    let ours = ours(settings);
    let missing = ours.iter().filter(|our| !our.is_noise() && said.formats.iter().all(|it| it.codec != our.codec));
    let missing: Vec<Format> = missing.cloned().collect();
    let mut more = said.with_more(&missing);
    in_the_companys_order(&mut more.formats, &ours, settings);
    (!missing.is_empty()).then_some(more)
}

/// Where the company has an order of its own.
fn in_the_companys_order(formats: &mut [Format], ours: &[Format], settings: &Settings) {
    if !settings.codecs.is_empty() {
        let place = |format: &Format| ours.iter().position(|our| our.codec == format.codec);
        formats.sort_by_key(|format| place(format).unwrap_or(usize::MAX));
    }
}

/// What is offered where nobody has said anything yet: what every phone has, or the company's.
pub fn offer_unasked(settings: &Settings) -> Vec<Format> {
    match settings.codecs.is_empty() {
        true => vec![Format::PCMU, Format::PCMA],
        false => ours(settings).into_iter().filter(|format| !format.is_noise()).collect(),
    }
}

/// What is accepted on a leg while the other one speaks `other`: of what can only be passed
/// through, that alone.
pub fn accepted(settings: &Settings, other: &Codec) -> Vec<Format> {
    match coding_of(other) {
        Coding::Foreign { .. } => vec![Format { pt: 0, codec: other.clone(), fmtp: None }],
        Coding::G711(_) | Coding::G722 | Coding::Opus | Coding::G729 | Coding::Noise => ours(settings),
    }
}

/// What a leg that is up is offered: what was agreed with it and G.711, `other` first, which the
/// other leg speaks.
pub fn offer_again(leg: &Leg, settings: &Settings, other: &Codec) -> Vec<Format> {
    let mut formats: Vec<Format> = leg.media.as_ref().map(|media| media.receive.clone()).unwrap_or_default();
    if formats.is_empty() {
        formats = offer_unasked(settings);
    }
    let foreign = |format: &Format| matches!(coding_of(&format.codec), Coding::Foreign { .. });
    match foreign(&Format { pt: 0, codec: other.clone(), fmtp: None }) {
        true => formats.retain(|format| format.codec == *other),
        false => {
            formats.retain(|format| !foreign(format));
            let laws = [Format::PCMU, Format::PCMA];
            let allowed = ours(settings);
            let missing = laws.iter().filter(|law| allowed.iter().any(|our| our.codec == law.codec));
            let missing: Vec<Format> =
                missing.filter(|law| formats.iter().all(|format| format.codec != law.codec)).cloned().collect();
            formats.extend(missing);
        }
    }
    formats.sort_by_key(|format| (format.is_noise(), format.codec != *other));
    formats
}

/// The codec as the media path knows it.
pub fn coding_of(codec: &Codec) -> Coding {
    Coding::named(codec.name(), codec.clock(), codec.channels())
        .unwrap_or_else(|| Coding::Foreign { clock: codec.clock() })
}

impl Session {
    /// The rate of its recording: wide only where both legs are.
    pub fn rate(&self) -> Rate {
        let coding = |side| self.leg(side).media.as_ref().map_or(Coding::PCMU, |media| coding_of(&media.send.codec));
        Coding::rate_of_both(coding(Side::Caller), coding(Side::Callee))
    }

    /// Why the parties cannot be recorded, where they speak what we cannot decode.
    pub fn undecodable(&self) -> Option<String> {
        let media = self.callee.media.as_ref().or(self.caller.media.as_ref())?;
        let codec = &media.send.codec;
        matches!(coding_of(codec), Coding::Foreign { .. })
            .then(|| format!("the parties speak {codec}, which is passed through and cannot be decoded"))
    }
}
