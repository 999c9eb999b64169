//! Brings texts to carriers.
//!
//! What has to go out is a row, part by part; so a restart goes on where the last process stood. Of
//! one conversation the later part waits for the earlier; others go on. A carrier that died over its
//! answer gets the same again, under the same id.

use super::office::Office;
use crate::base::{CompanyId, Span};
use crate::directory::{Company, Directory, TextsBy, Trunk};
use crate::notify::{Postman, World, signature, timestamp};
use crate::store::{SendOutcome, SendRow, SendState, Store, StoreError};
use serde_json::json;
use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Parts that are under way at a time.
const OF_ALL: usize = 32;
/// The first pause between two attempts; each is twice the one before.
const FIRST_PAUSE: Span = Span::from_secs(1);
const LONGEST_PAUSE: Span = Span::from_secs(3_600);
/// The longest sleep: what other processes have queued waits so long.
const IDLE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);

/// A MESSAGE that is to go out through a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipText {
    pub trunk: crate::base::TrunkId,
    /// E.164, or a service number.
    pub called: String,
    /// The company's number, E.164.
    pub caller: String,
    pub body: String,
    /// The same for each attempt.
    pub call_id: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipAnswer {
    /// 408 where nothing came.
    pub status: u16,
    pub reason: String,
}

/// Where SIP goes out.
pub trait Outlet: Send + Sync {
    fn send(&self, text: SipText) -> Pin<Box<dyn Future<Output = SipAnswer> + Send + '_>>;
}

/// The one who sends.
pub struct Sender {
    store: Store,
    postman: Arc<Postman>,
    outlet: Arc<dyn Outlet>,
    world: Box<dyn World>,
    under_way: HashSet<i64>,
    attempts: JoinSet<(SendRow, Tried)>,
    directory: Arc<Directory>,
    office: Office,
}

/// What came of a part: at the trunk that took it, or why none did.
type Tried = Result<(crate::base::TrunkId, SendState), Problem>;

/// Why no trunk took it.
struct Problem {
    told: String,
    /// It may be taken later.
    again: bool,
}

impl Sender {
    pub fn new(store: Store, postman: Postman, outlet: Arc<dyn Outlet>, world: Box<dyn World>) -> Self {
        Sender {
            office: Office::new(store.clone()),
            store,
            postman: Arc::new(postman),
            outlet,
            world,
            under_way: HashSet::new(),
            attempts: JoinSet::new(),
            directory: Arc::default(),
        }
    }

