//! What leaves the machine by the doors that the owner named: a webhook, ntfy, a command. Real receivers stand behind
//! them, and write down what they got.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use ring::hmac;
use sandbox::http::{Request, Server, Wire};
use sandbox::sellers::Stall;
use serde_json::{Value, json};

use crate::scene::{Scene, ended, told, until};

const AGENT: &str = "asker";
const DEAR: u64 = 200_000;
const SECRET: &[u8; 32] = b"a secret of the test, 32 bytes..";
const ORIGIN: &str = "https://bursar.example.com";

/// As the specification of the Standard Webhooks has it.
fn is_signed(posted: &Request) -> bool {
    let signed = [header(posted, "webhook-id"), ".", header(posted, "webhook-timestamp"), "."].concat();
    let tag = header(posted, "webhook-signature").trim_start_matches("v1,");
    let tag = BASE64_STANDARD.decode(tag).unwrap_or_default();
    let signed = [signed.as_bytes(), &posted.body].concat();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &signed, &tag).is_ok()
}

fn header<'a>(posted: &'a Request, name: &str) -> &'a str {
    posted.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn document(posted: &Request) -> Value {
    serde_json::from_slice(&posted.body).expect("JSON")
}

/// Takes what is posted, and answers with these statuses first and 204 afterwards.
struct Receiver {
    server: Server,
    posted: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    async fn that_first_answers(statuses: &[u16]) -> Receiver {
        let posted = Arc::<Mutex<Vec<Request>>>::default();
        let (kept, statuses) = (posted.clone(), statuses.to_vec());
        let take = move |request: Request| {
            let mut kept = kept.lock().unwrap();
            let status = statuses.get(kept.len()).copied().unwrap_or(204);
            kept.push(request);
            let mut reply = http::Response::new(Bytes::new());
            *reply.status_mut() = http::StatusCode::from_u16(status).unwrap();
            std::future::ready(Wire::Answer(reply))
        };
        Receiver { server: Server::start(0, take).await.unwrap(), posted }
    }

    fn host(&self) -> String {
        self.server.address.to_string()
    }

    fn got(&self) -> Vec<Request> {
        self.posted.lock().unwrap().clone()
    }

    async fn next(&self, before: usize) -> Request {
        until("something to be posted", || self.got().len() > before).await;
        self.got().remove(before)
    }
}

async fn market(rules: &str, config: &str) -> Scene {
    let scene = Scene::open(vec![Stall::get("/dear", DEAR), Stall::get("/cheap", 50_000)], rules).await;
    let secret = format!("whsec_{}\n", BASE64_STANDARD.encode(SECRET));
    fs::write(scene.home().join("hook.secret"), secret).unwrap();
    fs::write(scene.home().join("ntfy.token"), "tk_test\n").unwrap();
    let file = scene.home().join("config.toml");
    let notices = format!("[review]\norigin = \"{ORIGIN}\"\nport = 4800\n[notices]\ndesktop = false\n{config}");
    fs::write(&file, fs::read_to_string(&file).unwrap() + &notices).unwrap();
    scene
}

fn webhook(receiver: &Receiver) -> String {
    format!("[notices.webhook]\nurl = \"http://{}/in/TOKEN\"\nsecret_file = \"hook.secret\"\n", receiver.host())
}

fn ntfy(receiver: &Receiver) -> String {
    let server = format!("[notices.ntfy]\nserver = \"http://{}\"\n", receiver.host());
    format!("{server}topic = \"bursar-7f3a\"\ntoken_file = \"ntfy.token\"\n")
}

