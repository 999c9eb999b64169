//! What the service has of a call, over its control socket.

use super::PlaceError;
use crate::api::{Answer, Request};
use crate::base::{CallId, Wall};
use crate::ledger::{CallRecord, RecordingRecord};
use crate::service::control::ask;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

/// How long rows may take to be there after the call.
const HANDED_OVER: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A call that is over, with its files.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub record: CallRecord,
    pub recordings: Vec<RecordingRecord>,
    pub folder: PathBuf,
}

async fn answer(socket: &Path, request: &Request) -> Result<Answer, PlaceError> {
    let answered = ask(socket, request).await;
    answered.map_err(|error| PlaceError::Control { socket: socket.display().to_string(), error })
}

/// The call between two addresses that is up and began last, not before `since`.
pub(super) async fn find(
    socket: &Path,
    [caller, callee]: [&str; 2],
    since: Wall,
) -> Result<Option<CallId>, PlaceError> {
    let Answer::Calls { calls } = answer(socket, &Request::CallList).await? else { return Ok(None) };
    let records = calls.into_iter().map(|view| view.record);
    let ours = records.filter(|r| r.caller.address == caller && r.callee.address == callee && r.started >= since);
    Ok(ours.max_by_key(|record| record.started).map(|record| record.id))
}

/// What is stored of a call, as soon as it has ended and its recording is handed over.
pub async fn fetch(socket: &Path, call: CallId) -> Result<Fetched, PlaceError> {
    let folder = match answer(socket, &Request::Status).await? {
        Answer::Status { status } => PathBuf::from(status.recordings_folder),
        other => return Err(PlaceError::Service(format!("{other:?}"))),
    };
    let mut waited = Duration::ZERO;
    loop {
        let answered = answer(socket, &Request::CallShow { call }).await?;
        if let Answer::Call { up: None, record, recordings } = answered {
            let expected = record.decision.record && record.answered.is_some();
            let complete = record.ended.is_some() && (!recordings.is_empty() || !expected);
            if complete || waited >= HANDED_OVER {
                return Ok(Fetched { record: *record, recordings, folder });
            }
        } else if waited >= HANDED_OVER {
            return Err(PlaceError::Service(format!("call {call} has not ended")));
        }
        sleep(LOOK_AGAIN).await;
        waited += LOOK_AGAIN;
    }
}
