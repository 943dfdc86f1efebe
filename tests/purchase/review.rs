//! The review page: what its owner can do there, and that nobody else can.

use std::ops::Deref;

use bursar::answer::{Charged, Outcome};
use bursar::web::Review;
use sandbox::sellers::{Behaviour, Stall, stall};

use crate::scene::*;
use crate::visitor::{Visitor, enter, form, send};

const DEAR: u64 = 20 * CENT;
const PAGES: [&str; 7] = ["overview", "purchases", "sellers", "purchase?id=x", "pending", "policy", "stop"];
const FORMS: [&str; 6] = ["approve", "deny", "freeze", "thaw", "apply", "leave"];

/// The page, and somebody who was given a link to it.
struct Page {
    _review: Review,
    visitor: Visitor,
}

impl Deref for Page {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

async fn strangers(scene: &Scene) -> (Review, String) {
    let review = Review::open(scene.bursar.house().owner(), 0).unwrap();
    let link = review.link().unwrap();
    let host = link.split('/').nth(2).unwrap().to_owned();
    (review, host)
}

async fn page(scene: &Scene) -> Page {
    let (review, _) = strangers(scene).await;
    let visitor = Visitor::by(&review.link().unwrap()).await;
    Page { _review: review, visitor }
}

#[tokio::test]
async fn a_link_lets_one_browser_in_once() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let (review, host) = strangers(&scene).await;
    let link = review.link().unwrap();
    let token = link.split_once('#').unwrap().1;
    assert_eq!(enter(&host, token).await.status, 303);
    let again = enter(&host, token).await;
    assert_eq!((again.status, again.header("set-cookie")), (401, ""));
    scene.pass(301);
    let late = review.link().unwrap();
    scene.pass(301);
    assert_eq!(enter(&host, late.split_once('#').unwrap().1).await.status, 401);
    scene.end().await;
}

#[tokio::test]
async fn without_a_session_no_page_says_anything_and_no_form_does_anything() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    let asked = scene.get("/dear").await;
    let id = asked.purchase_id.unwrap();
    let page = page(&scene).await;
    let Page { _review, visitor } = page;
    let stranger = Visitor { cookie: "bursar_review=0".to_owned(), ..visitor };
    for name in PAGES {
        let reply = stranger.look(name).await;
        assert_eq!(reply.status, 401, "{name}");
        assert!(!reply.body.contains(&id) && !reply.body.contains("csrf"), "{name}: {}", reply.body);
    }
    for action in FORMS {
        assert_eq!(stranger.send(action, &[]).await.status, 401, "{action}");
    }
    for outside in ["/overview", "/pending", "/pulse", "/..%2foverview", "//overview", "/0/overview"] {
        let reply = send(&stranger.host, format!("GET {outside} HTTP/1.1\r\nHost: {}\r\n\r\n", stranger.host)).await;
        assert_eq!(reply.status, 404, "{outside}");
    }
    assert_eq!(scene.bursar.frozen().await.unwrap(), None);
    scene.end().await;
}

