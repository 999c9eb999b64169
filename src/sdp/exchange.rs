//! One leg's offers and answers in order (RFC 3264 §4, RFC 6337).

use super::crypto::{Encryption, Security};
use super::description::{Codec, Description, MediaLine};
use super::error::SdpError;
use super::negotiate::{Local, Negotiated, answer, conclude};
use super::parse::parse;
use super::print::{Layout, print};
use bytes::Bytes;

/// Whose offer waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    None,
    Ours,
    Theirs,
}

/// The exchange of one leg. An offer that fails leaves what was agreed before it.
///
/// ```text
/// Idle ──offer──────────► OfferSent ─────receive_answer, roll_back─► Idle
///   └────receive_offer──► OfferReceived ─answer, roll_back─────────► Idle
/// ```
#[derive(Clone, Debug)]
pub struct OfferAnswer {
    state: State,
    session_id: u64,
    /// The body that we sent last, and the version in it.
    said: Option<(Bytes, u64)>,
    agreed: Option<Agreed>,
    /// All media lines so far: a later offer may not have fewer (RFC 3264 §8).
    media: Vec<MediaLine>,
    audio_index: usize,
    security: Security,
}

#[derive(Clone, Debug)]
enum State {
    Idle,
    OfferSent { ours: Local },
    OfferReceived { theirs: Description },
}

#[derive(Clone, Debug)]
struct Agreed {
    local: Local,
    negotiated: Negotiated,
}

impl OfferAnswer {
    /// `session_id` is random and stays in every `o=` of the leg; it wants to fit 63 bits.
    pub fn new(session_id: u64) -> Self {
        OfferAnswer {
            state: State::Idle,
            session_id,
            said: None,
            agreed: None,
            media: Vec::new(),
            audio_index: 0,
            security: Security::default(),
        }
    }

    /// The exchange of a leg that may be encrypted.
    #[must_use]
    pub fn secured(self, security: Security) -> Self {
        OfferAnswer { security, ..self }
    }

    pub fn security(&self) -> &Security {
        &self.security
    }

    pub fn pending(&self) -> Pending {
        match self.state {
            State::Idle => Pending::None,
            State::OfferSent { .. } => Pending::Ours,
            State::OfferReceived { .. } => Pending::Theirs,
        }
    }

    /// What holds now: the last exchange that succeeded.
    pub fn agreed(&self) -> Option<&Negotiated> {
        self.agreed.as_ref().map(|agreed| &agreed.negotiated)
    }

    /// What we wished for in the last exchange that succeeded.
    pub fn local(&self) -> Option<&Local> {
        self.agreed.as_ref().map(|agreed| &agreed.local)
    }

    /// The far side's offer, while it waits for our answer.
    pub fn open_offer(&self) -> Option<&Description> {
        match &self.state {
            State::OfferReceived { theirs } => Some(theirs),
            State::Idle | State::OfferSent { .. } => None,
        }
    }

    /// What we wish for in our offer, while it waits for its answer.
    pub fn open_wish(&self) -> Option<&Local> {
        match &self.state {
            State::OfferSent { ours } => Some(ours),
            State::Idle | State::OfferReceived { .. } => None,
        }
    }

    /// The body that we sent last, to say it again (in a 200 after a 183).
    pub fn said(&self) -> Option<&Bytes> {
        self.said.as_ref().map(|(body, _)| body)
    }

    /// Our offer. Session id and version of `local` are filled in here.
    ///
    /// # Errors
    /// While another offer is unanswered.
    pub fn offer(&mut self, local: Local) -> Result<Bytes, SdpError> {
        self.must_be_idle()?;
        let before = self.agreed().map(|agreed| agreed.keys.as_ref());
        let security = self.security.for_offer(before);
        let proto = match (before, self.media.get(self.audio_index)) {
            (Some(Some(_)), Some(line)) => line.proto.clone(),
            _ if security.offers() => "RTP/SAVP".to_owned(),
            _ => "RTP/AVP".to_owned(),
        };
        let (body, (ours, ())) = self.say(Local { security, ..local }, |local, this| {
            let (media, crypto) = (&this.media, &local.security.lines());
            let wide_events = local.wide_events();
            let layout = Layout { media, audio_index: this.audio_index, proto: &proto, crypto, wide_events };
            Ok((print(local, &layout), ()))
        })?;
        self.state = State::OfferSent { ours };
        Ok(body)
    }

