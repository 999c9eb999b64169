//! Legal holds, by the rules of access.

use super::{Actor, Desk, NO_CALL, Person};
use crate::api::Problem;
use crate::api::keeping::{HoldPage, HoldView, KeepingAsk, KeepingReply, LiftOutcome, LiftView, lift_hold};
use crate::directory::Directory;
use crate::policy::Lifter;
use crate::store::{Held, NewHold, StaffKind};

/// Holds of a page at most.
const HOLDS: u32 = 200;
/// Characters of a reason at most.
const REASON: usize = 500;
const NO_HOLD: Problem = Problem::NotFound { what: "hold on this" };

/// Who acts, for what is kept of it.
pub(super) struct Who {
    /// The same for the same person, and for nobody else.
    pub key: String,
    /// As they are called.
    pub name: String,
}

pub(super) fn who(person: &Person<'_>) -> Who {
    let key = match person.actor {
        Actor::User(user) => format!("user {}", user.id),
        Actor::Staff(staff) => format!("staff {}", staff.id),
    };
    Who { key, name: person.who() }
}

/// Resellers have an admin's rights; operators are who runs the service, however they log in.
fn lifter(person: &Person<'_>) -> Lifter {
    match person.actor {
        Actor::Staff(staff) if staff.kind == StaffKind::Operator => Lifter::Operator,
        Actor::User(_) | Actor::Staff(_) => Lifter::Admin(who(person).key),
    }
}

impl Desk {
    pub(super) async fn keeping(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: KeepingAsk,
    ) -> Result<KeepingReply, Problem> {
        match ask {
            KeepingAsk::Hold { thing, reason } => self.hold(directory, person, thing, reason).await,
            KeepingAsk::Lift { thing } => self.lift(directory, person, thing).await,
            KeepingAsk::Holds { after, limit } => self.holds(person, after, limit).await,
            KeepingAsk::Peaks { recording, points } => self.peaks(directory, person, recording, points).await,
            KeepingAsk::Export(what) => self.export(directory, person, what).await,
            KeepingAsk::Exports { before, limit } => self.exports(person, before, limit).await,
            KeepingAsk::ExportShow { id } => self.export_show(person, id).await,
            KeepingAsk::ExportFile { id } => self.export_file(directory, person, id).await,
            KeepingAsk::ExportRemove { id } => self.export_remove(person, id).await,
            KeepingAsk::Erase { contact, confirm, dry_run } => {
                self.erase(directory, person, &contact, confirm.as_deref(), dry_run).await
            }
        }
    }

    /// What the person sees of it, to be held or freed: admins see everything of their company.
    async fn holdable(&self, directory: &Directory, person: &Person<'_>, thing: Held) -> Result<(), Problem> {
        match thing {
            Held::Recording(id) => {
                let (recording, _, _) = self.playable(directory, person, id).await?;
                self.gone(&recording).await?;
            }
            Held::Call(id) => {
                let scope = self.scope(directory, person).await?;
                let (_, facts) = self.store.call_with_facts(id).await?.ok_or(NO_CALL)?;
                scope.visible(&facts).ok_or(NO_CALL)?;
            }
        }
        person.must_be_admin()
    }

    async fn hold(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        thing: Held,
        reason: String,
    ) -> Result<KeepingReply, Problem> {
        self.holdable(directory, person, thing).await?;
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > REASON {
            return Err(Problem::Invalid { key: "reason", value: reason, expected: "1 to 500 characters" });
        }
        self.note(person, "hold.place", format!("{} {}", thing.kind(), thing.id())).await?;
        let (company, by) = (person.company.id, who(person).name);
        let new = NewHold { company, thing, reason, placed: self.world.wall(), by };
        Ok(KeepingReply::Hold(HoldView::from(&self.store.place_hold(&new).await?)))
    }

    async fn lift(&self, directory: &Directory, person: &Person<'_>, thing: Held) -> Result<KeepingReply, Problem> {
        self.holdable(directory, person, thing).await?;
        let hold = self.store.hold_on(thing).await?.ok_or(NO_HOLD)?;
        let (name, lifter, now) = (who(person).name, lifter(person), self.world.wall());
        let outcome = lift_hold(&self.store, directory, person.company, &hold, (&lifter, &name), now).await?;
        let (action, reply) = match outcome {
            LiftOutcome::Asked(second) => {
                let confirm = second.as_str().to_owned();
                ("hold.lift_asked", KeepingReply::LiftAsked(LiftView { lifted: false, confirm }))
            }
            LiftOutcome::Lifted => ("hold.lift", KeepingReply::Lifted),
        };
        self.note(person, action, format!("{} {}", thing.kind(), thing.id())).await?;
        Ok(reply)
    }

    async fn holds(&self, person: &Person<'_>, after: i64, limit: u32) -> Result<KeepingReply, Problem> {
        person.must_be_admin()?;
        let limit = limit.clamp(1, HOLDS);
        let mut holds = self.store.holds(Some(person.company.id), after, limit + 1).await?;
        let more = holds.len() > limit as usize;
        holds.truncate(limit as usize);
        let next = holds.last().map(|hold| hold.id).filter(|_| more);
        Ok(KeepingReply::Holds(HoldPage { holds: holds.iter().map(HoldView::from).collect(), next }))
    }
}
