//! What reaches the owner from a server that a host started: notes on the desktop, which say that something waits and
//! are no place to answer; doors off this machine, where the owner named some; and the review page, where the owner chose
//! that it opens by itself.

use std::sync::Arc;

use url::Url;

use crate::answer::{Notice, Pending};
use crate::cli::page::QuestionPage;
use crate::cli::words;
use crate::config::{Config, Home};
use crate::house::House;
use crate::notify::{self, Doors, Word};
use crate::ports::Screen;

pub struct Desktop {
    has_notes: bool,
    doors: Doors,
    /// Where the review page is reached from elsewhere.
    origin: Option<Url>,
    page: Option<QuestionPage>,
}

/// Shows questions and notes where the owner wants them.
pub fn attach(house: &House, home: Home, config: &Config) -> Arc<Desktop> {
    let doors = Doors::open(&home, &config.notices);
    let page = (config.notices.browser == Some(true)).then(|| QuestionPage::of(&house.owner(), home));
    let origin = config.tunnel.as_ref().map(|tunnel| tunnel.origin.clone());
    let screen = Arc::new(Desktop { has_notes: config.notices.desktop, doors, origin, page });
    house.show_on(screen.clone());
    screen
}

impl Desktop {
    /// Nothing is answered on the page any more, and nothing is told.
    pub async fn close(&self) {
        if let Some(page) = &self.page {
            page.close();
        }
        self.doors.close().await;
    }

    fn show(&self, title: &str, text: &str) {
        if self.has_notes {
            notify::desktop(title, text);
        }
    }
}

impl Screen for Desktop {
    fn note(&self, notice: &Notice) {
        self.show("bursar", &notice.message);
        self.doors.tell(Word::of_notice(notice, self.origin.as_ref()));
    }

    fn tell(&self, question: &Pending) {
        self.doors.tell(Word::of_question(question, self.origin.as_ref()));
    }

    fn ask(&self, question: &Pending) -> bool {
        let Pending { agent, domain, .. } = question;
        let price = words::dollars(question.amount_usd);
        self.show(&format!("Pay {price}?"), &format!("{agent} wants to buy from {domain}. See: bursar pending"));
        self.page.as_ref().is_some_and(|page| page.open_at(&question.purchase_id))
    }

    fn address(&self, question: &Pending) -> Option<String> {
        self.page.as_ref()?.address_of(&question.purchase_id)
    }
}
