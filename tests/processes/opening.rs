//! The review page that opens by itself, where the owner chose it. A script stands where the system's opener would, and
//! writes down what it was asked to open.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sandbox::host::{Era, Host, HostOptions, Said};
use sandbox::sellers::Stall;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::scene::{Scene, ended, told, until};
use crate::visitor::{Visitor, send};

const AGENT: &str = "asker";
/// Asked about above ten cents.
const DEAR: u64 = 200_000;
const DEARER: u64 = 300_000;

/// A desk with a browser on it, and what was opened there.
struct Desk {
    scene: Scene,
}

impl Desk {
    async fn where_the_owner_said(notices: &str) -> Desk {
        let scene = Scene::open(vec![Stall::get("/dear", DEAR), Stall::get("/dearer", DEARER)], "").await;
        let config = scene.home().join("config.toml");
        let said = fs::read_to_string(&config).unwrap() + "[notices]\ndesktop = false\n" + notices;
        fs::write(config, said).unwrap();
        let desk = Desk { scene };
        fs::create_dir(desk.programs()).unwrap();
        desk
    }

    async fn with_an_opener(notices: &str) -> Desk {
        let desk = Desk::where_the_owner_said(notices).await;
        let opener = desk.programs().join("xdg-open");
        fs::write(&opener, format!("#!/bin/sh\necho \"$1\" >> '{}'\n", desk.list().display())).unwrap();
        fs::set_permissions(opener, fs::Permissions::from_mode(0o755)).unwrap();
        desk
    }

    fn programs(&self) -> PathBuf {
        self.scene.folder().join("programs")
    }

    fn list(&self) -> PathBuf {
        self.scene.folder().join("opened")
    }

    /// Every file that the browser was asked for, oldest first.
    fn opened(&self) -> Vec<String> {
        let list = fs::read_to_string(self.list()).unwrap_or_default();
        list.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    /// The link that the next file leads to.
    async fn opened_next(&self, before: usize) -> String {
        until("the browser to be opened", || self.opened().len() > before).await;
        link_in(&fs::read_to_string(self.opened().remove(before)).unwrap())
    }

    async fn host(&self, options: impl Into<HostOptions>) -> Host {
        let mut command = self.scene.command(&["serve", "--agent", AGENT]);
        command.env("PATH", self.programs());
        self.scene.host_of(command, options).await
    }

    fn wish(&self, path: &str) -> Value {
        json!({"url": self.scene.url(path)})
    }
}

/// Where a file leads that a browser is given.
fn link_in(page: &str) -> String {
    let from = page.find("http://127.0.0.1").expect("a link");
    page[from..].split('"').next().unwrap().to_owned()
}

/// Somebody else on this machine.
const STRANGER: u32 = 65_534;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_way_in_is_read_by_another_user_of_the_machine() {
    let desk = Desk::with_an_opener("browser = true\n").await;
    // An opener that stays, as a browser does, for as long as the stranger looks.
    let opener = desk.programs().join("xdg-open");
    let stay = desk.scene.folder().join("stay");
    fs::write(&stay, "").unwrap();
    let (list, stay_at) = (desk.list().display().to_string(), stay.display().to_string());
    let script = format!("#!/bin/sh\necho \"$1\" >> '{list}'\nwhile [ -e '{stay_at}' ]; do :; done\n");
    fs::write(&opener, script).unwrap();
    let host = desk.host(Era::Initialize).await;
    let call = host.begin_tool("fetch_paid", desk.wish("/dear"));
    let link = desk.opened_next(0).await;
    let token = link.split_once('#').expect("a token").1.to_owned();
    let opened = desk.opened().remove(0);
    assert!(!opened.contains(&token), "the secret stands on a command line: {opened}");
    let mode = fs::metadata(&opened).unwrap().permissions().mode() & 0o777;
    let folder = fs::metadata(PathBuf::from(&opened).parent().unwrap()).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, folder), (0o600, 0o700));
    match fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me)) {
        Ok(0) => {
            let folder = desk.scene.folder().display().to_string();
            let look = format!(
                "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ '{opened}'; find '{folder}' -type f -exec cat {{}} +"
            );
            let mut stranger = std::process::Command::new("sh");
            std::os::unix::process::CommandExt::uid(&mut stranger, STRANGER);
            std::os::unix::process::CommandExt::gid(&mut stranger, STRANGER);
            let seen = stranger.args(["-c", &look]).output().unwrap().stdout;
            let seen = String::from_utf8_lossy(&seen);
            assert!(seen.contains("xdg-open"), "the stranger saw no command line at all");
            assert!(!seen.contains(&token), "a stranger reads the way in");
        }
        _ => println!("not run as root: what another user reads was not tried"),
    }
    fs::remove_file(stay).unwrap();
    let owner = Visitor::by(&link).await;
    owner.answer("approve").await;
    is(&told(call.result().await), "answered", "yes");
    host.close_stdin();
    ended(&host).await;
    assert!(!PathBuf::from(opened).exists(), "the file stays when the page is gone");
}