/// What the servers wrote to their standard error.
fn written(scene: &Scene) -> String {
    let files = fs::read_dir(scene.folder()).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("stderr-"));
    logs.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_posted_signed_and_again_until_it_is_taken() {
    let receiver = Receiver::that_first_answers(&[503]).await;
    let scene = market("", &webhook(&receiver)).await;
    let host = scene.host(AGENT).await;
    let answer = told(host.tool("fetch_paid", json!({"url": scene.url("/dear?key=SECRET")})).await);
    assert_eq!(answer["outcome"], "needs_approval");
    let (first, second) = (receiver.next(0).await, receiver.next(1).await);
    assert!(is_signed(&first) && is_signed(&second));
    assert_eq!((header(&first, "webhook-id"), &first.body), (header(&second, "webhook-id"), &second.body));
    assert_eq!((first.method.as_str(), first.uri.path()), ("POST", "/in/TOKEN"));
    let (told, id) = (document(&first), answer["purchase_id"].as_str().unwrap());
    let data = &told["data"];
    assert_eq!(
        (&told["type"], &data["amount_usd"], &data["agent"]),
        (&json!("question"), &json!("0.20"), &json!(AGENT))
    );
    assert_eq!((&data["purchase_id"], &data["link"]), (&json!(id), &json!(format!("{ORIGIN}/question#{id}"))));
    assert!(!told.to_string().contains("SECRET"), "{told}");
    // The same question is no news within ten minutes.
    let again = crate::scene::told(host.tool("fetch_paid", json!({"url": scene.url("/dear?key=SECRET")})).await);
    assert_eq!(again["outcome"], "needs_approval");
    host.close_stdin();
    ended(&host).await;
    assert_eq!(receiver.got().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ntfy_carries_an_amount_and_a_link_and_nobodys_name() {
    let receiver = Receiver::that_first_answers(&[]).await;
    let scene = market("", &ntfy(&receiver)).await;
    let host = scene.host(AGENT).await;
    let answer = told(host.tool("fetch_paid", json!({"url": scene.url("/dear")})).await);
    let posted = receiver.next(0).await;
    assert_eq!((posted.method.as_str(), posted.uri.path()), ("POST", "/"));
    assert_eq!(header(&posted, "authorization"), "Bearer tk_test");
    let id = answer["purchase_id"].as_str().unwrap();
    let expected = json!({
        "topic": "bursar-7f3a",
        "title": "Pay $0.20?",
        "message": "Your agent asks. Answer on your review page.",
        "priority": 4,
        "click": format!("{ORIGIN}/question#{id}"),
    });
    assert_eq!(document(&posted), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_is_nearly_spent_goes_out_by_every_door_at_once() {
    let (hook, topic) = (Receiver::that_first_answers(&[]).await, Receiver::that_first_answers(&[]).await);
    let folder = tempfile::tempdir().unwrap();
    let (program, note) = (folder.path().join("tell"), folder.path().join("note"));
    fs::write(&program, "#!/bin/sh\ncat > \"$1.part\"; env >> \"$1.part\"; mv \"$1.part\" \"$1\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("command = [\"{}\", \"{}\"]\n", program.display(), note.display());
    let scene = market("[wallet]\nper_day = \"0.06\"\n", &(command + &webhook(&hook) + &ntfy(&topic))).await;
    let host = scene.host(AGENT).await;
    let answer = told(host.tool("fetch_paid", json!({"url": scene.url("/cheap")})).await);
    assert_eq!(answer["outcome"], "answered", "{answer:#}");
    let posted = hook.next(0).await;
    let (told, glance) = (document(&posted), document(&topic.next(0).await));
    assert_eq!((&told["type"], &told["data"]["amount_usd"]), (&json!("notice"), &json!("0.05")), "{told:#}");
    assert!(told["data"]["message"].as_str().unwrap().contains("$0.05 of the $0.06"), "{told:#}");
    assert_eq!((&glance["title"], &glance["click"]), (&json!("$0.05 spent"), &json!(format!("{ORIGIN}/"))));
    until("the command to be run", || note.exists()).await;
    let written = fs::read_to_string(&note).unwrap();
    let (line, environment) = written.split_once('\n').unwrap();
    assert_eq!(serde_json::from_str::<Value>(line).unwrap(), told);
    assert!(!environment.contains("PASSPHRASE"), "where the key's passphrase lies is not handed on: {environment}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_that_does_not_open_stops_no_payment_and_its_secrets_stand_in_no_log() {
    let receiver = Receiver::that_first_answers(&[404]).await;
    let shut = ntfy(&receiver).replace("ntfy.token", "nowhere.token");
    let doors = "command = [\"/nowhere/tell\"]\n".to_owned() + &webhook(&receiver) + &shut;
    let scene = market("[wallet]\nper_day = \"0.06\"\n", &doors).await;
    let host = scene.host(AGENT).await;
    let answer = told(host.tool("fetch_paid", json!({"url": scene.url("/cheap")})).await);
    assert_eq!(answer["outcome"], "answered", "{answer:#}");
    until("the failure to be told", || written(&scene).contains("it answered with 404")).await;
    host.close_stdin();
    ended(&host).await;
    let log = written(&scene);
    assert!(log.contains(&format!("the webhook at {} was not told", receiver.host())), "{log}");
    assert_eq!(receiver.got().len(), 1, "what it does not want is not posted again");
    assert!(log.contains("ntfy stays shut") && log.contains("/nowhere/tell stays shut"), "{log}");
    assert!(!log.contains("TOKEN") && !log.contains("bursar-7f3a"), "{log}");
    let found = scene.json(&["doctor", "--json"]).await;
    let checks = found["checks"].as_array().unwrap();
    let of = |state: &str| checks.iter().filter(|check| check["what"] == "notices" && check["state"] == state).count();
    assert_eq!((of("ok"), of("warn")), (1, 2), "{found:#}");
}