#[tokio::test]
async fn a_name_that_was_rebound_to_this_machine_gets_nothing_on_any_route() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let page = page(&scene).await;
    let inside = PAGES.map(|name| format!("{}{name}", page.room));
    let outside = ["/", "/enter", "/review.css", "/review.js", "/review.svg", "/nothing"].map(str::to_owned);
    let port = page.host.split(':').nth(1).unwrap();
    for path in inside.iter().chain(&outside) {
        for name in ["evil.example", "localhost", "[::1]", "127.0.0.1.evil.example", "127.0.0.2"] {
            for method in ["GET", "POST"] {
                let rebound = format!("{name}:{port}");
                let head = format!("{method} {path} HTTP/1.1\r\nHost: {rebound}\r\nOrigin: http://{rebound}\r\n");
                let reply =
                    send(&page.host, format!("{head}Cookie: {}\r\nContent-Length: 0\r\n\r\n", page.cookie)).await;
                assert_eq!((reply.status, reply.header("set-cookie")), (421, ""), "{method} {path} {name}");
                assert!(!reply.body.contains('<'), "{}", reply.body);
            }
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn a_form_of_another_site_or_port_changes_nothing() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    scene.get("/dear").await;
    let page = page(&scene).await;
    let (host, cookie) = (&page.host, format!("Cookie: {}\r\n", page.cookie));
    let ours = format!("Origin: http://{host}\r\n");
    let foreign = [
        String::new(),
        "Origin: null\r\n".to_owned(),
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: http://127.0.0.1:1\r\n".to_owned(),
        format!("Origin: https://{host}\r\n"),
        format!("{ours}Sec-Fetch-Site: cross-site\r\n"),
        format!("{ours}Sec-Fetch-Site: same-site\r\n"),
        format!("{ours}Sec-Fetch-Site: none\r\n"),
        format!("{ours}Origin: http://evil.example\r\n"),
    ];
    for headers in foreign {
        for action in FORMS {
            let reply = page.post(action, &format!("{cookie}{headers}"), &[("csrf", &page.csrf)]).await;
            assert_eq!(reply.status, 403, "{action} {headers:?}");
        }
    }
    let other = self::page(&scene).await;
    for csrf in ["", "0", &other.csrf] {
        for action in FORMS {
            let reply = page.post(action, &format!("{cookie}{ours}"), &[("csrf", csrf)]).await;
            assert_eq!(reply.status, 403, "{action} {csrf:?}");
        }
    }
    assert_eq!(scene.bursar.frozen().await.unwrap(), None);
    assert_eq!(scene.bursar.pending().await.unwrap().len(), 1);
    assert_eq!(page.look("overview").await.status, 200, "the session goes on");
    scene.end().await;
}

#[tokio::test]
async fn looking_changes_nothing() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    scene.get("/dear").await;
    let page = page(&scene).await;
    let shown = page.look("pending").await;
    let (agent, id, terms) = (shown.field("agent"), shown.field("id"), shown.field("terms"));
    for action in FORMS {
        let fields = form(&[("csrf", &page.csrf), ("agent", &agent), ("id", &id), ("terms", &terms)]);
        let ours = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", page.host);
        assert_eq!(page.get(&format!("{action}?{fields}"), &ours).await.status, 404, "{action}");
    }
    assert_eq!(scene.bursar.frozen().await.unwrap(), None);
    is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    scene.end().await;
}

#[tokio::test]
async fn every_reply_forbids_frames_scripts_of_others_sniffing_and_keeping() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let page = page(&scene).await;
    let rebound = send(&page.host, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned()).await;
    for reply in [page.look("overview").await, page.look("nothing").await, enter(&page.host, "x").await, rebound] {
        let policy = reply.header("content-security-policy");
        for word in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(word), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let said = ["x-frame-options", "x-content-type-options", "cache-control", "cross-origin-opener-policy"];
        assert_eq!(said.map(|name| reply.header(name)), ["DENY", "nosniff", "no-store", "same-origin"]);
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_yes_on_the_page_lets_the_agent_buy_once() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    let asked = scene.get("/dear").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    let page = page(&scene).await;
    let shown = page.look("pending").await;
    assert!(shown.body.contains("Approve $0.20") && shown.body.contains("/dear"), "{}", shown.body);
    assert_eq!(page.answer("approve").await.header("location"), "pending");
    let said = page.look("pending").await;
    assert!(said.body.contains("Approved: $0.20 to"), "{}", said.body);
    assert!(!page.look("pending").await.body.contains("Approved: $0.20 to"), "it is said once");
    bought(&scene.get("/dear").await);
    scene.pass(121);
    is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    assert_eq!(scene.spent(), DEAR);
    scene.end().await;
}

#[tokio::test]
async fn a_yes_for_other_terms_than_those_asked_for_is_none() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    scene.get("/dear").await;
    let page = page(&scene).await;
    let shown = page.look("pending").await;
    let (agent, id) = (shown.field("agent"), shown.field("id"));
    for (id, terms) in [(id.as_str(), ""), (id.as_str(), "anything"), ("pu_other", &shown.field("terms"))] {
        page.send("approve", &[("agent", &agent), ("id", id), ("terms", terms)]).await;
        assert!(page.look("pending").await.body.contains("said bad"));
        is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    }
    scene.end().await;
}

#[tokio::test]
async fn a_no_on_the_page_is_told_to_the_agent() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    scene.get("/dear").await;
    let page = page(&scene).await;
    page.answer("deny").await;
    let told = scene.get("/dear").await;
    is(&told, Outcome::Refused, Charged::No);
    reason(&told, "denied_by_owner");
    assert!(page.look("pending").await.body.contains("Denied: $0.20"));
    scene.end().await;
}

