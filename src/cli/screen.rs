//! The owner's desktop, as far as a note on it goes: it says that something waits, and is no place to answer.

use std::sync::Arc;

use crate::bursar::{Bursar, Pending, Screen};
use crate::cli::words;
use crate::config::Config;
use crate::notify;

pub struct Desktop;

/// Shows questions and notes where the owner wants them.
pub fn attach(bursar: &Bursar, config: &Config) {
    if config.notices.desktop {
        bursar.show_on(Arc::new(Desktop));
    }
}

impl Screen for Desktop {
    fn note(&self, title: &str, text: &str) {
        notify::desktop(title, text);
    }

    fn ask(&self, question: &Pending) -> bool {
        let Pending { agent, domain, .. } = question;
        let price = words::dollars(question.amount_usd);
        notify::desktop(&format!("Pay {price}?"), &format!("{agent} wants to buy from {domain}. See: bursar pending"));
        false
    }
}
