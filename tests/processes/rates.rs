//! What an asset counts for decides what every limit is worth. Where a passphrase is set, the table in `config.toml` is in
//! force once its owner applied it, as the policy is.

use bursar::money::{Assets, Network};
use sandbox::chain::NETWORK;
use sandbox::sellers::Stall;
use serde_json::Value;
use testkit::terminal::AtTerminal;

use crate::scene::{OPEN, Scene};

const PASSPHRASE: &str = "open sesame";
/// A dollar each, by the rate that was applied.
const DEAR: u64 = 1_000_000;

struct Desk {
    scene: Scene,
}

impl Desk {
    /// The play dollar counts for a dollar, and fifty cents are the most that is paid at once.
    async fn guarded() -> Desk {
        let rules = OPEN.replacen("per_payment = \"none\"", "per_payment = \"0.50\"", 1);
        let stalls = ["/dear", "/again", "/third"].map(|path| Stall::get(path, DEAR));
        let desk =
            Desk { scene: Scene::open([stalls.to_vec(), vec![Stall::get("/cheap", 10_000)]].concat(), &rules).await };
        desk.write("config.toml", &(desk.read("config.toml") + &row("1")));
        desk.owner(&["owner", "set"], &[("New passphrase: ", PASSPHRASE), ("Once more: ", PASSPHRASE)]);
        desk
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.scene.home().join(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.scene.home().join(name), text).unwrap();
    }

    fn changes_the_rate(&self, usd: &str) {
        let (before, _) =
            self.read("config.toml").split_once("[[asset]]").map(|(b, a)| (b.to_owned(), a.len())).unwrap();
        self.write("config.toml", &(before + &row(usd)));
    }

    /// What the terminal showed before the last thing was typed.
    fn owner(&self, args: &[&str], talk: &[(&str, &str)]) -> String {
        let mut owner = AtTerminal::start(self.scene.command(args).as_std_mut());
        let mut shown = String::new();
        for (expected, typed) in talk {
            shown += &owner.until(expected);
            owner.types(typed);
        }
        let ended = owner.ends();
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
        shown
    }

    async fn fetch(&self, path: &str) -> Value {
        self.scene.json(&["fetch", &self.scene.url(path), "--json"]).await
    }
}

fn row(usd: &str) -> String {
    let token = Assets::default();
    let network = Network::new(NETWORK);
    let asset = token.on(&network).find(|asset| asset.symbol == "USDC").unwrap();
    format!(
        "[[asset]]\nnetwork = \"{NETWORK}\"\naddress = \"{}\"\nsymbol = \"USDC\"\ndecimals = 6\neip712_name = \"{}\"\n\
         eip712_version = \"{}\"\nusd = \"{usd}\"\n",
        asset.account, asset.eip712_name, asset.eip712_version
    )
}

#[track_caller]
fn refused(answer: &Value, codes: &[&str]) {
    assert_eq!((&answer["outcome"], &answer["charged"]), (&"refused".into(), &"no".into()), "{answer:#}");
    let told: Vec<&str> =
        answer["reasons"].as_array().unwrap().iter().filter_map(|reason| reason["code"].as_str()).collect();
    assert!(codes.iter().all(|code| told.contains(code)), "{codes:?} in {answer:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_rate_is_not_in_force_until_its_owner_applies_it() {
    let desk = Desk::guarded().await;
    refused(&desk.fetch("/dear").await, &["over_payment"]);
    desk.changes_the_rate("0.001");
    refused(&desk.fetch("/dear").await, &["over_payment", "policy_not_applied"]);
    let checked = desk.scene.json(&["policy", "check", "--json"]).await;
    assert_eq!(checked["in_force"], false, "{checked:#}");
    let doctor = desk.scene.run(&["doctor"]).await;
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("[[asset]] in config.toml was changed and is not in force"), "{doctor}");
    let talk = [("put this into force: ", "apply"), ("Owner's passphrase: ", PASSPHRASE)];
    let shown = desk.owner(&["policy", "apply"], &talk);
    assert!(shown.contains("looser") && shown.contains("usd: 0.001, was 1"), "{shown}");
    assert_eq!(desk.fetch("/dear").await["charged"], "yes");
    desk.changes_the_rate("1");
    assert_eq!(desk.fetch("/again").await["charged"], "yes", "a tighter one waits as well");
    let shown = desk.owner(&["policy", "apply"], &talk);
    assert!(shown.contains("tighter") && shown.contains("usd: 1, was 0.001"), "{shown}");
    refused(&desk.fetch("/third").await, &["over_payment"]);
    desk.scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_smuggled_into_force_signs_nothing() {
    let desk = Desk::guarded().await;
    assert_eq!(desk.fetch("/cheap").await["charged"], "yes");
    let kept = desk.read("owner.json");
    let mut file: Value = serde_json::from_str(&kept).unwrap();
    file["assets"][0]["usd"] = 1_000_000_000_u64.into();
    desk.write("owner.json", &file.to_string());
    refused(&desk.fetch("/dear").await, &["policy_replaced"]);
    // Nor is it of use to whoever puts it in for the moment in which a program begins.
    let host = desk.scene.host("early").await;
    desk.write("owner.json", &kept);
    let answer = crate::scene::buy(&host, &desk.scene.url("/dear")).await;
    refused(&answer, &["assets_changed"]);
    assert_eq!((desk.scene.settlements(), desk.scene.spent()), (1, 10_000));
    desk.scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passphrase_set_by_an_earlier_version_has_no_table_in_force_until_one_is_applied() {
    let desk = Desk::guarded().await;
    let talk = [("Owner's passphrase: ", PASSPHRASE)];
    desk.owner(&["owner", "remove"], &talk);
    let config = desk.read("config.toml");
    desk.write("config.toml", config.split("[[asset]]").next().unwrap());
    desk.owner(&["owner", "set"], &[("New passphrase: ", PASSPHRASE), ("Once more: ", PASSPHRASE)]);
    // As an earlier version wrote it: it knew of no table.
    assert!(!desk.read("owner.json").contains("\"assets\""));
    desk.write("config.toml", &config);
    desk.changes_the_rate("0.001");
    refused(&desk.fetch("/dear").await, &["over_payment", "policy_not_applied"]);
    assert_eq!(desk.fetch("/cheap").await["charged"], "yes");
}
