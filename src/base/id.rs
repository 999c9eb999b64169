//! Ids: a type each, so that a number is never handed over as a user.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

row_id!(
    /// A tenant: its row in the database.
    CompanyId
);
row_id!(
    /// A person with an extension.
    UserId
);
row_id!(
    /// An E.164 number, once in the whole service.
    NumberId
);
row_id!(
    /// Users that are rung together.
    GroupId
);
row_id!(
    /// A labelled collection of numbers and users.
    InboxId
);
row_id!(
    /// A call flow.
    FlowId
);
row_id!(
    /// An operator or a reseller.
    StaffId
);
row_id!(
    /// A SIP peer that carries calls to and from the outside.
    TrunkId
);
row_id!(
    /// A voicemail box.
    BoxId
);
row_id!(
    /// All that was written between one of the company's numbers and one outside number.
    ConversationId
);

macro_rules! time_ordered_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// An id that sorts by `wall` (UUID version 7, RFC 9562 §5.7).
            pub fn new(wall: super::Wall, random: [u8; 10]) -> Self {
                let millis = u64::try_from(wall.unix_micros() / 1000).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// The millisecond that it was made in.
            pub fn begun(self) -> super::Wall {
                let millis = i64::try_from(self.0.as_u128() >> 80).unwrap_or(0);
                super::Wall::from_unix_micros(millis.saturating_mul(1_000))
            }

            /// The smallest id of that millisecond.
            pub fn first_of(wall: super::Wall) -> Self {
                Self::new(wall, [0; 10])
            }

            /// The largest id of that millisecond.
            pub fn last_of(wall: super::Wall) -> Self {
                Self::new(wall, [0xff; 10])
            }

            /// The next larger id.
            pub fn next(self) -> Self {
                Self(uuid::Uuid::from_u128(self.0.as_u128().saturating_add(1)))
            }

            /// The id that `text` spells, with or without hyphens.
            pub fn parse(text: &str) -> Option<Self> {
                uuid::Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }
    };
}

time_ordered_id!(
    /// One conversation.
    CallId
);
time_ordered_id!(
    /// One recording of a call.
    RecordingId
);
time_ordered_id!(
    /// One message in a voicemail box.
    MessageId
);
time_ordered_id!(
    /// One text message.
    TextId
);

/// One leg of a call while it is up: unique in this run of the service only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
