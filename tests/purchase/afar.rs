//! The review page from elsewhere: through a tunnel of the owner's, with the passphrase and a code.

use bursar::answer::{Charged, Outcome};
use bursar::wallet::CodeSecret;
use bursar::web::{FarReview, Review};
use sandbox::sellers::Stall;
use testkit::authenticator::code;
use url::Url;

use crate::scene::*;
use crate::visitor::{Reply, Visitor, form, send};

const DEAR: u64 = 20 * CENT;
const PASSPHRASE: &str = "a few plain words";
const ORIGIN: &str = "https://bursar.example.com";
const NAME: &str = "bursar.example.com";

/// What a tunnel leads to, and what was typed into the owner's app.
struct Tunnel {
    _far: FarReview,
    at: String,
    typed: String,
}

/// Somebody who was let in.
struct Inside {
    room: String,
    cookie: String,
    csrf: String,
}

impl Tunnel {
    /// With a passphrase and codes.
    async fn to(scene: &Scene) -> Tunnel {
        scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
        let secret = CodeSecret::random().unwrap();
        let typed = secret.spelt().to_string();
        scene.bursar.set_code(PASSPHRASE, secret, &code(&typed, now(scene))).await.unwrap();
        Tunnel::bare(scene, typed)
    }

    fn bare(scene: &Scene, typed: String) -> Tunnel {
        let tunnel = bursar::config::Tunnel { origin: Url::parse(ORIGIN).unwrap(), port: 0 };
        let _far = FarReview::open(scene.bursar.house().owner(), &tunnel).unwrap();
        let at = format!("127.0.0.1:{}", _far.port());
        Tunnel { _far, at, typed }
    }

    async fn get(&self, path: &str, cookie: &str) -> Reply {
        send(&self.at, format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\nCookie: {cookie}\r\n\r\n")).await
    }

    async fn post(&self, path: &str, origin: &str, cookie: &str, fields: &[(&str, &str)]) -> Reply {
        let body = form(fields);
        let head = format!("POST {path} HTTP/1.1\r\nHost: {NAME}\r\nOrigin: {origin}\r\nCookie: {cookie}\r\n");
        send(&self.at, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await
    }

    async fn sign_in(&self, passphrase: &str, code: &str) -> Reply {
        let fields = [("passphrase", passphrase), ("code", code), ("to", "pu_1")];
        self.post("/sign-in", ORIGIN, "", &fields).await
    }

    async fn let_in(&self, scene: &Scene) -> Inside {
        let entered = self.sign_in(PASSPHRASE, &code(&self.typed, now(scene))).await;
        assert_eq!(entered.status, 303, "{}", entered.body);
        let (room, page) = entered.header("location").rsplit_once('/').unwrap();
        assert_eq!(page, "pending#pu_1");
        let cookie = entered.header("set-cookie");
        assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
        let (room, cookie) = (room.to_owned(), cookie.split(';').next().unwrap().to_owned());
        let csrf = self.get(&format!("{room}/pending"), &cookie).await.field("csrf");
        Inside { room, cookie, csrf }
    }
}

fn now(scene: &Scene) -> i64 {
    scene.bursar.house().owner().now().secs()
}

#[tokio::test]
async fn the_owner_signs_in_with_both_and_approves_with_the_passphrase() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    let tunnel = Tunnel::to(&scene).await;
    is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    scene.pass(30);
    let Inside { room, cookie, csrf } = tunnel.let_in(&scene).await;
    let shown = tunnel.get(&format!("{room}/pending"), &cookie).await;
    let (agent, id, terms) = (shown.field("agent"), shown.field("id"), shown.field("terms"));
    let question = [("csrf", csrf.as_str()), ("agent", &agent), ("id", &id), ("terms", &terms)];
    let approve = format!("{room}/approve");
    tunnel.post(&approve, ORIGIN, &cookie, &question).await;
    is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    tunnel.post(&approve, ORIGIN, &cookie, &[&question[..], &[("passphrase", PASSPHRASE)]].concat()).await;
    bought(&scene.get("/dear").await);
    scene.end().await;
}

#[tokio::test]
async fn one_of_the_two_alone_lets_nobody_in_and_which_was_wrong_is_not_said() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let tunnel = Tunnel::to(&scene).await;
    scene.pass(30);
    let right = code(&tunnel.typed, now(&scene));
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let mut told = Vec::new();
    for (passphrase, code) in [(PASSPHRASE, wrong), ("a guess of words", right.as_str()), ("a guess of words", wrong)] {
        let reply = tunnel.sign_in(passphrase, code).await;
        assert_eq!((reply.status, reply.header("set-cookie")), (401, ""));
        told.push(reply.body);
    }
    assert!(told.iter().all(|body| *body == told[0] && body.contains("The passphrase or the code is not right")));
    tunnel.let_in(&scene).await;
    scene.end().await;
}