    /// Sends until it is stopped. `woken` says that there may be something new.
    pub async fn run(mut self, mut woken: tokio::sync::watch::Receiver<u64>) {
        loop {
            woken.borrow_and_update();
            if let Err(error) = self.turn().await {
                tracing::error!(%error, "text messages could not be sent; it is tried again");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let wait = self.wait().await;
            tokio::select! {
                changed = woken.changed() => if changed.is_err() { return },
                Some(done) = self.attempts.join_next() => {
                    if let Ok((row, tried)) = done
                        && let Err(error) = self.note(&row, tried).await
                    {
                        // It stays pending, and goes out again.
                        tracing::error!(%error, "what came of a text message could not be written");
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn turn(&mut self) -> Result<(), StoreError> {
        if self.directory.version() != self.store.directory_version().await? {
            self.directory = Arc::new(self.store.load_directory().await?);
        }
        let now = self.world.wall();
        self.office.gather_late_parts(&self.directory, now, &mut *self.world.random()).await?;
        let room = OF_ALL.saturating_sub(self.under_way.len());
        if room == 0 {
            return Ok(());
        }
        let under_way: Vec<i64> = self.under_way.iter().copied().collect();
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        for row in self.store.due_sends(&under_way, now, limit).await? {
            self.under_way.insert(row.id);
            let (directory, postman) = (Arc::clone(&self.directory), Arc::clone(&self.postman));
            let (outlet, stamp) = (Arc::clone(&self.outlet), timestamp(now));
            self.attempts.spawn(async move {
                let tried = attempt(&directory, &postman, &*outlet, &stamp, &row).await;
                (row, tried)
            });
        }
        Ok(())
    }

    async fn note(&mut self, row: &SendRow, tried: Tried) -> Result<(), StoreError> {
        self.under_way.remove(&row.id);
        let at = self.world.wall();
        let outcome = match tried {
            Ok((trunk, state)) => SendOutcome { at, trunk: Some(trunk), state, problem: String::new() },
            Err(Problem { told, again }) => {
                let dice = u64::from(self.world.random().u32());
                let state = match again && at < row.ends {
                    true => SendState::Pending { next: at.plus(pause(row.attempts, dice)).min(row.ends) },
                    false => SendState::Failed,
                };
                tracing::warn!(company = %row.company, text = %row.text, attempts = row.attempts + 1, problem = told, "a text message was not taken");
                SendOutcome { at, trunk: None, state, problem: told }
            }
        };
        self.store.note_send(row, &outcome).await
    }

    async fn wait(&self) -> Duration {
        let now = self.world.wall();
        let next = self.store.next_send_at(now).await.ok().flatten();
        let until = next.map(|at| u64::try_from(at.unix_micros() - now.unix_micros()).unwrap_or(0));
        until.map_or(IDLE, Duration::from_micros).min(IDLE)
    }
}

/// Trunk after trunk, until one takes it or says that it never will.
async fn attempt(directory: &Directory, postman: &Postman, outlet: &dyn Outlet, stamp: &str, row: &SendRow) -> Tried {
    let mut problem = Problem { told: "no trunk of the company carries text messages".to_owned(), again: true };
    let Some((company, caller)) = whose(directory, row.company, row) else {
        return Err(Problem { told: "the number that it was written as has gone".to_owned(), again: false });
    };
    for trunk in directory.trunks_of(row.company) {
        let tried = match trunk.settings.texts {
            TextsBy::None => continue,
            TextsBy::Sip => over_sip(outlet, trunk, &caller, row).await,
            TextsBy::Http => over_http(postman, company, trunk, &caller, stamp, row).await,
        };
        match tried {
            Ok(state) => return Ok((trunk.id, state)),
            Err(found) if !found.again => return Err(found),
            Err(found) => problem = found,
        }
    }
    Err(problem)
}

fn whose<'d>(directory: &'d Directory, company: CompanyId, row: &SendRow) -> Option<(&'d Company, String)> {
    let number = directory.number(row.number).filter(|number| number.company == company)?;
    Some((directory.company(company)?, number.e164.clone()))
}

async fn over_sip(outlet: &dyn Outlet, trunk: &Trunk, caller: &str, row: &SendRow) -> Result<SendState, Problem> {
    let text = SipText {
        trunk: trunk.id,
        called: row.contact.clone(),
        caller: caller.to_owned(),
        body: row.body.clone(),
        call_id: format!("{}-{}", row.text, row.part),
    };
    let SipAnswer { status, reason } = outlet.send(text).await;
    match status {
        // The other side has it (RFC 3428 §4); of any other 2xx somebody who will bring it on.
        200 => Ok(SendState::Delivered),
        201..=299 => Ok(SendState::Sent),
        _ => {
            let told = format!("the carrier {} answered {status} {reason}", trunk.name);
            Err(Problem { told, again: is_passing(status) })
        }
    }
}

/// Another trunk or another time may do better.
const fn is_passing(status: u16) -> bool {
    matches!(status, 401 | 407 | 408 | 480 | 429 | 486 | 500..=599)
}

async fn over_http(
    postman: &Postman,
    company: &Company,
    trunk: &Trunk,
    caller: &str,
    stamp: &str,
    row: &SendRow,
) -> Result<SendState, Problem> {
    let mut body = json!({
        "id": row.text,
        "from": caller,
        "to": row.contact,
        "text": row.body,
        "company": company.key,
        "trunk": trunk.name,
    });
    if row.parts > 1
        && let Some(fields) = body.as_object_mut()
    {
        let part = json!({ "reference": row.reference.to_string(), "part": row.part, "parts": row.parts });
        fields.insert("concatenation".to_owned(), part);
    }
    let body = body.to_string();
    let secret = trunk.texts_secret.as_ref().map_or("", |secret| secret.reveal());
    let (signed, id) = (signature(secret, stamp, &body), format!("{}-{}", row.text, row.part));
    let headers = [
        ("Telegraphone-Text-Id", id.as_str()),
        ("Telegraphone-Timestamp", stamp),
        ("Telegraphone-Signature", signed.as_str()),
    ];
    match postman.post(&trunk.settings.texts_url, &headers, &body).await {
        Ok(200..=299) => Ok(SendState::Sent),
        Ok(status) => {
            let again = matches!(status, 401 | 403 | 404 | 408 | 425 | 429 | 500..=599);
            Err(Problem { told: format!("the carrier {} answered {status}", trunk.name), again })
        }
        Err(error) => Err(Problem { told: format!("the carrier {}: {error}", trunk.name), again: true }),
    }
}

/// Between attempt `attempts` (from 0) and the next: twice as long each time, and by chance between half
/// of that and all.
fn pause(attempts: u32, dice: u64) -> Span {
    let whole = FIRST_PAUSE.times(1 << attempts.min(20)).0.min(LONGEST_PAUSE.0);
    Span(whole / 2 + (whole / 2).saturating_mul(dice & 0xffff) / 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_the_other_side_refuses_is_not() {
        for (status, again) in
            [(408, true), (480, true), (503, true), (401, true), (403, false), (404, false), (606, false)]
        {
            assert_eq!(is_passing(status), again, "{status}");
        }
        assert_eq!((pause(0, 0).as_millis(), pause(0, 0xffff).as_millis()), (500, 1_000));
        assert_eq!(pause(40, 0xffff).as_millis(), 3_600_000);
    }
}
