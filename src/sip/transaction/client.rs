//! Client transactions (RFC 3261 §17.1, RFC 6026 §7.2).

use super::{Resend, Timers, Wire, due, earliest};
use crate::base::{Span, Time};

/// What a client transaction wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientStep {
    Nothing,
    Send(Wire),
    /// The response is news for the user.
    Deliver,
    /// A final response is news, and this is its ACK.
    DeliverAndSend(Wire),
    /// Timer B or F, or no answer to a CANCEL: over.
    TimedOut,
}

/// INVITE client transaction (RFC 3261 §17.1.1; Accepted: RFC 6026 §7.2).
///
/// Calling ─1xx─► Proceeding ─2xx─► Accepted ─Timer M─► Terminated
///    │               └─3xx..6xx─► Completed ─Timer D─► Terminated
///    └─Timer B─► Terminated (final responses as from Proceeding)
#[derive(Debug)]
pub struct InviteClient {
    timers: Timers,
    reliable: bool,
    state: InviteState,
}

#[derive(Debug)]
enum InviteState {
    Calling {
        request: Wire,
        resend: Option<Resend>,
        gives_up_at: Time,
    },
    /// Waits as long as the user does; `gives_up_at` is set by a CANCEL (RFC 3261 §9.1).
    Proceeding {
        gives_up_at: Option<Time>,
    },
    Accepted {
        ends_at: Time,
    },
    Completed {
        ack: Wire,
        ends_at: Time,
    },
    Terminated,
}

/// Timer D: at least 32 s on unreliable transports, whatever T1 is.
const TIMER_D: Span = Span::from_secs(32);

impl InviteClient {
    /// The caller sends `request` the first time.
    pub fn new(timers: Timers, reliable: bool, request: Wire, now: Time) -> Self {
        let resend = Resend::unreliable(now, timers.t1, reliable);
        let gives_up_at = now + timers.give_up();
        InviteClient { timers, reliable, state: InviteState::Calling { request, resend, gives_up_at } }
    }

    /// A response; `ack` prints the ACK of a 3xx to 6xx.
    pub fn received(&mut self, status: u16, ack: impl FnOnce() -> Wire, now: Time) -> ClientStep {
        let gives_up_at = match &self.state {
            InviteState::Calling { .. } => None,
            InviteState::Proceeding { gives_up_at } => *gives_up_at,
            InviteState::Accepted { .. } if (200..300).contains(&status) => return ClientStep::Deliver,
            InviteState::Completed { ack, .. } if status >= 300 => return ClientStep::Send(ack.clone()),
            InviteState::Accepted { .. } | InviteState::Completed { .. } | InviteState::Terminated => {
                return ClientStep::Nothing;
            }
        };
        match status {
            ..200 => {
                self.state = InviteState::Proceeding { gives_up_at };
                ClientStep::Deliver
            }
            200..300 => {
                self.state = InviteState::Accepted { ends_at: now + self.timers.give_up() };
                ClientStep::Deliver
            }
            300.. => {
                let ack = ack();
                let linger = Timers::linger(TIMER_D, self.reliable);
                self.state = InviteState::Completed { ack: ack.clone(), ends_at: now + linger };
                ClientStep::DeliverAndSend(ack)
            }
        }
    }

    /// A CANCEL was sent: the final response comes within 64*T1 or never.
    pub fn cancelled(&mut self, now: Time) {
        if let InviteState::Proceeding { gives_up_at } = &mut self.state {
            gives_up_at.get_or_insert(now + self.timers.give_up());
        }
    }