#[tokio::test]
async fn a_code_lets_in_once_and_five_wrong_tries_let_nobody_in_for_a_while() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let tunnel = Tunnel::to(&scene).await;
    scene.pass(30);
    tunnel.let_in(&scene).await;
    let again = tunnel.sign_in(PASSPHRASE, &code(&tunnel.typed, now(&scene))).await;
    assert!(again.status == 401 && again.body.contains("used already"), "{}", again.body);
    for _ in 0..5 {
        assert_eq!(tunnel.sign_in("a guess of words", "000000").await.status, 401);
    }
    scene.pass(30);
    let right = tunnel.sign_in(PASSPHRASE, &code(&tunnel.typed, now(&scene))).await;
    assert_eq!((right.status, right.header("set-cookie")), (429, ""));
    scene.pass(900);
    tunnel.let_in(&scene).await;
    scene.end().await;
}

#[tokio::test]
async fn without_a_passphrase_or_a_code_or_an_origin_nobody_comes_from_elsewhere() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let tunnel = Tunnel::bare(&scene, String::new());
    for has_passphrase in [false, true] {
        if has_passphrase {
            scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
        }
        let door = tunnel.get("/", "").await;
        assert!(door.body.contains("Nobody is let in here yet") && !door.body.contains("<form"), "{}", door.body);
        assert_eq!(tunnel.sign_in(PASSPHRASE, "000000").await.status, 503, "{has_passphrase}");
    }
    // What is for this machine knows no other origin, whatever a tunnel would lead there.
    let here = Review::open(scene.bursar.house().owner(), 0).unwrap();
    let at = here.link().unwrap().split('/').nth(2).unwrap().to_owned();
    for path in ["/", "/sign-in", "/review.css"] {
        let reply = send(&at, format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n")).await;
        assert_eq!(reply.status, 421, "{path}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_link_is_good_on_this_machine_alone_and_so_is_a_session() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let tunnel = Tunnel::to(&scene).await;
    scene.pass(30);
    let here = Review::open(scene.bursar.house().owner(), 0).unwrap();
    let link = here.link().unwrap();
    let token = link.split_once('#').unwrap().1;
    assert_eq!(tunnel.post("/enter", ORIGIN, "", &[("token", token)]).await.status, 404);
    let near = Visitor::by(&link).await;
    let inside = tunnel.let_in(&scene).await;
    let room = |page: &str| format!("{}/{page}", inside.room);
    assert_ne!(near.room, room(""), "whoever reads the tunnel's log does not learn where the pages here lie");
    assert_eq!(tunnel.get(&room("overview"), &inside.cookie).await.status, 200);
    assert_eq!(tunnel.get(&room("overview"), &near.cookie).await.status, 401);
    // A tunnel that changes the name it was asked for, as some do, leads nowhere.
    let renamed =
        Visitor { host: tunnel.at.clone(), room: room(""), cookie: inside.cookie.clone(), csrf: String::new() };
    assert_eq!(renamed.look("overview").await.status, 421);
    let far = Visitor { cookie: inside.cookie.clone(), ..near };
    assert_eq!(far.look("overview").await.status, 401);
    for origin in ["https://evil.example", "null", "http://bursar.example.com", &format!("http://{}", tunnel.at)] {
        let (freeze, csrf) = (format!("{}/freeze", inside.room), [("csrf", inside.csrf.as_str())]);
        let reply = tunnel.post(&freeze, origin, &inside.cookie, &csrf).await;
        assert_eq!(reply.status, 403, "{origin}");
    }
    assert_eq!(scene.bursar.frozen().await.unwrap(), None);
    scene.end().await;
}

#[tokio::test]
async fn codes_stay_when_the_passphrase_changes_and_a_program_that_takes_them_away_is_noticed() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let tunnel = Tunnel::to(&scene).await;
    bought(&scene.get("/thing").await);
    let other = "another few plain words";
    scene.bursar.set_passphrase(Some(PASSPHRASE), other).await.unwrap();
    scene.pass(30);
    assert_eq!(tunnel.sign_in(PASSPHRASE, &code(&tunnel.typed, now(&scene))).await.status, 401);
    assert_eq!(tunnel.sign_in(other, &code(&tunnel.typed, now(&scene))).await.status, 303);
    let file = scene.home.owner_file();
    let whole = std::fs::read_to_string(&file).unwrap();
    let mut without: serde_json::Value = serde_json::from_str(&whole).unwrap();
    assert!(without.as_object_mut().unwrap().remove("second_factor").is_some());
    std::fs::write(&file, without.to_string()).unwrap();
    scene.pass(121);
    refused(&scene.get("/thing").await, "owner_replaced");
    std::fs::write(&file, whole).unwrap();
    scene.pass(60);
    let again = tunnel.sign_in(other, &code(&tunnel.typed, now(&scene))).await;
    let cookie = again.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = format!("{}overview", again.header("location").split_inclusive('/').take(2).collect::<String>());
    assert_eq!(tunnel.get(&page, &cookie).await.status, 200);
    scene.bursar.remove_code(other).await.unwrap();
    assert_eq!(tunnel.get(&page, &cookie).await.status, 401, "a session ends with the codes it began with");
    assert!(tunnel.get("/", "").await.body.contains("Nobody is let in here yet"));
    bought(&scene.get("/thing").await);
    scene.end().await;
}
