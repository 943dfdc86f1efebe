//! Which page a request is for, and who may see it.

use http::{Method, StatusCode, header};

use super::door::{Entrance, Presence, Side, Visitor};
use super::guard::{self, Stopped};
use super::pages::{self, PageView};
use super::reply::{self, PageReply};
use super::request::PageRequest;
use super::{act, html::Html};
use crate::answer::Refusal;
use crate::owner::{Afar, Owner};

/// Where anybody may be sent about a question. Whoever is inside is led on by their own browser, which remembers the room;
/// everybody else stands at the entrance.
pub const QUESTION: &str = "/question";

/// What the pages look at, and who may.
pub struct ReviewSite {
    pub bursar: Owner,
    pub door: Entrance,
}

pub async fn answer(window: &ReviewSite, request: &PageRequest) -> PageReply {
    if let Err(stopped) = guard::check(request, window.door.origin()) {
        return stop(stopped);
    }
    match within(request.uri.path(), window.door.room()) {
        Some(page) => inside(window, request, page).await,
        None => outside(window, request).await,
    }
}

/// The name of a page, if it lies in the room that only visitors know.
fn within<'a>(path: &'a str, room: &str) -> Option<&'a str> {
    path.strip_prefix('/')?.strip_prefix(room)?.strip_prefix('/')
}

fn stop(stopped: Stopped) -> PageReply {
    let (status, text) = match stopped {
        Stopped::ForeignHost => (StatusCode::MISDIRECTED_REQUEST, "This page goes by another name.\n"),
        Stopped::ForeignOrigin => (StatusCode::FORBIDDEN, "Only a page of bursar's own may send that.\n"),
        Stopped::OtherMethod => (StatusCode::METHOD_NOT_ALLOWED, "Pages are looked at, and forms are sent.\n"),
    };
    reply::text(status, text)
}

/// What anybody may see: nothing of the wallet.
async fn outside(window: &ReviewSite, request: &PageRequest) -> PageReply {
    match (&request.method, request.uri.path()) {
        (&Method::GET, "/" | QUESTION) => entrance(window, StatusCode::OK, None),
        (&Method::GET, "/review.css") => reply::file("text/css; charset=utf-8", include_str!("review.css")),
        (&Method::GET, "/review.js") => reply::file("text/javascript; charset=utf-8", include_str!("review.js")),
        (&Method::GET, "/review.svg") => reply::file("image/svg+xml", include_str!("review.svg")),
        (&Method::POST, "/enter") if window.door.side() == Side::Near => enter(window, request),
        (&Method::POST, "/sign-in") if window.door.side() == Side::Far => sign_in(window, request).await,
        (&Method::GET, _) => reply::page(StatusCode::NOT_FOUND, pages::nothing_here()),
        _ => reply::text(StatusCode::NOT_FOUND, "There is no such form.\n"),
    }
}

fn entrance(window: &ReviewSite, status: StatusCode, why: Option<&str>) -> PageReply {
    entrance_to(window, "", status, why)
}

/// The same, for somebody who was sent to a question.
fn entrance_to(window: &ReviewSite, to: &str, status: StatusCode, why: Option<&str>) -> PageReply {
    let page = match window.door.side() {
        Side::Near => pages::entrance(why),
        Side::Far => pages::far_entrance(window.bursar.has_code().unwrap_or(false), to, why),
    };
    reply::page(status, page)
}

/// Whoever comes from elsewhere shows both. Which of the two was wrong is not said, nor anything of this machine, and few
/// tries are taken.
async fn sign_in(window: &ReviewSite, request: &PageRequest) -> PageReply {
    let field = |name| request.form.get(name).unwrap_or_default();
    let to = field("to");
    let refuse = |status, why: &str| entrance_to(window, to, status, Some(why));
    if !window.door.may_try(window.bursar.now()) {
        tracing::warn!("too many wrong tries at {}: nobody is let in there for a while", window.door.origin());
        let why = "Too many wrong tries. Nobody is let in here for a quarter of an hour.";
        return refuse(StatusCode::TOO_MANY_REQUESTS, why);
    }
    let proof = match window.bursar.prove_from_afar(field("passphrase"), field("code")).await {
        Ok(proof) => proof,
        Err(Afar::Wrong) => {
            tracing::warn!("somebody at {} had a wrong passphrase or code", window.door.origin());
            return refuse(StatusCode::UNAUTHORIZED, "The passphrase or the code is not right.");
        }
        Err(Afar::Used) => {
            window.door.forget_try();
            return refuse(StatusCode::UNAUTHORIZED, "That code was used already. Wait for the next one.");
        }
        Err(Afar::NotNow(refusal)) => {
            window.door.forget_try();
            tracing::warn!("nobody can be let in at {}: {}", window.door.origin(), words_of(&refusal));
            let why = "Nobody can be let in at the moment. What is wrong stands in the log of bursar review.";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, why);
        }
    };
    match window.door.enter_from_afar(proof, &page_behind(to), window.bursar.now()) {
        Ok((cookie, to)) => reply::with_cookie(reply::see(&to), &cookie),
        Err(cause) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{cause}\n")),
    }
}

