//! Server transactions (RFC 3261 §17.2, RFC 6026 §7.1).

use super::{Resend, Timers, Wire, due, earliest};
use crate::base::Time;

/// What a server transaction wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerStep {
    Nothing,
    Send(Wire),
    /// The 2xx was never acknowledged; the transaction is over.
    AckMissing,
}

/// INVITE server transaction (RFC 3261 §17.2.1; Accepted: RFC 6026 §7.1). The 2xx is sent again
/// here, which RFC 3261 §13.3.1.4 gives to the core, on reliable transports too.
///
/// Proceeding ─2xx─► Accepted ─Timer L─► Terminated
///     └─3xx..6xx─► Completed ─ACK─► Confirmed ─Timer I─► Terminated
///                      └─Timer H─► Terminated
#[derive(Debug)]
pub struct InviteServer {
    timers: Timers,
    reliable: bool,
    state: InviteState,
}

#[derive(Debug)]
enum InviteState {
    /// The user has said nothing yet; 100 is sent for it when the time comes.
    Trying {
        trying: Wire,
        at: Time,
    },
    Proceeding {
        last: Wire,
    },
    /// `resend` is gone once the ACK is there.
    Accepted {
        response: Wire,
        resend: Option<Resend>,
        ends_at: Time,
    },
    Completed {
        response: Wire,
        resend: Option<Resend>,
        ends_at: Time,
    },
    Confirmed {
        ends_at: Time,
    },
    Terminated,
}

impl InviteServer {
    /// `trying` is the 100 that goes out when the user takes longer than `timers.trying`.
    pub fn new(timers: Timers, reliable: bool, trying: Wire, now: Time) -> Self {
        let state = InviteState::Trying { trying, at: now + timers.trying };
        InviteServer { timers, reliable, state }
    }

    /// The INVITE again: the last response again, if there is one to repeat.
    pub fn retransmitted(&self) -> ServerStep {
        match &self.state {
            InviteState::Trying { .. } | InviteState::Accepted { .. } => ServerStep::Nothing,
            InviteState::Confirmed { .. } | InviteState::Terminated => ServerStep::Nothing,
            InviteState::Proceeding { last } => ServerStep::Send(last.clone()),
            InviteState::Completed { response, .. } => ServerStep::Send(response.clone()),
        }
    }

    /// The user's response; one after a final response is dropped.
    pub fn respond(&mut self, status: u16, response: Wire, now: Time) -> ServerStep {
        match &self.state {
            InviteState::Trying { .. } | InviteState::Proceeding { .. } => {}
            InviteState::Accepted { .. }
            | InviteState::Completed { .. }
            | InviteState::Confirmed { .. }
            | InviteState::Terminated => return ServerStep::Nothing,
        }
        let send = ServerStep::Send(response.clone());
        let ends_at = now + self.timers.give_up();
        self.state = match status {
            ..200 => InviteState::Proceeding { last: response },
            200..300 => {
                let resend = Some(Resend::first(now, self.timers.t1));
                InviteState::Accepted { response, resend, ends_at }
            }
            300.. => {
                let resend = Resend::unreliable(now, self.timers.t1, self.reliable);
                InviteState::Completed { response, resend, ends_at }
            }
        };
        send
    }

    /// The ACK of a 3xx to 6xx, which belongs to this transaction.
    pub fn acked(&mut self, now: Time) {
        if let InviteState::Completed { .. } = self.state {
            let linger = Timers::linger(self.timers.t4, self.reliable);
            self.state = InviteState::Confirmed { ends_at: now + linger };
        }
    }

    /// The ACK of the 2xx, which is a transaction of its own. True the first time.
    pub fn accepted_acked(&mut self) -> bool {
        match &mut self.state {
            InviteState::Accepted { resend, .. } => resend.take().is_some(),
            InviteState::Trying { .. }
            | InviteState::Proceeding { .. }
            | InviteState::Completed { .. }
            | InviteState::Confirmed { .. }
            | InviteState::Terminated => false,
        }
    }

