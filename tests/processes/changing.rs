//! The owner's passphrase and policy are changed, and the program stops dead in between. Whichever of the old and the new
//! it is afterwards, it is one of them: it answers for its owner, and payments go on.
//!
//! Only builds with debug assertions have the places to stop at.

use std::process::Output;

use sandbox::sellers::Stall;
use testkit::terminal::AtTerminal;

use crate::scene::{OPEN, Scene};

const OLD: &str = "open sesame";
const NEW: &str = "open barley";

/// What the terminal shows, and what its owner types then.
type Talk<'a> = &'a [(&'a str, &'a str)];

struct Desk {
    scene: Scene,
}

impl Desk {
    async fn open() -> Desk {
        let rules = OPEN.replace("[each_domain]", "[each_domain]\nrepeat_window = \"0s\"");
        Desk { scene: Scene::open(vec![Stall::get("/thing", 10_000)], &rules).await }
    }

    fn at_the_terminal(&self, args: &[&str], talk: Talk<'_>, crash: Option<&str>) -> Output {
        let mut command = self.scene.command(args);
        command.envs(crash.map(|point| ("BURSAR_CRASH_AT", point)));
        let mut owner = AtTerminal::start(command.as_std_mut());
        for (shown, typed) in talk {
            owner.until(shown);
            owner.types(typed);
        }
        owner.ends()
    }

    #[track_caller]
    fn done(&self, args: &[&str], talk: Talk<'_>) {
        let output = self.at_the_terminal(args, talk, None);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Whether it stopped there.
    fn crashes(&self, args: &[&str], talk: Talk<'_>, point: &str) -> bool {
        self.at_the_terminal(args, talk, Some(point)).status.code().is_none()
    }

    fn has_passphrase(&self) -> bool {
        self.scene.home().join("owner.json").exists()
    }

    /// The passphrase that answers for the owner now; none is asked for where none is set.
    async fn works(&self, point: &str) -> Option<&'static str> {
        self.scene.run(&["freeze"]).await;
        for passphrase in [OLD, NEW] {
            let mut talk = vec![("let agents spend again: ", "thaw")];
            talk.extend(self.has_passphrase().then_some(("Owner's passphrase: ", passphrase)));
            let had = self.has_passphrase();
            if self.at_the_terminal(&["thaw"], &talk, None).status.success() {
                return had.then_some(passphrase);
            }
        }
        panic!("after {point} neither the old nor the new one works");
    }

    async fn payments_go_on(&self, point: &str) {
        let answer = self.scene.json(&["fetch", &self.scene.url("/thing"), "--json"]).await;
        assert_eq!(
            (&answer["outcome"], &answer["charged"]),
            (&"answered".into(), &"yes".into()),
            "{point}: {answer:#}"
        );
    }

    fn sets(&self, passphrase: &str) {
        self.done(&["owner", "set"], &[("New passphrase: ", passphrase), ("Once more: ", passphrase)]);
    }

    fn removes(&self, passphrase: &str) {
        self.done(&["owner", "remove"], &[("Owner's passphrase: ", passphrase)]);
    }

    async fn is_held_back(&self) -> bool {
        self.scene.json(&["policy", "check", "--json"]).await["in_force"] == false
    }
}

/// Each point twice: what looks first afterwards may be the owner or a payment.
fn cases() -> Vec<(&'static str, bool)> {
    bursar::crash::POINTS_OWNER.iter().flat_map(|point| [(*point, true), (*point, false)]).collect()
}

/// A payment looks at the seal, and finishes what was sealed: what works after it works for good.
async fn looked_at(desk: &Desk, point: &str, pays_first: bool) -> Option<&'static str> {
    if !pays_first {
        desk.works(point).await;
    }
    desk.payments_go_on(point).await;
    let works = desk.works(point).await;
    desk.payments_go_on(point).await;
    works
}

