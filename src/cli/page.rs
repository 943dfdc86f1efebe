//! The review page that opens by itself: at a question, in the owner's browser, once for each purchase.
//!
//! It is served by the process that asks, from the first question on, and closes with it. Nothing of a purchase
//! depends on it: where no browser can be opened, the question waits as it would without.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::Home;
use crate::owner::{Owner, WeakOwner};
use crate::web::Review;

pub struct QuestionPage {
    /// The house knows its screen: only an open page holds the house in turn, until it is closed.
    bursar: WeakOwner,
    home: Home,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    /// From the first question on.
    review: Option<Review>,
    /// The purchases it was opened at.
    at: HashSet<String>,
}

impl QuestionPage {
    pub fn of(bursar: &Owner, home: Home) -> QuestionPage {
        QuestionPage { bursar: bursar.downgrade(), home, shown: Mutex::default() }
    }

    /// Opens the browser at the question of a purchase, unless it was opened there before. Whether somebody may be
    /// looking at it now.
    pub fn open_at(&self, purchase_id: &str) -> bool {
        let mut shown = self.shown();
        if shown.at.contains(purchase_id) {
            return shown.review.as_ref().is_some_and(Review::is_visited);
        }
        match self.open(&mut shown.review, purchase_id) {
            Ok(()) => shown.at.insert(purchase_id.to_owned()),
            Err(cause) => {
                tracing::warn!("the review page could not be opened at a question: {cause}");
                false
            }
        }
    }

    fn open(&self, review: &mut Option<Review>, purchase_id: &str) -> io::Result<()> {
        let review = match review {
            Some(review) => review,
            None => review.insert(Review::open(self.bursar.upgrade().ok_or(io::ErrorKind::NotConnected)?, 0)?),
        };
        review.open_in_browser(&review.link_to_question(purchase_id)?, &self.home)
    }

    /// Where whoever is logged in finds the question.
    pub fn address_of(&self, purchase_id: &str) -> Option<String> {
        self.shown().review.as_ref().and_then(|review| review.address_of_question(purchase_id))
    }

    pub fn close(&self) {
        self.shown().review = None;
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