    /// Reads the far side's offer; it waits for [`answer`](Self::answer) or [`roll_back`](Self::roll_back).
    ///
    /// # Errors
    /// When it cannot be read, or another offer is unanswered: status 491 if it is ours, 500 if theirs.
    pub fn receive_offer(&mut self, body: &[u8]) -> Result<Description, SdpError> {
        self.must_be_idle()?;
        let theirs = parse(body)?;
        self.state = State::OfferReceived { theirs: theirs.clone() };
        Ok(theirs)
    }

    /// Our answer to the open offer. After an error the offer is still open: roll it back.
    ///
    /// # Errors
    /// When no offer is open, or it has nothing that we can accept.
    pub fn answer(&mut self, local: Local, preferred: Option<&Codec>) -> Result<(Bytes, Negotiated), SdpError> {
        let theirs = self.open_offer().ok_or(SdpError::UnexpectedAnswer)?.clone();
        let local = Local { security: self.security.clone(), ..local };
        let (body, (local, negotiated)) = self.say(local, |local, _| answer(&theirs, local, preferred))?;
        self.media = theirs.media;
        self.audio_index = theirs.audio_index;
        self.agreed = Some(Agreed { local, negotiated: negotiated.clone() });
        self.state = State::Idle;
        Ok((body, negotiated))
    }

    /// What an answer in an unreliable provisional response comes to. The exchange stays
    /// open: the final response brings the answer that counts (RFC 3261 §13.2.1).
    ///
    /// # Errors
    /// As [`receive_answer`](Self::receive_answer).
    pub fn preview_answer(&self, body: &[u8]) -> Result<Negotiated, SdpError> {
        match &self.state {
            State::OfferSent { ours } => conclude(ours, &parse(body)?),
            State::Idle | State::OfferReceived { .. } => Err(SdpError::UnexpectedAnswer),
        }
    }

    /// The far side's answer to our offer. After an error our offer is still open: roll it back.
    ///
    /// # Errors
    /// When we have no offer open, or the answer cannot be read or used.
    pub fn receive_answer(&mut self, body: &[u8]) -> Result<Negotiated, SdpError> {
        let State::OfferSent { ours } = &self.state else {
            return Err(SdpError::UnexpectedAnswer);
        };
        let theirs = parse(body)?;
        let mut negotiated = conclude(ours, &theirs)?;
        // A side that holds goes on holding where our offer repeats that we do not send.
        let receives = theirs.audio.as_ref().is_some_and(|audio| audio.flow.receives());
        negotiated.held |= !receives && self.agreed().is_some_and(|before| before.held);
        self.agreed = Some(Agreed { local: ours.clone(), negotiated: negotiated.clone() });
        self.media = theirs.media;
        self.audio_index = theirs.audio_index;
        self.state = State::Idle;
        Ok(negotiated)
    }

    /// Our first offer was refused: another one to make instead, as safe as that. `None` where
    /// there was none.
    pub fn offer_instead(&mut self, local: Local) -> Option<Bytes> {
        let State::OfferSent { .. } = &self.state else { return None };
        if self.agreed.is_some() {
            return None;
        }
        self.state = State::Idle;
        self.offer(local).ok()
    }

    /// Our first offer was encrypted and refused: the plain one to make instead. `None` where
    /// encryption is required, or the offer was no such one.
    pub fn offer_plainly(&mut self) -> Option<Bytes> {
        let ours = self.open_wish()?.clone();
        if !ours.security.offers() || ours.security.is_required() || self.agreed.is_some() {
            return None;
        }
        self.security.set(Encryption::Accepted);
        self.offer_instead(ours)
    }

    /// The open offer failed, on whichever side: what was agreed before holds (RFC 3261 §14.1).
    pub fn roll_back(&mut self) -> Option<&Negotiated> {
        self.state = State::Idle;
        self.agreed()
    }

    fn must_be_idle(&self) -> Result<(), SdpError> {
        match self.pending() {
            Pending::None => Ok(()),
            Pending::Ours => Err(SdpError::OurOfferPending),
            Pending::Theirs => Err(SdpError::TheirOfferPending),
        }
    }

    /// Prints with the version of the last body, and once more with the next one if it differs.
    fn say<T>(
        &mut self,
        mut local: Local,
        print: impl Fn(&Local, &Self) -> Result<(Bytes, T), SdpError>,
    ) -> Result<(Bytes, (Local, T)), SdpError> {
        local.session_id = self.session_id;
        local.version = self.said.as_ref().map_or(1, |(_, version)| *version);
        let (mut body, mut extra) = print(&local, self)?;
        if self.said().is_some_and(|before| *before != body) {
            local.version = local.version.saturating_add(1);
            (body, extra) = print(&local, self)?;
        }
        self.said = Some((body.clone(), local.version));
        Ok((body, (local, extra)))
    }
}