/// Plays one change at every point it passes; these it has to pass.
const EVERY: [&str; 4] = ["owner_planned", "owner_sealed", "owner_written", "owner_changed"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_the_passphrase_is_set_leaves_none_or_the_new_one() {
    let desk = Desk::open().await;
    let mut passed = Vec::new();
    for (point, pays_first) in cases() {
        let talk = [("New passphrase: ", NEW), ("Once more: ", NEW)];
        passed.extend(desk.crashes(&["owner", "set"], &talk, point).then_some(point));
        if let Some(works) = looked_at(&desk, point, pays_first).await {
            assert_eq!(works, NEW, "{point}");
            desk.removes(NEW);
        }
    }
    assert_eq!(passed, EVERY.map(|point| [point; 2]).concat());
    desk.scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_the_passphrase_is_changed_leaves_the_old_or_the_new_one() {
    let desk = Desk::open().await;
    let mut passed = Vec::new();
    for (point, pays_first) in cases() {
        desk.sets(OLD);
        let talk = [("Owner's passphrase: ", OLD), ("New passphrase: ", NEW), ("Once more: ", NEW)];
        passed.extend(desk.crashes(&["owner", "set"], &talk, point).then_some(point));
        let works = looked_at(&desk, point, pays_first).await;
        desk.removes(works.unwrap_or_else(|| panic!("the passphrase was lost at {point}")));
    }
    assert_eq!(passed, EVERY.map(|point| [point; 2]).concat());
    desk.scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_the_passphrase_is_removed_leaves_it_or_none() {
    let desk = Desk::open().await;
    let mut passed = Vec::new();
    for (point, pays_first) in cases() {
        if !desk.has_passphrase() {
            desk.sets(OLD);
        }
        passed.extend(desk.crashes(&["owner", "remove"], &[("Owner's passphrase: ", OLD)], point).then_some(point));
        assert!(matches!(looked_at(&desk, point, pays_first).await, None | Some(OLD)), "{point}");
    }
    assert_eq!(passed, EVERY.map(|point| [point; 2]).concat());
    desk.scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_a_policy_is_applied_leaves_the_one_before_or_the_new_one() {
    let desk = Desk::open().await;
    desk.sets(OLD);
    let mut passed = Vec::new();
    let policy = desk.scene.home().join("policy.toml");
    for (count, (point, pays_first)) in cases().into_iter().enumerate() {
        let text = std::fs::read_to_string(&policy).unwrap();
        std::fs::write(&policy, text + &format!("# {count}\n")).unwrap();
        let talk = [("put this into force: ", "apply"), ("Owner's passphrase: ", OLD)];
        passed.extend(desk.crashes(&["policy", "apply"], &talk, point).then_some(point));
        assert_eq!(looked_at(&desk, point, pays_first).await, Some(OLD), "{point}");
        if desk.is_held_back().await {
            desk.done(&["policy", "apply"], &talk);
        }
    }
    assert_eq!(passed, EVERY.map(|point| [point; 2]).concat());
    desk.scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_a_rule_is_written_leaves_the_policy_before_or_the_new_one() {
    let desk = Desk::open().await;
    desk.sets(OLD);
    let mut passed = Vec::new();
    for (count, (point, pays_first)) in cases().into_iter().enumerate() {
        let host = format!("{count}.example");
        let talk = [("put this into the policy: ", host.as_str()), ("Owner's passphrase: ", OLD)];
        passed.extend(desk.crashes(&["policy", "allow", &host], &talk, point).then_some(point));
        assert_eq!(looked_at(&desk, point, pays_first).await, Some(OLD), "{point}");
        if desk.is_held_back().await {
            desk.done(&["policy", "apply"], &[("put this into force: ", "apply"), ("Owner's passphrase: ", OLD)]);
        }
    }
    assert_eq!(passed, bursar::crash::POINTS_OWNER.map(|point| [point; 2]).concat());
    desk.scene.audited().await;
}
