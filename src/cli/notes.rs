//! Notes on calls, for the operator. They are written into the database, whose events the running service tells.

use super::access::Desk;
use crate::api::{MOST_NOTES, note_text};
use crate::base::CallId;
use crate::service::clock::Clock;
use crate::service::config::Config;
use crate::store::{Noted, Writer};
use anyhow::{anyhow, bail};

const OPERATOR: &str = "operator";

pub async fn add(config: &Config, call: CallId, text: &str) -> anyhow::Result<()> {
    let text = note_text(text).map_err(|problem| anyhow!("{problem}"))?;
    let desk = Desk::open(config).await?;
    let not_found = || anyhow!("not found: no call has the id {call}");
    let company = desk.store.call(call).await?.ok_or_else(not_found)?.company;
    let company = desk.directory.company(company).ok_or_else(not_found)?;
    let writer = Writer { user: None, extension: None, name: OPERATOR.to_owned() };
    match desk.store.add_call_note(call, (&writer, text), Clock::start().wall(), MOST_NOTES).await? {
        Noted::Done(note) => {
            desk.note(company, "call.note", format!("note {} of call {call}", note.id)).await?;
            say!("Note {} is written.", note.id)?;
        }
        Noted::NoCall => return Err(not_found()),
        Noted::Full => bail!("the call has {MOST_NOTES} notes, as many as it may have: delete some over the API"),
    }
    desk.store.close().await;
    Ok(())
}
