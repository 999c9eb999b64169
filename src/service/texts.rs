//! Text messages between call control, the database and carriers.
//!
//! ```text
//! Core ─TextIn─► take: into the conversation ─► Order::TextTaken ─► the answer
//! written, or a device has registered ─► bring: what each device has missed ─► Order::SendText ─► Core
//! written ─► Sender: what has to go out ─► Order::SendText, or HTTP
//! ```

use super::clock::{Clock, OsRandom};
use super::core::Order;
use crate::base::{Random, TextId, UserId};
use crate::call::{TextDone, TextFrom, TextIn, TextOut, TextWay};
use crate::directory::Directory;
use crate::ledger::{Party, TextRecord};
use crate::registrar::Binding;
use crate::sip::Transport;
use crate::store::{ConversationRow, Store, StoreError};
use crate::subscription::{Holder, TextScope};
use crate::texts::{Arrived, NotTaken, Office, Outlet, SipAnswer, SipText, for_datagrams};
use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Texts that are read at once for a device.
const BATCH: u32 = 20;
/// Users whose devices are brought theirs at a time.
const AT_ONCE: usize = 64;
/// The longest sleep: what other processes have written waits so long.
const IDLE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);

/// Users of whom a device has registered since somebody looked.
#[derive(Debug, Default)]
pub struct Registered {
    users: Mutex<BTreeSet<UserId>>,
    any: Notify,
}

impl Registered {
    pub fn note(&self, user: UserId) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
        self.any.notify_one();
    }

    fn take(&self) -> BTreeSet<UserId> {
        std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One that waits for the store's word, and many that wait for this one's.
pub async fn wake(store: Store, woken: watch::Sender<u64>) {
    loop {
        store.texts_have_changed().await;
        woken.send_modify(|times| *times = times.wrapping_add(1));
    }
}

/// Stores what comes, one after another, and has it answered.
pub async fn take(store: Store, clock: Clock, orders: mpsc::Sender<Order>, mut queue: mpsc::Receiver<TextIn>) {
    let office = Office::new(store.clone());
    let mut directory: Arc<Directory> = Arc::default();
    while let Some(text) = queue.recv().await {
        let ticket = text.ticket;
        let (status, reason) = match taken(&store, &office, &mut directory, clock, text).await {
            Ok(status) => (status, String::new()),
            Err(NotTaken::Refused(refused)) => (refused.status(), refused.to_string()),
            Err(NotTaken::Store(error)) => {
                tracing::error!(%error, "a text message could not be stored; its sender is asked to come again");
                (503, "The text cannot be stored now".to_owned())
            }
        };
        if orders.send(Order::TextTaken { ticket, status, reason }).await.is_err() {
            return;
        }
    }
}

async fn taken(
    store: &Store,
    office: &Office,
    directory: &mut Arc<Directory>,
    clock: Clock,
    text: TextIn,
) -> Result<u16, NotTaken> {
    refresh(store, directory).await?;
    let TextIn { ticket: _, company, from, body, origin } = text;
    let (now, random) = (clock.wall(), &mut OsRandom as &mut (dyn Random + Send));
    match from {
        TextFrom::Trunk { trunk: _, number, sender } => {
            let Party { user: _, address: contact, name } = sender;
            let arrived = Arrived { number, contact, name, body, origin };
            let text = office.arrived(directory, arrived, now, random).await?.record();
            tracing::info!(%company, text = %text.id, "a text message has come");
            Ok(200)
        }
        TextFrom::User { user, dialled, said } => {
            let Some(user) = directory.user(user) else { return Ok(403) };
            let to = (dialled.as_str(), said.as_deref());
            let written = office.write(directory, user, to, body, Some(origin), now, random).await?;
            tracing::info!(%company, text = %written.text.id, "a user has written a text message");
            // A colleague has it; outside it is on its way (RFC 3428 §7).
            Ok(if written.colleague.is_some() { 200 } else { 202 })
        }
    }
}

async fn refresh(store: &Store, directory: &mut Arc<Directory>) -> Result<(), StoreError> {
    if directory.version() != store.directory_version().await? {
        *directory = Arc::new(store.load_directory().await?);
    }
    Ok(())
}

/// SIP out, through call control.
pub struct SipOutlet(pub mpsc::Sender<Order>);

impl Outlet for SipOutlet {
    fn send(&self, text: SipText) -> Pin<Box<dyn Future<Output = SipAnswer> + Send + '_>> {
        let SipText { trunk, called, caller, body, call_id } = text;
        let way = TextWay::Trunk { trunk, called, caller };
        Box::pin(async move {
            let TextDone { status, reason } = send(&self.0, TextOut { ticket: 0, way, body, call_id }).await;
            SipAnswer { status, reason }
        })
    }
}