#[track_caller]
fn is(answer: &Value, outcome: &str, charged: &str) {
    assert_eq!((&answer["outcome"], &answer["charged"]), (&json!(outcome), &json!(charged)), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_opens_at_the_question_and_a_yes_there_pays_within_the_same_call() {
    let desk = Desk::with_an_opener("browser = true\n").await;
    let host = desk.host(Era::Initialize).await;
    let call = host.begin_tool("fetch_paid", desk.wish("/dear"));
    let owner = Visitor::by(&desk.opened_next(0).await).await;
    assert!(owner.look("pending").await.body.contains("Approve $0.20"));
    owner.answer("approve").await;
    is(&told(call.result().await), "answered", "yes");

    let call = host.begin_tool("fetch_paid", desk.wish("/dearer"));
    let owner = Visitor::by(&desk.opened_next(1).await).await;
    owner.answer("deny").await;
    is(&told(call.result().await), "refused", "no");
    assert_eq!((desk.opened().len(), desk.scene.settlements(), desk.scene.spent()), (2, 1, DEAR));
    desk.scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_never_opens_twice_at_one_question_and_closes_with_the_server() {
    let desk = Desk::with_an_opener("browser = true\n").await;
    let host = desk.host(Era::Initialize).await;
    let call = host.begin_tool("fetch_paid", desk.wish("/dear"));
    let owner = Visitor::by(&desk.opened_next(0).await).await;
    is(&told(host.tool("fetch_paid", desk.wish("/dear")).await), "needs_approval", "no");
    // As if ten minutes had passed: the question may be shown again, and is not opened again.
    let ledger = rusqlite::Connection::open(desk.scene.home().join("ledger.db")).unwrap();
    ledger.execute("UPDATE question SET shown_at = shown_at - 3600000", []).unwrap();
    let again = host.begin_tool("fetch_paid", desk.wish("/dear"));
    let is_shown = || ledger.query_row("SELECT max(shown_at) > asked_at FROM question", [], |row| row.get(0)).unwrap();
    until("it to be shown again", is_shown).await;
    owner.answer("approve").await;
    let answers = [told(call.result().await), told(again.result().await)];
    assert!(answers.iter().all(|answer| answer["outcome"] == "answered"), "{answers:#?}");
    assert_eq!((desk.opened().len(), desk.scene.settlements()), (1, 1));
    host.close_stdin();
    ended(&host).await;
    assert!(TcpStream::connect(&owner.host).await.is_err(), "the page is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unless_the_owner_chose_it_nothing_is_opened_and_nothing_waited_for() {
    for notices in ["", "browser = false\n"] {
        let desk = Desk::with_an_opener(notices).await;
        let host = desk.host(Era::Initialize).await;
        is(&told(host.tool("fetch_paid", desk.wish("/dear")).await), "needs_approval", "no");
        assert!(!host.notifications().iter().any(|note| note["params"]["message"] == "waiting for the owner"));
        host.close_stdin();
        ended(&host).await;
        assert_eq!(desk.opened().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_browser_can_be_opened_the_question_waits_and_the_call_does_not() {
    let desk = Desk::where_the_owner_said("browser = true\n").await;
    let host = desk.host(Era::Initialize).await;
    let asked = told(host.tool("fetch_paid", desk.wish("/dear")).await);
    is(&asked, "needs_approval", "no");
    assert!(!host.notifications().iter().any(|note| note["params"]["message"] == "waiting for the owner"));
}

/// A host that shows links. It is shown one once the owner is inside; before that the page opens by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_shows_links_is_shown_one_that_lets_nobody_in() {
    let desk = Desk::with_an_opener("browser = true\n").await;
    let asked = Arc::new(Mutex::new(Vec::<Value>::new()));
    let heard = asked.clone();
    let answer = move |_: &str, params: &Value| {
        heard.lock().unwrap().push(params.clone());
        Said::Result(json!({"action": "accept"}))
    };
    let capabilities = json!({"elicitation": {"url": {}}});
    let options = HostOptions { capabilities, answer: Arc::new(answer), ..Era::Initialize.into() };
    let host = desk.host(options).await;
    let call = host.begin_tool("fetch_paid", desk.wish("/dear"));
    let owner = Visitor::by(&desk.opened_next(0).await).await;
    assert_eq!(asked.lock().unwrap().len(), 0);
    owner.answer("deny").await;
    is(&told(call.result().await), "refused", "no");

    let call = host.begin_tool("fetch_paid", desk.wish("/dearer"));
    until("the host to be asked", || asked.lock().unwrap().len() == 1).await;
    let shown = asked.lock().unwrap().remove(0);
    let address = format!("http://{}/question#{}", owner.host, shown["elicitationId"].as_str().unwrap());
    assert_eq!((&shown["mode"], &shown["url"]), (&json!("url"), &json!(address)), "{shown:#}");
    let stranger = send(&owner.host, format!("GET /question HTTP/1.1\r\nHost: {}\r\n\r\n", owner.host)).await;
    assert_eq!((stranger.status, stranger.header("set-cookie")), (200, ""));
    assert!(!stranger.body.contains("/dearer") && !stranger.body.contains(owner.room.trim_matches('/')));
    owner.answer("approve").await;
    is(&told(call.result().await), "answered", "yes");
    assert_eq!((desk.opened().len(), desk.scene.spent()), (1, DEARER));
}
