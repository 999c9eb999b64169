//! What the service keeps of each trunk while it runs: whether its targets answer, whether we are
//! registered there, and how its challenges are answered.
//!
//! ```text
//! Line (one a trunk) ─┬─ Registration   REGISTER, refresh, back-off
//!                     └─ Health × n     OPTIONS, silence, Retry-After  ─► which target is next
//! ```
//! Pure machines: the requests they ask for are sent, and the answers brought, by `call`.

mod health;
mod line;
mod login;
mod registration;

pub use health::{Health, Standing, ordered};
pub use line::{Line, TargetView, TrunkView};
pub use login::{TooOften, is_challenge, prove};
pub use registration::{Account, Registration, RegistrationView, Step};
