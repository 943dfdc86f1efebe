//! The pages, one file each: what they show, made whole on this side.

mod entrance;
mod frame;
mod overview;
mod pending;
mod policy;
mod purchase;
mod purchases;
mod sellers;
mod stop;

pub use entrance::{entrance, far_entrance, nothing_here};
pub use frame::refused;
pub use overview::overview;
pub use pending::pending;
pub use policy::policy;
pub use purchase::purchase;
pub use purchases::purchases;
pub use sellers::sellers;
pub use stop::stop;

use super::door::Flash;
use crate::owner::Owner;
use crate::time::Time;

/// What a page is made from, beside what it shows.
pub struct PageView<'a> {
    pub bursar: &'a Owner,
    /// What an open page compares with, to see whether it is still fresh.
    pub pulse: String,
    /// Belongs into every form.
    pub csrf: &'a str,
    pub now: Time,
    /// The owner has a passphrase, and what gives agents more room asks for it.
    pub has_passphrase: bool,
    /// What came of the owner's last deed.
    pub said: Option<Flash>,
}