    /// Whether no final response was given yet: a CANCEL still has an effect.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, InviteState::Trying { .. } | InviteState::Proceeding { .. })
    }

    /// Whether the final response was a 3xx to 6xx: its ACK belongs here.
    pub fn is_refused(&self) -> bool {
        matches!(self.state, InviteState::Completed { .. } | InviteState::Confirmed { .. })
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, InviteState::Terminated)
    }

    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            InviteState::Trying { at, .. } => Some(*at),
            InviteState::Accepted { resend, ends_at, .. } | InviteState::Completed { resend, ends_at, .. } => {
                earliest(resend.as_ref(), *ends_at)
            }
            InviteState::Confirmed { ends_at } => Some(*ends_at),
            InviteState::Proceeding { .. } | InviteState::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Time) -> ServerStep {
        let t2 = Some(self.timers.t2);
        let (step, next) = match &mut self.state {
            InviteState::Trying { trying, at } if *at <= now => {
                let last = trying.clone();
                (ServerStep::Send(last.clone()), Some(InviteState::Proceeding { last }))
            }
            InviteState::Accepted { resend: Some(_), ends_at, .. } if *ends_at <= now => {
                (ServerStep::AckMissing, Some(InviteState::Terminated))
            }
            InviteState::Accepted { ends_at, .. }
            | InviteState::Completed { ends_at, .. }
            | InviteState::Confirmed { ends_at }
                if *ends_at <= now =>
            {
                (ServerStep::Nothing, Some(InviteState::Terminated))
            }
            InviteState::Accepted { response, resend, .. } | InviteState::Completed { response, resend, .. }
                if due(resend.as_ref(), now) =>
            {
                *resend = resend.as_ref().map(|resend| resend.doubled(now, t2));
                (ServerStep::Send(response.clone()), None)
            }
            InviteState::Trying { .. }
            | InviteState::Proceeding { .. }
            | InviteState::Accepted { .. }
            | InviteState::Completed { .. }
            | InviteState::Confirmed { .. }
            | InviteState::Terminated => (ServerStep::Nothing, None),
        };
        if let Some(next) = next {
            self.state = next;
        }
        step
    }
}

/// Non-INVITE server transaction (RFC 3261 §17.2.2). A request that the user leaves unanswered
/// for as long as its sender waits (Timer F) is forgotten.
///
/// Trying ─1xx─► Proceeding ─final─► Completed ─Timer J─► Terminated
///    └──────────────final──────────────┘
#[derive(Debug)]
pub struct NonInviteServer {
    timers: Timers,
    reliable: bool,
    state: NonInviteState,
}

#[derive(Debug)]
enum NonInviteState {
    Trying { ends_at: Time },
    Proceeding { last: Wire, ends_at: Time },
    Completed { response: Wire, ends_at: Time },
    Terminated,
}

impl NonInviteServer {
    pub fn new(timers: Timers, reliable: bool, now: Time) -> Self {
        let ends_at = now + timers.give_up();
        NonInviteServer { timers, reliable, state: NonInviteState::Trying { ends_at } }
    }

    pub fn retransmitted(&self) -> ServerStep {
        match &self.state {
            NonInviteState::Trying { .. } | NonInviteState::Terminated => ServerStep::Nothing,
            NonInviteState::Proceeding { last: response, .. } | NonInviteState::Completed { response, .. } => {
                ServerStep::Send(response.clone())
            }
        }
    }

    pub fn respond(&mut self, status: u16, response: Wire, now: Time) -> ServerStep {
        let ends_at = match &self.state {
            NonInviteState::Trying { ends_at } | NonInviteState::Proceeding { ends_at, .. } => *ends_at,
            NonInviteState::Completed { .. } | NonInviteState::Terminated => return ServerStep::Nothing,
        };
        let send = ServerStep::Send(response.clone());
        self.state = if status < 200 {
            NonInviteState::Proceeding { last: response, ends_at }
        } else {
            let linger = Timers::linger(self.timers.give_up(), self.reliable);
            NonInviteState::Completed { response, ends_at: now + linger }
        };
        send
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, NonInviteState::Terminated)
    }

    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            NonInviteState::Trying { ends_at }
            | NonInviteState::Proceeding { ends_at, .. }
            | NonInviteState::Completed { ends_at, .. } => Some(*ends_at),
            NonInviteState::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Time) -> ServerStep {
        if self.next_timeout().is_some_and(|at| at <= now) {
            self.state = NonInviteState::Terminated;
        }
        ServerStep::Nothing
    }
}