    /// No response of any kind yet.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, InviteState::Calling { .. })
    }

    /// A provisional response, but no final one: a CANCEL can be sent.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, InviteState::Proceeding { .. })
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, InviteState::Terminated)
    }

    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            InviteState::Calling { resend, gives_up_at, .. } => earliest(resend.as_ref(), *gives_up_at),
            InviteState::Proceeding { gives_up_at } => *gives_up_at,
            InviteState::Accepted { ends_at } | InviteState::Completed { ends_at, .. } => Some(*ends_at),
            InviteState::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Time) -> ClientStep {
        let (step, ends) = match &mut self.state {
            InviteState::Calling { gives_up_at, .. } if *gives_up_at <= now => (ClientStep::TimedOut, true),
            InviteState::Proceeding { gives_up_at: Some(at) } if *at <= now => (ClientStep::TimedOut, true),
            InviteState::Accepted { ends_at } | InviteState::Completed { ends_at, .. } if *ends_at <= now => {
                (ClientStep::Nothing, true)
            }
            InviteState::Calling { request, resend, .. } if due(resend.as_ref(), now) => {
                *resend = resend.as_ref().map(|resend| resend.doubled(now, None));
                (ClientStep::Send(request.clone()), false)
            }
            InviteState::Calling { .. }
            | InviteState::Proceeding { .. }
            | InviteState::Accepted { .. }
            | InviteState::Completed { .. }
            | InviteState::Terminated => (ClientStep::Nothing, false),
        };
        if ends {
            self.state = InviteState::Terminated;
        }
        step
    }
}

/// Non-INVITE client transaction (RFC 3261 §17.1.2).
///
/// Trying ─1xx─► Proceeding ─final─► Completed ─Timer K─► Terminated
///    ├──────────────final──────────────┘
///    └─Timer F─► Terminated (from Proceeding too)
#[derive(Debug)]
pub struct NonInviteClient {
    timers: Timers,
    reliable: bool,
    state: NonInviteState,
}

#[derive(Debug)]
enum NonInviteState {
    Trying { request: Wire, resend: Option<Resend>, gives_up_at: Time },
    Proceeding { request: Wire, resend: Option<Resend>, gives_up_at: Time },
    Completed { ends_at: Time },
    Terminated,
}

impl NonInviteClient {
    /// The caller sends `request` the first time.
    pub fn new(timers: Timers, reliable: bool, request: Wire, now: Time) -> Self {
        let resend = Resend::unreliable(now, timers.t1, reliable);
        let gives_up_at = now + timers.give_up();
        NonInviteClient { timers, reliable, state: NonInviteState::Trying { request, resend, gives_up_at } }
    }

    pub fn received(&mut self, status: u16, now: Time) -> ClientStep {
        let (request, gives_up_at) = match &self.state {
            NonInviteState::Trying { request, gives_up_at, .. }
            | NonInviteState::Proceeding { request, gives_up_at, .. } => (request.clone(), *gives_up_at),
            NonInviteState::Completed { .. } | NonInviteState::Terminated => return ClientStep::Nothing,
        };
        self.state = if status < 200 {
            let resend = Resend::unreliable(now, self.timers.t2, self.reliable);
            NonInviteState::Proceeding { request, resend, gives_up_at }
        } else {
            let linger = Timers::linger(self.timers.t4, self.reliable);
            NonInviteState::Completed { ends_at: now + linger }
        };
        ClientStep::Deliver
    }

    /// No response of any kind yet.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, NonInviteState::Trying { .. })
    }

    /// A final response is there.
    pub fn is_answered(&self) -> bool {
        matches!(self.state, NonInviteState::Completed { .. } | NonInviteState::Terminated)
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, NonInviteState::Terminated)
    }

    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            NonInviteState::Trying { resend, gives_up_at, .. }
            | NonInviteState::Proceeding { resend, gives_up_at, .. } => earliest(resend.as_ref(), *gives_up_at),
            NonInviteState::Completed { ends_at } => Some(*ends_at),
            NonInviteState::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Time) -> ClientStep {
        let t2 = Some(self.timers.t2);
        let (step, ends) = match &mut self.state {
            NonInviteState::Trying { gives_up_at, .. } | NonInviteState::Proceeding { gives_up_at, .. }
                if *gives_up_at <= now =>
            {
                (ClientStep::TimedOut, true)
            }
            NonInviteState::Completed { ends_at } if *ends_at <= now => (ClientStep::Nothing, true),
            NonInviteState::Trying { request, resend, .. } | NonInviteState::Proceeding { request, resend, .. }
                if due(resend.as_ref(), now) =>
            {
                *resend = resend.as_ref().map(|resend| resend.doubled(now, t2));
                (ClientStep::Send(request.clone()), false)
            }
            NonInviteState::Trying { .. }
            | NonInviteState::Proceeding { .. }
            | NonInviteState::Completed { .. }
            | NonInviteState::Terminated => (ClientStep::Nothing, false),
        };
        if ends {
            self.state = NonInviteState::Terminated;
        }
        step
    }
}