#[tokio::test]
async fn freezing_and_thawing_on_the_page_stops_and_frees_the_agent() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let page = page(&scene).await;
    page.send("freeze", &[("why", "<b>enough</b>")]).await;
    refused(&scene.get("/thing").await, "frozen");
    let shown = page.look("stop").await;
    assert!(shown.body.contains("&lt;b&gt;enough&lt;/b&gt;") && !shown.body.contains("<b>enough"), "{}", shown.body);
    page.send("thaw", &[]).await;
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn what_a_seller_or_an_agent_writes_is_text_on_every_page() {
    const MARK: &str = "<script>alert(1)</script>";
    let stall = Stall { handler: stall::always("text/html", MARK), ..Stall::get("/thing", CENT) };
    let scene = market([stall]).open().await;
    let path = "/thing?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&x='\"<script>alert(1)</script>";
    let answer = scene.get(path).await;
    bought(&answer);
    let page = page(&scene).await;
    let story = format!("purchase?id={}", answer.purchase_id.unwrap());
    for name in
        ["overview", "purchases", &story, "purchases?q=<script>alert(1)</script>&agent=\"><script>alert(1)</script>"]
    {
        let reply = page.look(&name.replace(['<', '>', '"'], "%3C")).await;
        assert_eq!(reply.status, 200, "{name}");
        assert!(!reply.body.contains("<script>") && !reply.body.contains("alert(1)</script>"), "{}", reply.body);
    }
    assert!(
        page.look(&story).await.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "the goods are shown as text"
    );
    scene.end().await;
}

#[tokio::test]
async fn a_page_left_alone_is_signed_out_though_it_keeps_itself_fresh() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let page = page(&scene).await;
    for _ in 0..30 {
        scene.pass(59);
        assert_eq!(page.get("pulse", "X-Bursar-Refresh: 1\r\n").await.status, 200);
    }
    scene.pass(59);
    assert_eq!(page.get("pulse", "X-Bursar-Refresh: 1\r\n").await.status, 401);
    assert_eq!(page.look("overview").await.status, 401);
    scene.end().await;
}

#[tokio::test]
async fn signing_out_ends_the_session_for_good() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let page = page(&scene).await;
    assert_eq!(page.send("leave", &[]).await.header("location"), "/");
    assert_eq!(page.look("overview").await.status, 401);
    scene.end().await;
}

#[tokio::test]
async fn the_pulse_changes_when_something_was_bought() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let page = page(&scene).await;
    let before = page.look("pulse").await.body;
    assert_eq!(page.look("pulse").await.body, before);
    let shown = page.look("overview").await;
    assert!(shown.body.contains(&format!("data-pulse=\"{before}\"")), "an open page knows how fresh it is");
    bought(&scene.get("/thing").await);
    assert_ne!(page.look("pulse").await.body, before);
    scene.end().await;
}

#[tokio::test]
async fn requests_beyond_any_browsers_size_are_turned_away() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let page = page(&scene).await;
    let long = "x".repeat(20_000);
    assert_eq!(page.send("freeze", &[("why", &long)]).await.status, 413);
    assert_eq!(page.get("overview", &format!("X-Long: {long}\r\n")).await.status, 431);
    assert_eq!(page.look("overview").await.status, 200);
    assert_eq!(scene.bursar.frozen().await.unwrap(), None);
    scene.end().await;
}

#[tokio::test]
async fn the_overview_counts_what_was_spent_and_shows_what_is_held_and_open() {
    let stalls = [Stall::get("/thing", CENT), Stall::that(Behaviour::DropAfterSettling, "/lost", 2 * CENT)];
    let scene = market(stalls).open().await;
    bought(&scene.get("/thing").await);
    is(&scene.get("/lost").await, Outcome::Held, Charged::Unknown);
    let overview = scene.bursar.overview().await.unwrap();
    let today = overview.days.last().unwrap();
    assert_eq!(
        (overview.days.len(), today.counted_usd.to_string(), today.held_usd.to_string()),
        (30, "0.03".into(), "0.02".into())
    );
    assert_eq!(overview.domains.iter().map(|of| of.counted_usd.to_string()).collect::<Vec<_>>(), ["0.03"]);
    let scopes: Vec<&str> = overview.budgets.iter().map(|cap| cap.scope.as_str()).collect();
    assert_eq!(scopes, ["wallet", "wallet", "wallet", "session of agent", "domain 127.0.0.1"]);
    assert_eq!(overview.open.iter().map(|open| open.row.state.as_str()).collect::<Vec<_>>(), ["held"]);
    let shown = page(&scene).await.look("overview").await;
    assert!(shown.body.contains("$0.03 of $1.00 used, $0.02 of it held"), "{}", shown.body);
    scene.end().await;
}

