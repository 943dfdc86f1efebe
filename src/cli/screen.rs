//! What reaches the owner from a server that a host started: notes on the desktop, which say that something waits and
//! are no place to answer; and the review page, where the owner chose that it opens by itself.

use std::sync::Arc;

use crate::answer::Pending;
use crate::cli::page::QuestionPage;
use crate::cli::words;
use crate::config::{Config, Home, Notices};
use crate::house::House;
use crate::notify;
use crate::ports::Screen;

pub struct Desktop {
    has_notes: bool,
    page: Option<QuestionPage>,
}

/// Shows questions and notes where the owner wants them.
pub fn attach(house: &House, home: Home, config: &Config) -> Arc<Desktop> {
    let Notices { desktop, browser } = config.notices;
    let page = (browser == Some(true)).then(|| QuestionPage::of(&house.owner(), home));
    let screen = Arc::new(Desktop { has_notes: desktop, page });
    house.show_on(screen.clone());
    screen
}

impl Desktop {
    /// Nothing is answered on the page any more.
    pub fn close(&self) {
        if let Some(page) = &self.page {
            page.close();
        }
    }
}

impl Screen for Desktop {
    fn note(&self, title: &str, text: &str) {
        if self.has_notes {
            notify::desktop(title, text);
        }
    }

    fn ask(&self, question: &Pending) -> bool {
        let Pending { agent, domain, .. } = question;
        let price = words::dollars(question.amount_usd);
        self.note(&format!("Pay {price}?"), &format!("{agent} wants to buy from {domain}. See: bursar pending"));
        self.page.as_ref().is_some_and(|page| page.open_at(&question.purchase_id))
    }

    fn address(&self, question: &Pending) -> Option<String> {
        self.page.as_ref()?.address_of(&question.purchase_id)
    }
}
