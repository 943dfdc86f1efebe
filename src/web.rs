//! The human's window: the review page. It listens on this machine only; from elsewhere it is reached by a tunnel of the
//! owner's, where the owner named one.
//!
//! Pages are made here, whole, from what the ledger says; they can be read without JavaScript, which only keeps them
//! fresh. Looking changes nothing. What changes something is a form of ours, sent by somebody who came in through a
//! one-time link. `docs/review.md` says what is defended and how.

mod act;
mod browser;
mod charts;
mod door;
mod guard;
mod html;
mod lead;
mod pages;
mod reply;
mod request;
mod route;
mod server;
mod words;

use std::io;
use std::sync::Arc;

use crate::config::{Home, Tunnel};
use crate::limits;
use crate::owner::Owner;
use door::Entrance;
use lead::Lead;
use route::ReviewSite;

/// The page of one house. It stops when dropped.
pub struct Review {
    window: Arc<ReviewSite>,
    _server: server::PageServer,
}

/// The same page for whoever comes by way of the owner's tunnel. It stops when dropped.
pub struct FarReview {
    port: u16,
    _server: server::PageServer,
}

impl FarReview {
    /// Listens on loopback, at the port that the tunnel leads to. What comes there is let in by passphrase and code alone,
    /// whatever name it goes by: nothing of the page on this machine is served there.
    pub fn open(bursar: Owner, tunnel: &Tunnel) -> io::Result<FarReview> {
        let listener = server::listen(tunnel.port)?;
        let port = listener.local_addr()?.port();
        let door = Entrance::far(&tunnel.origin).map_err(io::Error::other)?;
        Ok(FarReview { port, _server: server::serve(listener, Arc::new(ReviewSite { bursar, door })) })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Review {
    /// At once, whoever still holds the site: files that lead to it must not outlive it.
    fn drop(&mut self) {
        self.window.door.close();
    }
}

impl Review {
    /// Listens on loopback; port 0 takes any free one. Wants a runtime around it, to serve on.
    pub fn open(bursar: Owner, port: u16) -> io::Result<Review> {
        let listener = server::listen(port)?;
        let door = Entrance::near(listener.local_addr()?.port()).map_err(io::Error::other)?;
        let window = Arc::new(ReviewSite { bursar, door });
        let _server = server::serve(listener, window.clone());
        Ok(Review { window, _server })
    }

    /// A link that lets one browser in, once. Whoever has it is taken for the owner: it goes to a terminal or a browser.
    pub fn link(&self) -> io::Result<String> {
        self.link_to("overview")
    }

    /// The same, to the question of one purchase.
    pub fn link_to_question(&self, purchase_id: &str) -> io::Result<String> {
        self.link_to(&format!("pending#{purchase_id}"))
    }

    /// Where a browser that is inside finds a question; none while no browser is. It lets nobody in, and does not say
    /// where the pages lie: only the browser that was let in knows that.
    pub fn address_of_question(&self, purchase_id: &str) -> Option<String> {
        self.is_visited().then(|| format!("{}{}#{purchase_id}", self.window.door.origin(), route::QUESTION))
    }

    /// Whether some browser is inside.
    pub fn is_visited(&self) -> bool {
        self.window.door.is_visited(self.window.bursar.now())
    }

    /// Asks the system to show a link of ours in the owner's browser. What it is asked to open is a file that leads there:
    /// every user of the machine sees what programs are asked.
    pub fn open_in_browser(&self, link: &str, home: &Home) -> io::Result<()> {
        let lead = Lead::to(link, &home.places_for_a_browser())?;
        browser::open(&lead.address()?)?;
        self.window.door.keep_lead(link, lead);
        let site = Arc::downgrade(&self.window);
        tokio::spawn(async move {
            tokio::time::sleep(limits::REVIEW_LINK).await;
            if let Some(site) = site.upgrade() {
                site.door.drop_leads(site.bursar.now());
            }
        });
        Ok(())
    }

    fn link_to(&self, page: &str) -> io::Result<String> {
        self.window.door.link(page, self.window.bursar.now()).map_err(io::Error::other)
    }
}
