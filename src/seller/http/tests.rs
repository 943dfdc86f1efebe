//! Real sockets on port 0, and what each ending of an exchange is taken for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::ports::Rest;

const PAYMENT: (&str, &str) = ("PAYMENT-SIGNATURE", "c2lnbmVk");

/// What a shop does once a request has arrived whole.
enum Act {
    /// Writes and keeps the connection.
    Say(String),
    /// Writes and closes.
    SayAndClose(String),
    Close,
    /// Keeps the connection and says nothing more.
    Hang(String),
    /// Writes the same bytes until nobody takes them.
    Pour(String, &'static [u8]),
}

/// A seller on a real socket, with what it heard.
struct Shop {
    address: SocketAddr,
    accepts: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    /// `script` gets the number of the request, from zero, and its text.
    async fn open(script: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Shop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = Shop { address: listener.local_addr().unwrap(), accepts: Arc::default(), heard: Arc::default() };
        let (accepts, heard, script) = (shop.accepts.clone(), shop.heard.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepts.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, heard.clone(), script.clone()));
            }
        });
        shop
    }

    /// A shop that always says the same.
    async fn saying(reply: impl Into<String>) -> Shop {
        let reply = reply.into();
        Shop::open(move |_, _| Act::Say(reply.clone())).await
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    fn accepts(&self) -> usize {
        self.accepts.load(Ordering::SeqCst)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    heard: Arc<Mutex<Vec<String>>>,
    script: Arc<impl Fn(usize, &str) -> Act + Send + Sync + 'static>,
) {
    while let Some(request) = hear(&mut stream).await {
        let number = {
            let mut heard = heard.lock().unwrap();
            heard.push(request.clone());
            heard.len() - 1
        };
        match script(number, &request) {
            Act::Say(text) => stream.write_all(text.as_bytes()).await.unwrap_or_default(),
            Act::SayAndClose(text) => return stream.write_all(text.as_bytes()).await.unwrap_or_default(),
            Act::Close => return,
            Act::Hang(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                return std::future::pending().await;
            }
            Act::Pour(head, bytes) => {
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(bytes).await.is_ok() {}
                return;
            }
        }
    }
}

/// One request: its header, and as much body as it announces.
async fn hear(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    loop {
        if let Some((header, body)) = text.split_once("\r\n\r\n") {
            let lower = header.to_ascii_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn ok(body: &str) -> String {
    reply("200 OK", "", body)
}

fn redirect_to(status: u16, url: &Url) -> String {
    reply(&format!("{status} Go"), &format!("location: {url}\r\n"), "")
}

fn get(url: Url) -> Request {
    Request { method: "GET".to_owned(), url, headers: vec![], body: vec![] }
}

fn with_headers(request: Request, names: &[&str]) -> Request {
    Request { headers: names.iter().map(|name| (name.to_string(), "secret".to_owned())).collect(), ..request }
}

/// The owner opened these shops.
fn allowing(shops: &[&Shop]) -> Vec<String> {
    shops.iter().map(|shop| shop.address.to_string()).collect()
}

/// Long bodies go where temporary files do.
fn here() -> HttpSeller {
    HttpSeller::new(&std::env::temp_dir())
}

async fn ask(request: &Request, allow: &[String]) -> Result<Reply, SellerError> {
    here().ask(request, Egress { allow }).await
}

async fn present(request: &Request, allow: &[String]) -> Presented {
    here().show(request, PAYMENT, Egress { allow }).await
}

fn hurried() -> HttpSeller {
    let short = Duration::from_millis(50);
    HttpSeller { waits: Waits { unpaid: short, paid: short, body: short * 2 }, ..here() }
}

#[tokio::test]
async fn a_request_goes_out_as_bursar_writes_it() {
    let shop = Shop::saying(ok("fine")).await;
    let reply = ask(&get(shop.url("/a?b=c")), &allowing(&[&shop])).await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice(), reply.cut), (200, b"fine".as_slice(), None));
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "GET /a?b=c HTTP/1.1\r\naccept: application/json, */*\r\naccept-encoding: identity\r\n\
         user-agent: bursar/{version}\r\nhost: {}\r\n\r\n",
        shop.address
    );
    assert_eq!(shop.heard(), [expected]);
}

#[tokio::test]
async fn the_agents_own_headers_and_body_go_along() {
    let shop = Shop::saying(ok("")).await;
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![header("Accept", "text/csv"), header("User-Agent", "mine"), header("Cookie", "a=b")];
    let request = Request { method: "POST".to_owned(), url: shop.url("/"), headers, body: b"{}".to_vec() };
    ask(&request, &allowing(&[&shop])).await.unwrap();
    let heard = &shop.heard()[0];
    for line in ["accept: text/csv\r\n", "user-agent: mine\r\n", "cookie: a=b\r\n", "content-length: 2\r\n"] {
        assert!(heard.contains(line), "{heard}");
    }
    assert!(heard.ends_with("\r\n\r\n{}"));
    assert!(!heard.contains("application/json"));
}

#[tokio::test]
async fn a_post_without_a_body_says_that_it_has_none() {
    let shop = Shop::saying(ok("")).await;
    let request = Request { method: "POST".to_owned(), ..get(shop.url("/")) };
    ask(&request, &allowing(&[&shop])).await.unwrap();
    assert!(shop.heard()[0].contains("content-length: 0\r\n"), "{:?}", shop.heard());
}

#[tokio::test]
async fn both_legs_share_one_connection() {
    let shop =
        Shop::open(|number, _| Act::Say(if number == 0 { reply("402 Pay", "", "{}") } else { ok("goods") })).await;
    let (seller, allow) = (here(), allowing(&[&shop]));
    let asked = seller.ask(&get(shop.url("/")), Egress { allow: &allow }).await.unwrap();
    let Presented::Answered(paid) = seller.show(&asked.request, PAYMENT, Egress { allow: &allow }).await else {
        panic!("not answered")
    };
    assert_eq!((asked.status, paid.body.as_slice()), (402, b"goods".as_slice()));
    assert_eq!(shop.accepts(), 1);
    let heard = shop.heard();
    assert!(!heard[0].contains("payment-signature"));
    assert!(heard[1].contains("payment-signature: c2lnbmVk\r\n"));
}

#[tokio::test]
async fn a_challenge_header_of_60_kib_passes_and_a_larger_one_does_not() {
    let challenge = |bytes: usize| reply("402 Pay", &format!("payment-required: {}\r\n", "e".repeat(bytes)), "");
    let shop = Shop::saying(challenge(60 * 1024)).await;
    let asked = ask(&get(shop.url("/")), &allowing(&[&shop])).await.unwrap();
    assert_eq!(asked.headers["payment-required"].len(), 60 * 1024);
    for bytes in [limits::CHALLENGE_HEADER_BYTES + 1, 10 * 1024 * 1024] {
        let shop = Shop::saying(challenge(bytes)).await;
        let refused = ask(&get(shop.url("/")), &allowing(&[&shop])).await;
        assert!(matches!(refused, Err(SellerError::Misbehaved { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_bomb_of_headers_is_refused() {
    let many = "x-a: 1\r\n".repeat(5_000);
    let endless = Shop::open(|_, _| Act::Pour("HTTP/1.1 200 OK\r\nx-a: ".to_owned(), &[b'a'; 4096])).await;
    for shop in [Shop::saying(reply("200 OK", &many, "")).await, endless] {
        let refused = ask(&get(shop.url("/")), &allowing(&[&shop])).await;
        assert!(matches!(refused, Err(SellerError::Misbehaved { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut() {
    let head = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-type: text/html\r\n\r\n");
    let shop = Shop::open(move |_, request| {
        Act::Pour(head(if request.starts_with("GET /402") { "402 Pay" } else { "200 OK" }), &[b'a'; 65_536])
    })
    .await;
    let allow = allowing(&[&shop]);
    let challenge = ask(&get(shop.url("/402")), &allow).await.unwrap();
    assert_eq!((challenge.body.len(), challenge.cut), (limits::CHALLENGE_BODY_BYTES, Some(Cut::TooLong)));
    let free = ask(&get(shop.url("/")), &allow).await.unwrap();
    assert_eq!((free.body_len(), free.cut), (limits::STORED_BODY_BYTES as u64, Some(Cut::TooLong)));
    let Presented::Answered(paid) = present(&get(shop.url("/")), &allow).await else { panic!("not answered") };
    assert_eq!((paid.body_len(), paid.cut), (limits::STORED_BODY_BYTES as u64, Some(Cut::TooLong)));
}

#[tokio::test]
async fn a_packed_body_stays_packed() {
    let packed = reply("200 OK", "content-encoding: gzip\r\n", "\u{1f}\u{8b} is how a bomb begins");
    let shop = Shop::saying(packed).await;
    let free = ask(&get(shop.url("/")), &allowing(&[&shop])).await.unwrap();
    assert_eq!(free.body, "\u{1f}\u{8b} is how a bomb begins".as_bytes());
    assert!(shop.heard()[0].contains("accept-encoding: identity\r\n"));
}

#[tokio::test]
async fn a_seller_is_met_anew_each_time() {
    let shop = Shop::saying(reply("200 OK", "set-cookie: id=1; Path=/\r\n", "")).await;
    let (seller, allow) = (here(), allowing(&[&shop]));
    for _ in 0..2 {
        seller.ask(&get(shop.url("/")), Egress { allow: &allow }).await.unwrap();
    }
    assert!(shop.heard().iter().all(|heard| !heard.contains("cookie")), "{:?}", shop.heard());
}

#[tokio::test]
async fn of_a_long_body_the_beginning_is_held_and_all_of_it_is_in_a_file_until_nobody_wants_it() {
    let long: String = (0..limits::HELD_BODY_BYTES).map(|nth| format!("{nth} ")).collect();
    let said = ok(&long);
    let shop = Shop::open(move |_, _| Act::Say(said.clone())).await;
    let (store, allow) = (tempfile::tempdir().unwrap(), allowing(&[&shop]));
    let seller = HttpSeller::new(store.path());
    let free = seller.ask(&get(shop.url("/")), Egress { allow: &allow }).await.unwrap();
    let paid = seller.show(&get(shop.url("/")), PAYMENT, Egress { allow: &allow }).await;
    let Presented::Answered(paid) = paid else { panic!("not answered") };
    for reply in [&free, &paid] {
        assert_eq!(reply.body_len(), long.len() as u64);
        assert_eq!(reply.cut, None);
        assert!(reply.body.len() <= limits::HELD_BODY_BYTES && long.as_bytes().starts_with(&reply.body));
        let Rest::Filed(file) = &reply.rest else { panic!("held whole") };
        file.keep_as(&store.path().join("kept")).unwrap();
        assert_eq!(std::fs::read_to_string(store.path().join("kept")).unwrap(), long);
    }
    drop((free, paid));
    seller.ask(&get(shop.url("/")), Egress { allow: &allow }).await.unwrap();
    assert_eq!(std::fs::read_dir(store.path()).unwrap().count(), 1, "what nobody kept is gone");
}

#[tokio::test]
async fn a_long_body_that_cannot_be_written_is_measured_to_its_end() {
    let long = "a".repeat(limits::HELD_BODY_BYTES * 2);
    let said = ok(&long);
    let shop = Shop::open(move |_, _| Act::Say(said.clone())).await;
    let (store, allow) = (tempfile::tempdir().unwrap(), allowing(&[&shop]));
    let seller = HttpSeller::new(&store.path().join("not there"));
    let reply = seller.ask(&get(shop.url("/")), Egress { allow: &allow }).await.unwrap();
    assert!(matches!(reply.rest, Rest::Lost(_)), "{:?}", reply.rest);
    assert_eq!((reply.body_len(), reply.cut), (long.len() as u64, None));
}

#[tokio::test]
async fn a_reply_that_is_not_http_is_the_sellers_fault() {
    let shop = Shop::saying("SSH-2.0-OpenSSH_9.6\r\n\r\n").await;
    let refused = ask(&get(shop.url("/")), &allowing(&[&shop])).await;
    assert!(matches!(refused, Err(SellerError::Misbehaved { .. })), "{refused:?}");
    assert!(matches!(present(&get(shop.url("/")), &allowing(&[&shop])).await, Presented::Lost(_)));
}

#[tokio::test]
async fn a_paid_exchange_that_breaks_anywhere_after_the_connection_is_lost() {
    let endings: [fn() -> Act; 5] = [
        || Act::Close,
        || Act::SayAndClose("HTTP/1.1 200 OK\r\ncontent-le".to_owned()),
        || Act::SayAndClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".to_owned()),
        || Act::SayAndClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned()),
        || Act::SayAndClose("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_owned()),
    ];
    for (number, ending) in endings.into_iter().enumerate() {
        let shop = Shop::open(move |_, _| ending()).await;
        let outcome = present(&get(shop.url("/")), &allowing(&[&shop])).await;
        assert!(matches!(outcome, Presented::Lost(SellerError::Broken { .. })), "{number}: {outcome:?}");
        assert_eq!(shop.heard().len(), 1, "{number}: it is never sent twice");
    }
}

#[tokio::test]
async fn a_reused_connection_that_dies_is_lost_and_not_tried_again() {
    let shop = Shop::open(|number, _| if number == 0 { Act::Say(reply("402 Pay", "", "")) } else { Act::Close }).await;
    let (seller, allow) = (here(), allowing(&[&shop]));
    seller.ask(&get(shop.url("/")), Egress { allow: &allow }).await.unwrap();
    let outcome = seller.show(&get(shop.url("/")), PAYMENT, Egress { allow: &allow }).await;
    assert!(matches!(outcome, Presented::Lost(_)), "{outcome:?}");
    assert_eq!((shop.accepts(), shop.heard().len()), (1, 2));
}

#[tokio::test]
async fn a_paid_exchange_that_takes_too_long_is_lost() {
    let silences: [fn() -> Act; 2] =
        [|| Act::Hang(String::new()), || Act::Hang("HTTP/1.1 200 OK\r\npayment-resp".to_owned())];
    for silence in silences {
        let shop = Shop::open(move |_, _| silence()).await;
        let (request, allow) = (get(shop.url("/")), allowing(&[&shop]));
        let outcome = hurried().show(&request, PAYMENT, Egress { allow: &allow }).await;
        assert!(matches!(outcome, Presented::Lost(SellerError::TooSlow { .. })), "{outcome:?}");
        let asked = hurried().ask(&request, Egress { allow: &allow }).await;
        assert!(matches!(asked, Err(SellerError::TooSlow { .. })), "{asked:?}");
    }
}

#[tokio::test]
async fn of_a_paid_answer_that_goes_on_too_long_the_head_and_what_came_are_kept() {
    let half = "HTTP/1.1 200 OK\r\npayment-response: e30=\r\ncontent-length: 10\r\n\r\nhalf";
    let shop = Shop::open(move |_, _| Act::Hang(half.to_owned())).await;
    let (request, allow) = (get(shop.url("/")), allowing(&[&shop]));
    // The head comes at once, and the body never ends.
    let waits = Waits { body: Duration::from_millis(100), ..Waits::default() };
    let seller = HttpSeller { waits, ..here() };
    let outcome = seller.show(&request, PAYMENT, Egress { allow: &allow }).await;
    let Presented::Answered(reply) = outcome else { panic!("the receipt is thrown away: {outcome:?}") };
    assert_eq!((reply.status, reply.body.as_slice(), reply.cut), (200, b"half".as_slice(), Some(Cut::TooSlow)));
    assert!(reply.headers.contains_key("payment-response"));
}

#[tokio::test]
async fn what_never_connected_can_be_presented_later() {
    // Bound, so that nobody else gets the port, and not listening.
    let unheard = TcpSocket::new_v4().unwrap();
    unheard.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = unheard.local_addr().unwrap();
    let allow = [closed.to_string()];
    let refused = present(&get(Url::parse(&format!("http://{closed}/")).unwrap()), &allow).await;
    assert!(matches!(refused, Presented::NeverConnected(SellerError::Unreachable { .. })), "{refused:?}");

    let nowhere = "https://no-such-host.invalid/?key=secret";
    let Presented::NeverConnected(why) = present(&get(Url::parse(nowhere).unwrap()), &[]).await else {
        panic!("connected")
    };
    assert!(matches!(why, SellerError::NoSuchHost { .. }), "{why:?}");
    assert!(!why.to_string().contains("secret"));
}

#[tokio::test]
async fn a_tls_handshake_that_fails_never_connected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 16]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 This is not TLS\r\n\r\n").await;
        }
    });
    let url = Url::parse(&format!("https://{address}/")).unwrap();
    let outcome = present(&get(url), &[address.to_string()]).await;
    assert!(matches!(outcome, Presented::NeverConnected(SellerError::Unreachable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn forbidden_targets_see_no_connection() {
    let shop = Shop::saying(ok("inside")).await;
    let port = shop.address.port();
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "127.1",
        "[::ffff:127.0.0.1]",
        "localhost",
        "a.localhost",
    ];
    let elsewhere = [format!("127.0.0.1:{}", port.wrapping_add(1)), "10.0.0.1".to_owned()];
    for host in hosts {
        for scheme in ["http", "https"] {
            let request = get(Url::parse(&format!("{scheme}://{host}:{port}/")).unwrap());
            let asked = ask(&request, &elsewhere).await;
            let is_closed = matches!(asked, Err(SellerError::Forbidden(_) | SellerError::NoSuchHost { .. }));
            assert!(is_closed, "{scheme} {host}: {asked:?}");
            let outcome = present(&request, &elsewhere).await;
            assert!(matches!(outcome, Presented::NeverConnected(_)), "{scheme} {host}: {outcome:?}");
        }
    }
    assert_eq!(shop.accepts(), 0);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_at_the_connection() {
    let url = Url::parse("https://localhost:1/").unwrap();
    let Err(SellerError::Forbidden(why)) = ask(&get(url), &[]).await else { panic!("not refused") };
    assert!(why.starts_with("`localhost` leads to a loopback address: bursar goes only to"), "{why}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_connecting() {
    let shop = Shop::saying(ok("")).await;
    let allow = allowing(&[&shop]);
    let bad_method = Request { method: "CONNECT".to_owned(), ..get(shop.url("/")) };
    let payment = with_headers(get(shop.url("/")), &["X-PAYMENT"]);
    let host = with_headers(get(shop.url("/")), &["Host"]);
    for request in [bad_method, payment, host] {
        assert!(matches!(ask(&request, &allow).await, Err(SellerError::Forbidden(_))));
        assert!(matches!(present(&request, &allow).await, Presented::NeverConnected(SellerError::Forbidden(_))));
    }
    assert_eq!(shop.accepts(), 0);
}

#[tokio::test]
async fn a_redirect_is_followed_and_the_reply_names_the_request_it_answers() {
    let shop = Shop::open(|number, _| match number {
        0 => Act::Say(reply("307 Go", "location: /there#part\r\n", "ignored")),
        _ => Act::Say(ok("there")),
    })
    .await;
    let asked = with_headers(get(shop.url("/here")), &["Authorization"]);
    let reply = ask(&asked, &allowing(&[&shop])).await.unwrap();
    assert_eq!(reply.request, Request { url: shop.url("/there"), ..asked });
    assert!(shop.heard()[1].contains("authorization: secret\r\n"));
}

#[tokio::test]
async fn sensitive_headers_do_not_cross_to_another_origin() {
    let other = Shop::saying(ok("other")).await;
    let there = other.url("/");
    let shop = Shop::open(move |_, _| Act::Say(redirect_to(302, &there))).await;
    let asked = with_headers(get(shop.url("/")), &["AUTHORIZATION", "cookie", "X-Api-Key", "X-Pin", "Accept"]);
    let reply = ask(&asked, &allowing(&[&shop, &other])).await.unwrap();
    assert_eq!(reply.request, with_headers(get(other.url("/")), &["Accept"]));
    let heard = &other.heard()[0];
    assert!(heard.contains("accept: secret\r\n"));
    assert_eq!(heard.matches("secret").count(), 1);
    assert!(!heard.contains("referer"));
}

#[tokio::test]
async fn each_hop_is_checked_like_the_first() {
    let inside = Shop::saying(ok("inside")).await;
    let there = inside.url("/");
    let shop = Shop::open(move |_, _| Act::Say(redirect_to(307, &there))).await;
    let asked = ask(&get(shop.url("/")), &allowing(&[&shop])).await;
    assert!(matches!(asked, Err(SellerError::Forbidden(_))), "{asked:?}");
    assert_eq!((shop.accepts(), inside.accepts()), (1, 0));
}

#[tokio::test]
async fn redirects_end() {
    let shop = Shop::saying(reply("302 Go", "location: /again\r\n", "")).await;
    let asked = ask(&get(shop.url("/")), &allowing(&[&shop])).await;
    assert!(matches!(asked, Err(SellerError::TooManyRedirects { .. })), "{asked:?}");
    assert_eq!(shop.heard().len(), limits::REDIRECTS + 1);
}

#[tokio::test]
async fn a_payment_follows_no_redirect_not_even_at_home() {
    let other = Shop::saying(ok("other")).await;
    for status in [301, 302, 303, 307, 308] {
        for there in [other.url("/"), Url::parse("http://127.0.0.1/same").unwrap()] {
            let shop = Shop::open(move |_, _| Act::Say(redirect_to(status, &there))).await;
            let outcome = present(&get(shop.url("/")), &allowing(&[&shop, &other])).await;
            let Presented::Answered(reply) = outcome else { panic!("{outcome:?}") };
            assert_eq!((reply.status, shop.heard().len()), (status, 1));
        }
    }
    assert_eq!(other.accepts(), 0);
}
