//! Who is inside: one-time links and the sessions they open; and from elsewhere, the owner's passphrase and a code.
//!
//! A link is worth one session and only for some minutes. Links and sessions are kept as hashes, so that looking one up
//! tells nothing about the others. The cookie of a session holds for one path, which nobody can guess: browsers send
//! cookies of a host to all its ports, and other programs of this machine have ports too.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::hex;
use sha2::{Digest, Sha256};
use url::Url;

use super::lead::Lead;
use crate::limits;
use crate::time::Time;

const COOKIE: &str = "bursar_review";
/// More than anybody has in use at once; the oldest goes.
const LINKS: usize = 16;
const SESSIONS: usize = 8;

/// Where a browser comes from. Each side has a listener, a room and sessions of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From this machine, by a link.
    Near,
    /// From elsewhere, through the owner's tunnel, by passphrase and code.
    Far,
}

pub struct Entrance {
    /// `http://127.0.0.1:PORT`, or the one that the owner's tunnel goes by: as a browser says it.
    origin: String,
    side: Side,
    /// The folder all pages lie in.
    room: String,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    links: HashMap<Mark, Link>,
    sessions: HashMap<Mark, Session>,
    /// When somebody elsewhere tried and was wrong, or is still being checked.
    tries: Vec<Time>,
}

/// What is kept of a secret.
type Mark = [u8; 32];

struct Link {
    made: Time,
    /// The page it leads to.
    to: String,
    /// The file that leads to it, until it was used.
    lead: Option<Lead>,
}

struct Session {
    /// The passphrase and codes that it began with, where it began with them: others end it.
    proof: Option<String>,
    began: Time,
    /// When its owner last did something.
    seen: Time,
    csrf: String,
    wrong_passphrases: u8,
    /// Said once, on the next page.
    said: Option<Flash>,
}

/// What came of something the owner did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    pub is_done: bool,
    pub text: String,
}

/// Somebody with a session. Only the door makes one.
#[derive(Clone, Debug)]
pub struct Visitor {
    mark: Mark,
    pub csrf: String,
}

/// What a page that asks for itself again and again must not do: keep its session awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Person,
    Page,
}

impl Entrance {
    pub fn near(port: u16) -> Result<Entrance, getrandom::Error> {
        Entrance::at(format!("http://127.0.0.1:{port}"), Side::Near)
    }

    pub fn far(origin: &Url) -> Result<Entrance, getrandom::Error> {
        Entrance::at(origin.origin().ascii_serialization(), Side::Far)
    }

