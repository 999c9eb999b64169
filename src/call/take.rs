//! What one party alone says: the orders of call control, and what it learns of them.

use crate::audio::prompt::Pcm;
use crate::base::{CompanyId, MessageId, Rate, Side, Span};
use crate::ledger::{Keep, TakeId};

/// What a call tells of a take. Several may follow each other in a call, each under a name of its own.
#[derive(Debug)]
pub enum TakeOrder {
    /// What the party of `side` says is recorded from now on: it alone, without its keys and without
    /// anything that is played to it. One take of a party at a time.
    Begin {
        take: TakeId,
        side: Side,
        keep: Box<Keep>,
        setting: Box<TakeSetting>,
    },
    /// It ends here. So much is taken off its end, and where that is not nothing, the silence before it
    /// too; a key that is down at the end is always taken off.
    End {
        take: TakeId,
        cut: Span,
    },
    /// What becomes of a take that has ended. Where nothing was said when the call is over, a message is
    /// kept as it began and everything else thrown away.
    Keep {
        take: TakeId,
        keep: Box<Keep>,
    },
    Discard {
        take: TakeId,
    },
}

/// How a take is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeSetting {
    pub company: CompanyId,
    /// The company's folder below that of the recordings.
    pub company_key: String,
    /// What the party's codec carries ([`crate::audio::Coding::bandwidth`]); more than 16 kHz is not kept.
    pub rate: Rate,
    /// [`TakeFact::Silent`] is told when nobody has spoken for so long; `None`: never.
    pub silence: Option<Span>,
    /// [`TakeFact::Closed`] brings the samples along, for the party to hear.
    pub review: bool,
}

/// What call control learns of a take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeFact {
    /// Nobody has spoken for as long as the setting says; told again when somebody has spoken since.
    Silent,
    /// It has ended. `pcm`: 8 kHz, empty where no review was asked for or its file cannot be read.
    Closed { length: Span, pcm: Pcm },
    /// It is on the disk and no crash takes it away any more. `None`: it was shorter than its minimum and
    /// is gone, or it is a greeting.
    Kept { message: Option<MessageId> },
    /// It could not be recorded, or not to its end, or not be kept; what was written of a message by then
    /// is kept like any.
    Failed { problem: String },
}
