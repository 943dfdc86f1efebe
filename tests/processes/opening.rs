//! The review page that opens by itself, where the owner chose it. A script stands where the system's opener would, and
//! writes down what it was asked to open.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use sandbox::host::{Era, Host, HostOptions, Said};
use sandbox::sellers::Stall;
use serde_json::{Value, json};
use testkit::terminal::AtTerminal;
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

    /// An opener that stays as long as a browser would, until it is let go.
    async fn with_an_opener_that_stays(notices: &str) -> Desk {
        let desk = Desk::with_an_opener(notices).await;
        let made = Command::new("mkfifo").arg(desk.leash()).status().unwrap();
        assert!(made.success());
        let opener = desk.programs().join("xdg-open");
        let script = fs::read_to_string(&opener).unwrap();
        fs::write(opener, format!("{script}read word < '{}'\n", desk.leash().display())).unwrap();
        desk
    }

    fn leash(&self) -> PathBuf {
        self.scene.folder().join("leash")
    }

    fn let_go(&self) {
        fs::write(self.leash(), "go\n").unwrap();
    }

    /// Everything that the browser was asked to open, oldest first.
    fn opened(&self) -> Vec<String> {
        let list = fs::read_to_string(self.list()).unwrap_or_default();
        list.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    async fn opened_next(&self, before: usize) -> String {
        until("the browser to be opened", || self.opened().len() > before).await;
        self.opened().remove(before)
    }

    /// Where the browser is led by what it was asked to open.
    async fn led_next(&self, before: usize) -> String {
        let page = fs::read_to_string(leading(&self.opened_next(before).await)).unwrap();
        let (_, rest) = page.split_once("url=").expect("a page that leads on");
        rest.split('"').next().unwrap().to_owned()
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

/// The file that an opener was given.
fn leading(opened: &str) -> PathBuf {
    PathBuf::from(opened.strip_prefix("file://").expect("the browser is given a file, and no link"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
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
    let owner = Visitor::by(&desk.led_next(0).await).await;
    assert!(owner.look("pending").await.body.contains("Approve $0.20"));
    owner.answer("approve").await;
    is(&told(call.result().await), "answered", "yes");

    let call = host.begin_tool("fetch_paid", desk.wish("/dearer"));
    let owner = Visitor::by(&desk.led_next(1).await).await;
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
    let owner = Visitor::by(&desk.led_next(0).await).await;
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
    let owner = Visitor::by(&desk.led_next(0).await).await;
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

/// The arguments of a program can be read by everybody on the machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_is_given_a_file_of_its_owners_that_is_gone_once_somebody_is_inside() {
    let desk = Desk::with_an_opener("browser = true\n").await;
    let host = desk.host(Era::Initialize).await;
    let call = host.begin_tool("fetch_paid", desk.wish("/dear"));
    let (link, opened) = (desk.led_next(0).await, desk.opened_next(0).await);
    let (_, token) = link.split_once('#').unwrap();
    assert!(!opened.contains(token) && opened.starts_with("file:///"), "{opened}");
    let file = leading(&opened);
    let folder = file.parent().unwrap();
    assert_eq!((mode(&file), mode(folder)), (0o600, 0o700));
    // Browsers that are confined see nothing in hidden folders.
    let inside = folder.strip_prefix(desk.scene.folder()).unwrap();
    assert!(!inside.to_string_lossy().starts_with('.'), "{}", folder.display());
    let owner = Visitor::by(&link).await;
    assert!(!folder.exists(), "it is removed when it was used");
    owner.answer("deny").await;
    is(&told(call.result().await), "refused", "no");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_no_browser_ever_opened_is_gone_with_the_server() {
    let desk = Desk::with_an_opener("browser = true\n").await;
    let host = desk.host(Era::Initialize).await;
    let call = host.begin_tool("fetch_paid", desk.wish("/dear"));
    let file = leading(&desk.opened_next(0).await);
    assert!(file.exists());
    host.close_stdin();
    ended(&host).await;
    drop(call);
    assert!(!file.parent().unwrap().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_shows_its_link_at_the_terminal_and_to_no_other_program() {
    let desk = Desk::with_an_opener("").await;
    let mut command = desk.scene.command(&["review"]);
    command.env("PATH", desk.programs());
    let mut owner = AtTerminal::start(command.as_std_mut());
    let mut shown = owner.until("/#");
    if shown.split("/#").nth(1).is_none_or(|rest| !rest.contains('\n')) {
        shown += &owner.until("\n");
    }
    let (link, opened) = (desk.led_next(0).await, desk.opened_next(0).await);
    let (_, token) = link.split_once('#').unwrap();
    assert!(shown.contains(&link) && !opened.contains(token), "{shown} {opened}");
    owner.is_interrupted();
    owner.ends();
    assert!(!leading(&opened).exists());
}

/// Another user of this machine; only root can have one made.
struct Stranger {
    uid: u32,
}

impl Stranger {
    const NAME: &str = "bursar-stranger";

    fn move_in() -> Option<Stranger> {
        let number = |args: &[&str]| -> Option<u32> {
            let told = Command::new("id").args(args).output().ok()?;
            String::from_utf8_lossy(&told.stdout).trim().parse().ok()
        };
        if number(&["-u"]) != Some(0) {
            println!("skipped: only root can make another user, and this is not root");
            return None;
        }
        let made = Command::new("useradd").args(["--system", "--no-create-home", Stranger::NAME]).output();
        match number(&["-u", Stranger::NAME]) {
            Some(uid) => Some(Stranger { uid }),
            None => {
                println!("skipped: no other user could be made: {made:?}");
                None
            }
        }
    }

    /// All that this user can read of processes, and in a folder of somebody else.
    fn sees(&self, folder: &PathBuf, file: &PathBuf) -> String {
        // Not as an argument: those would be among what is seen.
        let script = std::env::temp_dir().join(format!("bursar-stranger-{}", std::process::id()));
        let words = r#"
            for process in /proc/[0-9]*; do cat "$process/cmdline" "$process/environ"; echo; done
            find "$1"
            find "$1" -type f -exec cat {} +
            cat "$2" && echo "the file was read"
            ls "$(dirname "$2")" && echo "the folder was read""#;
        fs::write(&script, words).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
        let mut look = Command::new("sh");
        look.args([&script, folder, file]).uid(self.uid).gid(self.uid).current_dir("/");
        let seen = look.output().unwrap().stdout;
        fs::remove_file(script).unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        _ = Command::new("userdel").arg(Stranger::NAME).output();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_of_the_machine_finds_no_way_in_while_the_page_is_opened() {
    let Some(stranger) = Stranger::move_in() else { return };
    let desk = Desk::with_an_opener_that_stays("browser = true\n").await;
    // As homes often are.
    fs::set_permissions(desk.scene.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    let host = desk.host(Era::Initialize).await;
    let call = host.begin_tool("fetch_paid", desk.wish("/dear"));
    let opened = desk.opened_next(0).await;
    let file = PathBuf::from(opened.trim_start_matches("file://"));
    let seen = stranger.sees(&desk.scene.folder().to_owned(), &file);
    assert!(seen.contains("xdg-open") && seen.contains(&opened), "the opener stands in the list of processes");
    assert!(!seen.contains(" was read"), "a stranger reads {opened}");
    let link = desk.led_next(0).await;
    assert!(!seen.contains(link.split_once('#').unwrap().1), "a stranger saw the link: {opened}");
    Visitor::by(&link).await.answer("deny").await;
    desk.let_go();
    is(&told(call.result().await), "refused", "no");
}