    fn at(origin: String, side: Side) -> Result<Entrance, getrandom::Error> {
        Ok(Entrance { origin, side, room: secret()?[..24].to_owned(), inside: Mutex::default() })
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn side(&self) -> Side {
        self.side
    }

    pub fn room(&self) -> &str {
        &self.room
    }

    /// A link for one session that begins at a page. It stands behind `#`, which browsers keep to themselves.
    pub fn link(&self, to: &str, now: Time) -> Result<String, getrandom::Error> {
        let token = secret()?;
        let mut inside = self.inside();
        inside.links.retain(|_, link| now.since(link.made) < limits::REVIEW_LINK);
        drop_oldest(&mut inside.links, LINKS, |link| link.made);
        inside.links.insert(mark(&token), Link { made: now, to: to.to_owned(), lead: None });
        Ok(format!("{}/#{token}", self.origin))
    }

    /// Keeps the file that leads to a link for as long as the link is good for something.
    pub fn keep_lead(&self, link: &str, lead: Lead) {
        let token = link.split_once('#').map(|(_, token)| token).unwrap_or_default();
        if let Some(link) = self.inside().links.get_mut(&mark(token)) {
            link.lead = Some(lead);
        }
    }

    /// Links that are too old lead nowhere, and neither do their files.
    pub fn drop_leads(&self, now: Time) {
        for link in self.inside().links.values_mut().filter(|link| now.since(link.made) >= limits::REVIEW_LINK) {
            link.lead = None;
        }
    }

    /// No link leads in any more.
    pub fn close(&self) {
        self.inside().links.clear();
    }

    /// A session for whoever has a link that was not used: its cookie, and where it leads.
    pub fn enter(&self, token: &str, now: Time) -> Result<Option<(String, String)>, getrandom::Error> {
        let Some(link) = self.inside().links.remove(&mark(token)) else { return Ok(None) };
        if now.since(link.made) >= limits::REVIEW_LINK {
            return Ok(None);
        }
        self.begin(None, &link.to, now).map(Some)
    }

    /// A session for whoever had the passphrase and a code, of this fingerprint: its cookie, and where it leads.
    pub fn enter_from_afar(&self, proof: String, to: &str, now: Time) -> Result<(String, String), getrandom::Error> {
        self.inside().tries.clear();
        self.begin(Some(proof), to, now)
    }

    fn begin(&self, proof: Option<String>, to: &str, now: Time) -> Result<(String, String), getrandom::Error> {
        let (key, csrf) = (secret()?, secret()?);
        let mut inside = self.inside();
        drop_oldest(&mut inside.sessions, SESSIONS, |session| session.seen);
        let session = Session { proof, began: now, seen: now, csrf, wrong_passphrases: 0, said: None };
        inside.sessions.insert(mark(&key), session);
        let secure = if self.side == Side::Far { "; Secure" } else { "" };
        let cookie = format!("{COOKIE}={key}; Path=/{}/; HttpOnly; SameSite=Strict{secure}", self.room);
        Ok((cookie, format!("/{}/{to}", self.room)))
    }

    /// Whether somebody elsewhere may try now. It counts as wrong until it was right.
    pub fn may_try(&self, now: Time) -> bool {
        let mut inside = self.inside();
        inside.tries.retain(|at| now.since(*at) < limits::REVIEW_PROOFS_COUNT);
        let may = inside.tries.len() < limits::REVIEW_WRONG_PROOFS;
        if may {
            inside.tries.push(now);
        }
        may
    }

    /// That try was neither right nor wrong.
    pub fn forget_try(&self) {
        self.inside().tries.pop();
    }

    /// Whoever the cookies of a request show. `proof` is the fingerprint of passphrase and codes as they are now.
    pub fn visitor(&self, cookies: &str, proof: Option<&str>, presence: Presence, now: Time) -> Option<Visitor> {
        let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mark = pairs.find(|(name, _)| *name == COOKIE).map(|(_, key)| mark(key))?;
        let mut inside = self.inside();
        let session = inside.sessions.get_mut(&mark)?;
        let is_of_before = session.proof.is_some()
            && (session.proof.as_deref() != proof || now.since(session.began) >= limits::REVIEW_FROM_AFAR);
        if is_of_before || now.since(session.seen) >= limits::REVIEW_IDLE {
            inside.sessions.remove(&mark);
            return None;
        }
        if presence == Presence::Person {
            session.seen = now;
        }
        Some(Visitor { mark, csrf: session.csrf.clone() })
    }

    /// Whether a session goes on.
    pub fn is_visited(&self, now: Time) -> bool {
        self.inside().sessions.values().any(|session| now.since(session.seen) < limits::REVIEW_IDLE)
    }

    pub fn leave(&self, visitor: &Visitor) {
        self.inside().sessions.remove(&visitor.mark);
    }

    /// Kept for the visitor's next page.
    pub fn say(&self, visitor: &Visitor, said: Flash) {
        if let Some(session) = self.inside().sessions.get_mut(&visitor.mark) {
            session.said = Some(said);
        }
    }

    pub fn said(&self, visitor: &Visitor) -> Option<Flash> {
        self.inside().sessions.get_mut(&visitor.mark).and_then(|session| session.said.take())
    }

    /// A wrong passphrase: some of them, and the session ends.
    pub fn note_wrong_passphrase(&self, visitor: &Visitor) {
        let mut inside = self.inside();
        let Some(session) = inside.sessions.get_mut(&visitor.mark) else { return };
        session.wrong_passphrases += 1;
        if session.wrong_passphrases >= limits::REVIEW_WRONG_PASSPHRASES {
            inside.sessions.remove(&visitor.mark);
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitor {
    /// Whether a form was made for this session.
    pub fn wrote(&self, csrf: &str) -> bool {
        mark(&self.csrf) == mark(csrf)
    }
}

fn drop_oldest<T>(kept: &mut HashMap<Mark, T>, most: usize, at: impl Fn(&T) -> Time) {
    while kept.len() >= most {
        let oldest = kept.iter().min_by_key(|(_, one)| at(one)).map(|(mark, _)| *mark);
        oldest.map(|mark| kept.remove(&mark));
    }
}

/// 256 bits nobody can guess.
pub fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

fn mark(secret: &str) -> Mark {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn door() -> Entrance {
        Entrance::near(4242).unwrap()
    }

    fn far() -> Entrance {
        Entrance::far(&Url::parse("https://bursar.example.com").unwrap()).unwrap()
    }

    fn token(door: &Entrance) -> String {
        door.link("overview", NOW).unwrap().split_once('#').unwrap().1.to_owned()
    }

    fn entered(door: &Entrance) -> String {
        let (cookie, _) = door.enter(&token(door), NOW).unwrap().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_link_opens_one_session() {
        let door = door();
        let token = token(&door);
        let (cookie, to) = door.enter(&token, NOW).unwrap().unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Strict") && cookie.contains(&format!("Path=/{}/", door.room())));
        assert_eq!(to, format!("/{}/overview", door.room()));
        assert!(door.enter(&token, NOW).unwrap().is_none());
    }

    #[test]
    fn a_link_is_good_for_minutes_only() {
        let door = door();
        let token = token(&door);
        assert!(door.enter(&token, NOW.plus(limits::REVIEW_LINK)).unwrap().is_none());
    }

    #[test]
    fn no_other_words_open_the_door() {
        let door = door();
        token(&door);
        for guess in ["", "0", &"0".repeat(64), "overview"] {
            assert!(door.enter(guess, NOW).unwrap().is_none());
            assert!(door.visitor(&format!("{COOKIE}={guess}"), None, Presence::Person, NOW).is_none());
        }
    }

    #[test]
    fn a_session_from_elsewhere_ends_with_what_it_began_with_and_after_half_a_day() {
        let door = far();
        let enter = || {
            let (cookie, to) = door.enter_from_afar("mark".to_owned(), "pending#pu_1", NOW).unwrap();
            assert!(cookie.ends_with("; Secure") && to == format!("/{}/pending#pu_1", door.room()));
            cookie.split(';').next().unwrap().to_owned()
        };
        for other in [None, Some("another")] {
            let cookie = enter();
            assert!(door.visitor(&cookie, Some("mark"), Presence::Person, NOW).is_some());
            assert!(door.visitor(&cookie, other, Presence::Person, NOW).is_none());
            assert!(door.visitor(&cookie, Some("mark"), Presence::Person, NOW).is_none(), "it ended for good");
        }
        let (cookie, mut at) = (enter(), NOW);
        while at < NOW.plus(limits::REVIEW_FROM_AFAR) {
            assert!(door.visitor(&cookie, Some("mark"), Presence::Person, at).is_some());
            at = at.plus(limits::REVIEW_IDLE / 2);
        }
        assert!(door.visitor(&cookie, Some("mark"), Presence::Person, at).is_none());
    }

    #[test]
    fn guessing_from_elsewhere_ends_for_a_while_however_many_guess_at_once() {
        let door = far();
        for _ in 0..limits::REVIEW_WRONG_PROOFS {
            assert!(door.may_try(NOW));
        }
        assert!(!door.may_try(NOW));
        door.forget_try();
        assert!(door.may_try(NOW) && !door.may_try(NOW) && door.may_try(NOW.plus(limits::REVIEW_PROOFS_COUNT)));
        door.enter_from_afar("mark".to_owned(), "overview", NOW).unwrap();
        assert!(door.may_try(NOW), "whoever was right has as many again");
    }

    #[test]
    fn an_idle_session_ends_and_a_page_that_refreshes_itself_does_not_keep_it() {
        let door = door();
        let cookie = entered(&door);
        let later = NOW.plus(limits::REVIEW_IDLE.saturating_sub(Duration::from_secs(1)));
        assert!(door.visitor(&cookie, None, Presence::Page, later).is_some());
        assert!(door.visitor(&cookie, None, Presence::Page, NOW.plus(limits::REVIEW_IDLE)).is_none());
        assert!(door.visitor(&cookie, None, Presence::Person, later).is_none(), "it ended for good");
    }

    #[test]
    fn the_room_is_visited_while_a_session_goes_on() {
        let door = door();
        token(&door);
        assert!(!door.is_visited(NOW), "a link alone is nobody");
        let cookie = entered(&door);
        assert!(door.is_visited(NOW) && !door.is_visited(NOW.plus(limits::REVIEW_IDLE)));
        door.leave(&door.visitor(&cookie, None, Presence::Person, NOW).unwrap());
        assert!(!door.is_visited(NOW));
    }

    #[test]
    fn a_person_keeps_a_session_awake() {
        let door = door();
        let cookie = entered(&door);
        let later = NOW.plus(limits::REVIEW_IDLE.saturating_sub(Duration::from_secs(1)));
        assert!(door.visitor(&cookie, None, Presence::Person, later).is_some());
        assert!(door.visitor(&cookie, None, Presence::Person, NOW.plus(limits::REVIEW_IDLE)).is_some());
    }

    #[test]
    fn guessing_passphrases_ends_the_session() {
        let door = door();
        let cookie = entered(&door);
        let visitor = door.visitor(&cookie, None, Presence::Person, NOW).unwrap();
        for _ in 0..limits::REVIEW_WRONG_PASSPHRASES {
            assert!(door.visitor(&cookie, None, Presence::Person, NOW).is_some());
            door.note_wrong_passphrase(&visitor);
        }
        assert!(door.visitor(&cookie, None, Presence::Person, NOW).is_none());
    }

    #[test]
    fn links_and_sessions_are_bounded() {
        let door = door();
        for _ in 0..100 {
            entered(&door);
            token(&door);
        }
        let inside = door.inside();
        assert!(inside.links.len() <= LINKS && inside.sessions.len() <= SESSIONS);
    }

    #[test]
    fn a_form_belongs_to_the_session_it_was_made_for() {
        let door = door();
        let visitor = |cookie: &str| door.visitor(cookie, None, Presence::Person, NOW).unwrap();
        let (one, other) = (visitor(&entered(&door)), visitor(&entered(&door)));
        assert!(one.wrote(&one.csrf));
        assert!(!one.wrote(&other.csrf) && !one.wrote(""));
    }
}