#[tokio::test]
async fn sellers_are_shown_with_what_came_of_them_and_a_purchase_with_what_came() {
    let empty = Stall { handler: stall::always("text/plain", ""), ..Stall::get("/empty", CENT) };
    let scene = market([Stall::get("/thing", CENT), empty]).open().await;
    bought(&scene.get("/thing").await);
    let answer = scene.get("/empty").await;
    let page = page(&scene).await;
    let shown = page.look("sellers").await.body;
    let (_, line) = shown.split_once("purchases?domain=127.0.0.1").expect("a line");
    for cell in [">2</td>", ">$0.02</td>", "title=\"1 empty, 0 an error, 0 of another type\">1</td>"] {
        assert!(line.contains(cell) && !line.contains("$$"), "{cell}: {line}");
    }
    let purchase = page.look(&format!("purchase?id={AGENT}/{}", answer.purchase_id.unwrap())).await.body;
    assert!(purchase.contains("answered 200, delivered, goods: empty"), "{purchase}");
    assert!(purchase.contains("what came for the money is empty"), "{purchase}");
    let nobody = market([]).open().await;
    assert!(self::page(&nobody).await.look("sellers").await.body.contains("Nobody was paid yet."));
    scene.end().await;
    nobody.end().await;
}

const PASSPHRASE: &str = "a few plain words";

#[tokio::test]
async fn with_a_passphrase_approving_and_thawing_ask_for_it_and_saying_no_and_freezing_do_not() {
    let scene = market([Stall::get("/dear", DEAR), Stall::get("/thing", CENT)]).open().await;
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    scene.get("/dear").await;
    let page = page(&scene).await;
    let shown = page.look("pending").await;
    let (agent, id, terms) = (shown.field("agent"), shown.field("id"), shown.field("terms"));
    let question = [("agent", agent.as_str()), ("id", &id), ("terms", &terms)];
    for wrong in [None, Some("x"), Some("a few plain word")] {
        let guess = wrong.map(|wrong| ("passphrase", wrong));
        page.send("approve", &question.into_iter().chain(guess).collect::<Vec<_>>()).await;
        assert!(page.look("pending").await.body.contains("said bad"), "{wrong:?}");
        is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    }
    page.send("approve", &[&question[..], &[("passphrase", PASSPHRASE)]].concat()).await;
    bought(&scene.get("/dear").await);
    page.send("freeze", &[]).await;
    page.send("thaw", &[]).await;
    refused(&scene.get("/thing").await, "frozen");
    page.send("thaw", &[("passphrase", PASSPHRASE)]).await;
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn guessing_the_passphrase_ends_the_session() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    let page = page(&scene).await;
    for _ in 0..5 {
        assert_eq!(page.send("thaw", &[("passphrase", "a guess")]).await.status, 303);
    }
    assert_eq!(page.send("thaw", &[("passphrase", PASSPHRASE)]).await.status, 401);
    scene.end().await;
}

#[tokio::test]
async fn a_changed_policy_is_shown_key_by_key_and_applied_as_it_was_shown() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    let page = page(&scene).await;
    scene.write_rules("[wallet]\nper_payment = \"0.001\"\n");
    let shown = page.look("policy").await;
    assert!(shown.body.contains("tighter") && shown.body.contains("wallet per_payment"), "{}", shown.body);
    let (from, to) = (shown.field("from"), shown.field("to"));
    let apply = [("from", from.as_str()), ("to", &to), ("passphrase", PASSPHRASE)];
    page.send("apply", &apply[..2]).await;
    bought(&scene.get("/thing").await);
    scene.write_rules("[wallet]\nper_payment = \"0.002\"\n");
    page.send("apply", &apply).await;
    assert!(page.look("policy").await.body.contains("changed meanwhile"), "another change than the one shown");
    scene.write_rules("[wallet]\nper_payment = \"0.001\"\n");
    page.send("apply", &apply).await;
    assert!(!page.look("policy").await.body.contains("Put into force"));
    scene.pass(121);
    refused(&scene.get("/thing").await, "over_payment");
    scene.end().await;
}
