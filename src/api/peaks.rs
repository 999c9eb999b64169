//! The shape of a recording or message for the eye: how many points of it are asked for, and what they look like.

use super::Problem;
use crate::archive::Peaks;
use crate::base::{MessageId, RecordingId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Points of a channel at most: 1 to [`Peaks::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points(u32);

impl Points {
    /// All that there are.
    pub const ALL: Points = Points(Peaks::MOST);

    /// # Errors
    /// Where it is no such number; the value is named.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match text.parse() {
            Ok(points) if (1..=Peaks::MOST).contains(&points) => Ok(Points(points)),
            Ok(_) | Err(_) => {
                Err(Problem::Unfit(vec![format!("points: `{text}`: a number from 1 to {}", Peaks::MOST)]))
            }
        }
    }

    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The shape, as `wavesurfer.js` takes it (`peaks`, `duration`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShapeView {
    /// Samples per second.
    pub rate: u32,
    /// Samples of a channel.
    pub samples: u64,
    /// In s.
    pub duration: f64,
    /// Samples that each peak stands for; the last one may stand for fewer.
    pub samples_per_peak: u32,
    /// An array a channel (left and right, or both parties in one): the largest amount of each stretch,
    /// 0 for silence to 1 for full scale.
    pub peaks: Vec<Vec<f32>>,
}

impl From<&Peaks> for ShapeView {
    fn from(peaks: &Peaks) -> Self {
        let Peaks { rate, samples, samples_per_peak, channels } = peaks;
        // Three decimals are more than a byte tells.
        let part = |byte: &u8| (f32::from(*byte) / 255.0 * 1_000.0).round() / 1_000.0;
        ShapeView {
            rate: *rate,
            samples: *samples,
            duration: *samples as f64 / f64::from((*rate).max(1)),
            samples_per_peak: *samples_per_peak,
            peaks: channels.iter().map(|peaks| peaks.iter().map(part).collect()).collect(),
        }
    }
}

/// The shape of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeaksView {
    pub recording: RecordingId,
    #[serde(flatten)]
    pub shape: ShapeView,
}

/// The shape of a message: one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessagePeaksView {
    pub message: MessageId,
    #[serde(flatten)]
    pub shape: ShapeView,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_one_to_as_many_as_there_can_be_and_what_they_are_not_is_named() {
        for (text, points) in [("1", 1), ("2000", 2_000), ("20000", 20_000)] {
            assert_eq!(Points::parse(text).map(Points::get), Ok(points));
        }
        for text in ["0", "20001", "-1", "1.5", "", "many", "4294967296"] {
            let problem = Points::parse(text).unwrap_err();
            assert_eq!(problem.status(), 422, "{text}");
            assert_eq!(problem.to_string(), format!("points: `{text}`: a number from 1 to 20000"));
        }
    }
}
