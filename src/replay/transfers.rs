//! Transfers between the parties of a capture: which INVITE obeys which REFER. Pure.
//!
//! ```text
//! A ◄─► B   B: REFER to C ─► A: INVITE to C (a dialog of its own) ─ 200 ─► A ◄─► C: the call goes on
//! ```
//! The dialog with C is none of its own call but the successor of the one between A and B: its
//! callee takes the transferor's place, and its caller stays who it is.

use super::calls::CallKey;
use super::dialog::Agreed;
use super::policy::Asked;
use crate::base::Side;
use crate::ledger::JoinedBy;
use crate::sip::message::Request;
use crate::sip::refer::{Refer, Replaces};
use std::net::IpAddr;

/// REFERs that wait for their INVITE; of more than so many the oldest is forgotten.
const MOST: usize = 256;

/// A REFER that nobody has obeyed yet.
#[derive(Clone, Debug)]
struct Referral {
    call: CallKey,
    /// The transferor's.
    side: Side,
    refer: Refer,
    /// Where the transferee's signalling comes from.
    transferee: Option<IpAddr>,
}

/// What the dialog of a transfer is to a call.
#[derive(Clone, Debug)]
pub(super) struct Successor {
    pub call: CallKey,
    /// In the call: its callee's, who takes the place there.
    pub side: Side,
    pub how: JoinedBy,
    pub asked: Asked,
    /// The consultation that it takes the place of, and whose leg there goes on here.
    pub from: Option<(CallKey, Side)>,
    pub answered: bool,
    pub agreed: Option<Agreed>,
    pub joined: bool,
}

impl Successor {
    /// The side in the call of a side of this dialog.
    pub const fn side(&self, own: Side) -> Side {
        match own {
            Side::Caller => self.side.other(),
            Side::Callee => self.side,
        }
    }

    /// The same of what holds for both sides.
    pub fn sides<T>(&self, own: [T; 2]) -> [T; 2] {
        let [caller, callee] = own;
        match self.side {
            Side::Callee => [caller, callee],
            Side::Caller => [callee, caller],
        }
    }

    pub fn agreement(&self, agreed: Agreed) -> Agreed {
        let Agreed { offerer, said } = agreed;
        Agreed { offerer: self.side(offerer), said: self.sides(said) }
    }
}

/// The REFERs of a capture.
#[derive(Debug, Default)]
pub(super) struct Referrals(Vec<Referral>);

impl Referrals {
    /// `side` of a call asks the other one, whose signalling comes from `transferee`.
    pub fn add(&mut self, call: CallKey, side: Side, refer: Refer, transferee: Option<IpAddr>) {
        self.0.retain(|known| known.call != call);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Referral { call, side, refer, transferee });
    }

    pub fn forget(&mut self, call: CallKey) {
        self.0.retain(|known| known.call != call);
    }

    /// The REFER that an INVITE obeys: the call, the transferor's side, how, and what it replaces.
    pub fn take(&mut self, invite: &Request, source: IpAddr) -> Option<(CallKey, Side, JoinedBy, Option<Replaces>)> {
        let replaces = Replaces::of_request(invite).ok()?;
        let obeys = |known: &Referral| {
            let Referral { call: _, side: _, refer, transferee } = known;
            let named = |replaces: &Replaces| replaces.call_id.clone();
            refer.replaces.as_ref().map(named) == replaces.as_ref().map(named)
                && transferee.is_none_or(|ip| ip == source)
                && refer.to.user_unescaped() == invite.uri.user_unescaped()
        };
        let at = self.0.iter().rposition(obeys)?;
        let Referral { call, side, .. } = self.0.remove(at);
        let how = if replaces.is_some() { JoinedBy::AttendedTransfer } else { JoinedBy::BlindTransfer };
        Some((call, side, how, replaces))
    }
}