async fn send(orders: &mpsc::Sender<Order>, text: TextOut) -> TextDone {
    let (done, told) = oneshot::channel();
    let gone = || TextDone { status: 503, reason: "the service is stopping".to_owned() };
    if orders.send(Order::SendText { text: Box::new(text), done }).await.is_err() {
        return gone();
    }
    told.await.unwrap_or_else(|_| gone())
}

/// What brings texts to devices.
#[derive(Clone)]
struct Carrier {
    store: Store,
    clock: Clock,
    orders: mpsc::Sender<Order>,
}

/// Brings every device what it has not had yet: as it comes, and when it registers.
pub async fn bring(
    store: Store,
    clock: Clock,
    orders: mpsc::Sender<Order>,
    registered: Arc<Registered>,
    mut woken: watch::Receiver<u64>,
) {
    let carrier = Carrier { store, clock, orders };
    let mut looked = None;
    let mut waiting = BTreeSet::new();
    let mut under_way = BTreeSet::new();
    let mut tasks: JoinSet<UserId> = JoinSet::new();
    let mut directory: Arc<Directory> = Arc::default();
    loop {
        woken.borrow_and_update();
        waiting.append(&mut registered.take());
        if let Err(error) = carrier.whom(&mut looked, &mut directory, &mut waiting).await {
            tracing::error!(%error, "it could not be read for whom text messages came; it is tried again");
            tokio::time::sleep(RETRY).await;
            continue;
        }
        let ready: Vec<UserId> = waiting.difference(&under_way).copied().collect();
        for user in ready.into_iter().take(AT_ONCE.saturating_sub(under_way.len())) {
            waiting.remove(&user);
            under_way.insert(user);
            let (carrier, directory) = (carrier.clone(), Arc::clone(&directory));
            tasks.spawn(async move {
                if let Err(error) = carrier.bring_to(directory, user).await {
                    tracing::error!(user = user.0, %error, "text messages could not be read for a user's devices");
                }
                user
            });
        }
        tokio::select! {
            changed = woken.changed() => if changed.is_err() { return },
            () = registered.any.notified() => {}
            Some(done) = tasks.join_next() => {
                if let Ok(user) = done {
                    under_way.remove(&user);
                }
            }
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

impl Carrier {
    /// Whose devices may lack something: of texts that came since the last look; at the start everybody's.
    async fn whom(
        &self,
        looked: &mut Option<i64>,
        directory: &mut Arc<Directory>,
        waiting: &mut BTreeSet<UserId>,
    ) -> Result<(), StoreError> {
        refresh(&self.store, directory).await?;
        let Some(before) = *looked else {
            *looked = Some(self.store.newest_text().await?);
            let kept = self.store.load_bindings(self.clock.wall()).await?;
            waiting.extend(kept.into_iter().map(|binding| binding.user));
            return Ok(());
        };
        let (holders, newest) = self.store.holders_after(before).await?;
        *looked = Some(newest);
        for holder in holders {
            match holder {
                Holder::Inbox(number) => {
                    waiting.extend(directory.shared_inbox(number).into_iter().flat_map(|inbox| &inbox.members))
                }
                Holder::User(user) => {
                    waiting.insert(user);
                }
                Holder::Pair(one, other) => waiting.extend([one, other]),
            }
        }
        Ok(())
    }

    async fn bring_to(&self, directory: Arc<Directory>, user: UserId) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        if self.orders.send(Order::Bindings { user, answer }).await.is_err() {
            return Ok(());
        }
        let mut devices = JoinSet::new();
        for device in answered.await.unwrap_or_default() {
            let (carrier, directory) = (self.clone(), Arc::clone(&directory));
            devices.spawn(async move { carrier.bring_to_device(directory, user, &device).await });
        }
        while let Some(done) = devices.join_next().await {
            done.map_err(|error| StoreError::Task(error.to_string()))??;
        }
        Ok(())
    }

    /// One text after the other, as long as the device takes them.
    async fn bring_to_device(
        &self,
        mut directory: Arc<Directory>,
        user: UserId,
        device: &Binding,
    ) -> Result<(), StoreError> {
        let key = device.instance.clone().unwrap_or_else(|| device.contact.to_string());
        let mut position = self.store.device_position(user, &key, self.clock.wall()).await?;
        loop {
            let Some(scope) = self.scope(&mut directory, user).await? else { return Ok(()) };
            let texts = self.store.texts_for_devices(&scope, position, BATCH).await?;
            if texts.is_empty() {
                return Ok(());
            }
            for (text, row) in texts {
                // Whoever may not read it any more is not brought it.
                if self.store.directory_version().await? != directory.version() {
                    break;
                }
                match self.hand_over(&directory, user, device, &text, &row).await {
                    200..=299 => {}
                    // It cannot be reached now: what it misses comes when it registers again.
                    status @ (408 | 480 | 500..=599) => {
                        tracing::debug!(user = user.0, text = %text.id, status, "a device does not take text messages now");
                        return Ok(());
                    }
                    status => {
                        tracing::info!(user = user.0, text = %text.id, status, "a device has refused a text message");
                    }
                }
                position = text.seq;
                self.store.move_device(user, &key, position, self.clock.wall()).await?;
            }
        }
    }

    async fn scope(&self, directory: &mut Arc<Directory>, user: UserId) -> Result<Option<TextScope>, StoreError> {
        refresh(&self.store, directory).await?;
        let joined = self.store.joined(user).await?;
        Ok(directory.user(user).map(|user| TextScope::of_devices(directory, user, &joined)))
    }

    /// The status of the first part that is refused, or of the last.
    async fn hand_over(
        &self,
        directory: &Directory,
        user: UserId,
        device: &Binding,
        text: &TextRecord,
        row: &ConversationRow,
    ) -> u16 {
        let from = match text.user.and_then(|user| directory.user_ever(user)) {
            Some(colleague) => {
                let (address, name) = (colleague.extension.clone(), colleague.name.clone());
                Party { user: Some(colleague.id), address, name }
            }
            None => Party { user: None, address: row.between.contact.clone(), name: row.between.name.clone() },
        };
        let number = row.between.number.and_then(|number| directory.number(number));
        let number = number.map(|number| number.e164.clone());
        let parts = match device.flow.transport {
            Transport::Udp => for_datagrams(&text.body),
            Transport::Tcp | Transport::Tls => vec![text.body.clone()],
        };
        let mut status = 200;
        for (part, body) in (1_u32..).zip(parts) {
            let way =
                TextWay::Device { user, device: Box::new(device.clone()), from: from.clone(), number: number.clone() };
            status = send(&self.orders, TextOut { ticket: 0, way, body, call_id: call_id(text.id, part) }).await.status;
            if !(200..300).contains(&status) {
                return status;
            }
        }
        status
    }
}

/// The same for each attempt: a device that has it already knows it by that.
fn call_id(text: TextId, part: u32) -> String {
    format!("{text}-{part}")
}

/// Those that call control sends, and who waits for what comes of them.
#[derive(Debug, Default)]
pub struct UnderWay {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<TextDone>>,
}

impl UnderWay {
    /// A ticket for one that is to be sent.
    pub fn begin(&mut self, done: oneshot::Sender<TextDone>) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, done);
        self.next
    }

    pub fn done(&mut self, ticket: u64, done: TextDone) {
        if let Some(waiting) = self.waiting.remove(&ticket) {
            let _ = waiting.send(done);
        }
    }
}
