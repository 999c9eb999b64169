//! Registered devices outlive the process: written as they change, many at a time, and taken back
//! at the start, so that a call reaches a phone that does not know of the restart.
//!
//! ```text
//! Core ─(devices of the users that changed)─► keep ─► database ─► restore ─► Switch
//! ```
//! Call control never waits: while a batch is written, later changes gather in the registrar, one
//! entry per user whatever happens. What the death of the process can cost is what changed since
//! the last batch: well under a second.

use super::clock::Clock;
use crate::base::{Span, Time, UserId, Wall};
use crate::call::Switch;
use crate::directory;
use crate::registrar::Binding;
use crate::sip::uri::Uri;
use crate::sip::{Peer, Transport};
use crate::store::{Store, StoreError, StoredBinding};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// Users with all devices that they have now.
pub type Changed = Vec<(UserId, Vec<Binding>)>;

/// Between two transactions, so that a thousand phones that refresh at once cost a few.
const PAUSE: Duration = Duration::from_millis(250);
/// Before a batch that the database did not take is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What the columns of the table do not say.
#[derive(Serialize, Deserialize)]
struct Detail {
    call_id: String,
    cseq: u32,
    /// As the device calls itself.
    agent: String,
    /// The listener that it registered at.
    local: SocketAddr,
}

/// Writes what comes, until the sender has gone.
pub async fn keep(store: Store, clock: Clock, mut queue: mpsc::Receiver<Changed>) {
    while let Some(changed) = queue.recv().await {
        let rows: Vec<(UserId, Vec<StoredBinding>)> = changed
            .into_iter()
            .map(|(user, devices)| (user, devices.iter().filter_map(|device| stored(user, device, clock)).collect()))
            .collect();
        while let Err(error) = store.save_bindings(&rows).await {
            tracing::error!(%error, users = rows.len(), "registrations could not be written");
            if queue.is_closed() {
                // The service ends: phones register anew, as they would after a loss of power.
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
        if !queue.is_closed() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Gives the switch the devices of the last run that have not expired.
pub async fn restore(store: &Store, switch: &mut Switch, clock: Clock) -> Result<(), StoreError> {
    let (now, wall) = (clock.now(), clock.wall());
    let rows = store.load_bindings(wall).await?;
    let known = rows.len();
    let restored = rows
        .into_iter()
        .filter_map(|row| restored(&row, now, wall).map(|binding| (row.user, binding)))
        .filter(|(user, binding)| switch.restore_binding(*user, binding.clone(), now))
        .count();
    tracing::info!(restored, left_out = known - restored, "registrations of the last run");
    Ok(())
}

fn stored(user: UserId, binding: &Binding, clock: Clock) -> Option<StoredBinding> {
    let Binding { contact, instance, call_id, cseq, expires, flow, agent } = binding;
    let transport = match flow.transport {
        Transport::Udp => directory::Transport::Udp,
        // What lives on a connection is not kept.
        Transport::Tcp | Transport::Tls => return None,
    };
    let detail = Detail { call_id: call_id.clone(), cseq: *cseq, agent: agent.clone(), local: flow.local };
    Some(StoredBinding {
        user,
        contact: contact.to_string(),
        instance: instance.clone(),
        expires: clock.wall_of(*expires),
        source: flow.remote,
        transport,
        detail: serde_json::to_string(&detail).ok()?,
    })
}

/// `None`, with a word in the log, for a row that this version cannot read: the phone registers anew.
fn restored(row: &StoredBinding, now: Time, wall: Wall) -> Option<Binding> {
    let StoredBinding { user, contact, instance, expires, source, transport, detail } = row;
    let (Ok(contact), Ok(detail)) = (Uri::parse(contact), serde_json::from_str::<Detail>(detail)) else {
        tracing::warn!(user = user.0, "a kept registration cannot be read");
        return None;
    };
    let transport = match transport {
        directory::Transport::Udp => Transport::Udp,
        directory::Transport::Tcp => Transport::Tcp,
        directory::Transport::Tls => Transport::Tls,
    };
    let left = expires.unix_micros().saturating_sub(wall.unix_micros());
    Some(Binding {
        contact,
        instance: instance.clone(),
        call_id: detail.call_id,
        cseq: detail.cseq,
        expires: now + Span(u64::try_from(left).unwrap_or(0)),
        flow: Peer { transport, local: detail.local, remote: *source, connection: None },
        agent: detail.agent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_comes_back_as_it_was_kept() {
        let clock = Clock::start();
        let binding = Binding {
            contact: Uri::parse("sip:alice@192.168.1.9:5070;ob;transport=udp").unwrap(),
            instance: Some("<urn:uuid:00000000-0000-1000-8000-000A95A0E128>".to_owned()),
            call_id: "a84b4c76e66710".to_owned(),
            cseq: 4_711,
            expires: clock.now() + Span::from_secs(600),
            flow: Peer {
                transport: Transport::Udp,
                local: "192.0.2.1:5060".parse().unwrap(),
                remote: "203.0.113.7:40123".parse().unwrap(),
                connection: None,
            },
            agent: "a \"quoted\" phone".to_owned(),
        };
        let row = stored(UserId(7), &binding, clock).unwrap();
        let back = restored(&row, clock.now(), clock.wall()).unwrap();
        // Some time has passed between the two looks at the clocks.
        assert!(binding.expires.since(back.expires) + back.expires.since(binding.expires) < Span::from_secs(5));
        assert_eq!(Binding { expires: binding.expires, ..back }, binding);
    }

    #[test]
    fn what_lives_on_a_connection_is_not_kept_and_what_cannot_be_read_is_left_out() {
        let clock = Clock::start();
        let flow = Peer {
            transport: Transport::Tcp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "203.0.113.7:40123".parse().unwrap(),
            connection: None,
        };
        let binding = Binding {
            contact: Uri::parse("sip:alice@192.168.1.9:5070").unwrap(),
            instance: None,
            call_id: "a".to_owned(),
            cseq: 1,
            expires: clock.now() + Span::from_secs(600),
            flow,
            agent: String::new(),
        };
        assert_eq!(stored(UserId(7), &binding, clock), None);
        let udp = Binding { flow: Peer { transport: Transport::Udp, ..flow }, ..binding };
        let row = stored(UserId(7), &udp, clock).unwrap();
        let unreadable = StoredBinding { detail: "{}".to_owned(), ..row.clone() };
        assert_eq!(restored(&unreadable, clock.now(), clock.wall()), None);
        assert!(restored(&row, clock.now(), clock.wall()).is_some());
    }
}