/// A question that somebody was sent to, if that is what it is.
fn page_behind(id: &str) -> String {
    let is_id = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    match id {
        "" => "overview".to_owned(),
        id if is_id => format!("pending#{id}"),
        _ => "pending".to_owned(),
    }
}

fn enter(window: &ReviewSite, request: &PageRequest) -> PageReply {
    let token = request.form.get("token").unwrap_or_default();
    match window.door.enter(token.trim(), window.bursar.now()) {
        Ok(Some((cookie, to))) => reply::with_cookie(reply::see(&to), &cookie),
        Ok(None) => {
            let why = "That link was used already, or is too old. Ask for another one.";
            entrance(window, StatusCode::UNAUTHORIZED, Some(why))
        }
        Err(cause) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{cause}\n")),
    }
}

async fn inside(window: &ReviewSite, request: &PageRequest, page: &str) -> PageReply {
    let Some(visitor) = visitor(window, request) else {
        return entrance(window, StatusCode::UNAUTHORIZED, Some("You are signed out."));
    };
    match request.method {
        Method::POST if visitor.wrote(request.form.get("csrf").unwrap_or_default()) => {
            act::act(window, &visitor, page, &request.form).await
        }
        Method::POST => reply::text(StatusCode::FORBIDDEN, "That form was not made for this session.\n"),
        _ => look(window, &visitor, request, page).await,
    }
}

fn visitor(window: &ReviewSite, request: &PageRequest) -> Option<Visitor> {
    let cookies = request.header(header::COOKIE.as_str())?;
    let proof = match window.door.side() {
        Side::Near => None,
        Side::Far => window.bursar.proof_mark().unwrap_or_default(),
    };
    window.door.visitor(cookies, proof.as_deref(), presence(request), window.bursar.now())
}

/// A page that keeps itself fresh says so.
fn presence(request: &PageRequest) -> Presence {
    match request.headers.contains_key("x-bursar-refresh") {
        true => Presence::Page,
        false => Presence::Person,
    }
}

async fn look(window: &ReviewSite, visitor: &Visitor, request: &PageRequest, page: &str) -> PageReply {
    if page == "pulse" {
        return match window.bursar.pulse().await {
            Ok(pulse) => reply::text(StatusCode::OK, pulse),
            Err(refusal) => reply::text(StatusCode::SERVICE_UNAVAILABLE, words_of(&refusal)),
        };
    }
    let said = match presence(request) {
        Presence::Person => window.door.said(visitor),
        Presence::Page => None,
    };
    let query = request.query();
    let view = PageView {
        bursar: &window.bursar,
        // Before the page is made: what changes meanwhile is seen as a change.
        pulse: window.bursar.pulse().await.unwrap_or_default(),
        csrf: &visitor.csrf,
        now: window.bursar.now(),
        has_passphrase: window.bursar.has_passphrase().unwrap_or(true),
        said,
    };
    let made: Result<Html, Refusal> = match page {
        "" | "overview" => pages::overview(&view).await,
        "purchases" => pages::purchases(&view, &query).await,
        "purchase" => pages::purchase(&view, &query).await,
        "sellers" => pages::sellers(&view).await,
        "pending" => pages::pending(&view).await,
        "policy" => pages::policy(&view).await,
        "stop" => pages::stop(&view).await,
        _ => return reply::page(StatusCode::NOT_FOUND, pages::nothing_here()),
    };
    match made {
        Ok(page) => reply::page(StatusCode::OK, page),
        Err(refusal) => reply::page(StatusCode::UNPROCESSABLE_ENTITY, pages::refused(&view, &refusal).await),
    }
}

/// What went wrong, and what to do.
pub fn words_of(refusal: &Refusal) -> String {
    let mut words: Vec<&str> = refusal.reasons.iter().map(|reason| reason.message.as_str()).collect();
    words.extend((!refusal.next.is_empty()).then_some(refusal.next.as_str()));
    words.join("; ")
}
