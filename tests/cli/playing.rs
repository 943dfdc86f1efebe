//! Outcomes as a person and a script see them: against the sandbox, on loopback only.

use std::fs;

use alloy_primitives::U256;
use sandbox::chain::NETWORK;
use sandbox::host::{Era, Host};
use sandbox::{Options, Sandbox};
use serde_json::Value;

use crate::home::{ADDRESS, Home, KEY, code, err, out};

/// A market, a chain with five dollars for us, and a user who may spend them.
pub struct Market {
    pub sandbox: Sandbox,
    pub home: Home,
}

const RULES: &str = "\
version = 1
[each_domain]
per_payment = \"0.50\"
per_session = \"0.45\"
per_day = \"0.45\"
[payee]
on_change = \"allow\"
[approval]
above = \"0.10\"
";

impl Market {
    pub async fn open() -> Market {
        let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
        sandbox.chain.mint(ADDRESS.parse().expect("an address"), U256::from(5_000_000)).expect("minted");
        Market { home: Market::home_at(&sandbox), sandbox }
    }

    /// A user who may spend at this market.
    pub fn home_at(sandbox: &Sandbox) -> Home {
        let home = Home::empty();
        assert_eq!(code(&home.run_with(&["wallet", "import", "--store", "file"], KEY)), 0);
        let (host, config) = (sandbox.sellers_url().replace("http://", ""), home.read("config.toml"));
        let host = host.trim_end_matches('/');
        let chain = format!("{config}\n[chains.\"{NETWORK}\"]\nrpc = [\"{}\"]\n", sandbox.rpc_url());
        let policy = format!("{RULES}[networks]\nallow = [\"{NETWORK}\"]\n[egress]\nallow = [\"{host}\"]\n");
        home.write("config.toml", &chain);
        home.write("policy.toml", &policy);
        home
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.sellers_url().trim_end_matches('/'))
    }

    pub fn fetch(&self, path: &str) -> std::process::Output {
        self.home.run(&["fetch", &self.url(path)])
    }

    fn fetch_json(&self, path: &str) -> Value {
        serde_json::from_str(&out(&self.home.run(&["fetch", &self.url(path), "--json"]))).expect("one JSON document")
    }

    fn left_on_chain(&self) -> u64 {
        u64::try_from(self.sandbox.chain.balance_of(ADDRESS.parse().expect("an address"))).expect("small")
    }

    /// The log, newest first.
    pub fn log(&self) -> Vec<Value> {
        let lines = out(&self.home.run(&["log", "--json"]));
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_go_to_stdout_and_what_they_cost_to_stderr() {
    let market = Market::open().await;
    let free = market.fetch("/free");
    assert_eq!(code(&free), 0, "{}", err(&free));
    assert!(err(&free).contains("Free"), "{}", err(&free));
    let bought = market.fetch("/weather");
    assert_eq!(code(&bought), 0, "{}", err(&bought));
    assert!(serde_json::from_str::<Value>(&out(&bought)).expect("the goods alone")["tomorrow"].is_array());
    assert!(err(&bought).contains("Paid $0.01"), "{}", err(&bought));
    let again = market.fetch("/weather");
    assert!(err(&again).contains("From the store"), "{}", err(&again));
    assert_eq!(market.left_on_chain(), 4_990_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_go_whole_into_a_file() {
    let market = Market::open().await;
    let path = market.home.file("weather.json");
    let bought = market.home.run(&["fetch", &market.url("/weather"), "-o", path.to_str().expect("plain")]);
    assert_eq!((code(&bought), out(&bought).as_str()), (0, ""), "{}", err(&bought));
    assert!(serde_json::from_slice::<Value>(&fs::read(path).expect("written")).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_has_its_exit_code() {
    let market = Market::open().await;
    assert_eq!(code(&market.fetch("/weather")), 0);
    assert_eq!(code(&market.home.run(&["fetch", "ftp://example.com/"])), 2);
    assert_eq!(code(&market.fetch("/yacht")), 3);
    assert_eq!(code(&market.fetch("/report")), 4);
    assert_eq!(code(&market.fetch("/lost")), 6);
    assert_eq!(code(&market.home.run(&["freeze"])), 0);
    assert_eq!(code(&market.fetch("/joke")), 7);
    assert_eq!(market.left_on_chain(), 4_960_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_on_the_chain_and_not_paid_again() {
    let market = Market::open().await;
    let lost = market.fetch_json("/lost");
    assert_eq!((&lost["outcome"], &lost["charged"]), (&"held".into(), &"unknown".into()), "{lost}");
    assert_eq!(code(&market.home.run(&["reconcile"])), 0);
    let again = market.fetch_json("/lost");
    assert_eq!(again["charged"], "yes", "{again}");
    assert_eq!(again["purchase_id"], lost["purchase_id"]);
    assert_eq!(market.left_on_chain(), 4_970_000);
    assert_eq!(code(&market.home.run(&["audit"])), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_the_same_as_a_table_as_json_and_as_csv() {
    let market = Market::open().await;
    market.fetch("/weather?q=secret");
    market.fetch("/yacht");
    let rows = market.log();
    assert_eq!(
        rows.iter().map(|row| row["state"].as_str().expect("a state")).collect::<Vec<_>>(),
        ["refused", "settled"]
    );
    assert_eq!(rows[1]["amount_usd"], "0.01");
    let table = out(&market.home.run(&["log"]));
    assert!(table.contains("settled") && table.contains("$0.01") && table.contains("2 purchases"), "{table}");
    let csv = out(&market.home.run(&["log", "--csv"]));
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.starts_with("purchase_id,at,agent,"));
    for said in [&table, &csv] {
        assert!(!said.contains("secret"), "{said}");
    }
    assert!(out(&market.home.run(&["log", "--unmasked"])).contains("secret"));
    assert_eq!(out(&market.home.run(&["log", "--state", "settled", "--json"])).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_tells_the_whole_story_for_the_beginning_of_an_id() {
    let market = Market::open().await;
    let id = market.fetch_json("/weather")["purchase_id"].as_str().expect("an id").to_owned();
    let story = out(&market.home.run(&["why", &id[..id.len() - 2]]));
    for part in ["Offers", "Rules", "wallet per_day", "Events", "Proof", "/weather", "$0.01"] {
        assert!(story.contains(part), "no {part} in:\n{story}");
    }
    assert_eq!(code(&market.home.run(&["why", "pu_nonsense"])), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn explaining_asks_nobody_and_names_every_rule() {
    let market = Market::open().await;
    let explained = market.home.run(&["policy", "explain", "https://api.example.com/x", "--price", "0.25"]);
    assert_eq!(code(&explained), 0, "{}", err(&explained));
    for part in ["you would be asked", "wallet per_day", "approval above"] {
        assert!(out(&explained).contains(part), "no {part} in:\n{}", out(&explained));
    }
    assert!(market.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_and_doctor_say_when_the_ledger_is_not_the_wallets_own() {
    let market = Market::open().await;
    market.fetch("/weather");
    let old = fs::read(market.home.file("ledger.db")).expect("readable");
    market.fetch("/joke");
    let ledger = |bytes: Option<&[u8]>| {
        for beside in ["ledger.db-wal", "ledger.db-shm", "ledger.db"] {
            let _ = fs::remove_file(market.home.file(beside));
        }
        if let Some(bytes) = bytes {
            fs::write(market.home.file("ledger.db"), bytes).expect("written");
        }
    };
    for (what, bytes) in [("missing", None), ("rolled back", Some(old.as_slice()))] {
        ledger(bytes);
        for args in [&["audit"][..], &["audit", "--json"], &["doctor"], &["doctor", "--json"]] {
            let told = market.home.run(args);
            let said = out(&told);
            assert_eq!(code(&told), 1, "{what}, {args:?}: {said}");
            assert!(said.contains("ledger adopt") || args.contains(&"--json"), "{what}, {args:?}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_of_code_at_the_wallets_address() {
    let market = Market::open().await;
    market.sandbox.rpc.set_mood(sandbox::rpc::Mood::Delegated);
    let told = out(&market.home.run(&["doctor"]));
    assert!(told.contains("has code on Base Sepolia"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_nothing_where_nothing_is_wrong() {
    let market = Market::open().await;
    market.fetch("/weather");
    let well = market.home.run(&["doctor"]);
    assert_eq!(code(&well), 0, "{}", out(&well));
    assert!(!out(&well).contains("fail"), "{}", out(&well));
    let report: Value = serde_json::from_str(&out(&market.home.run(&["doctor", "--json"]))).expect("one JSON document");
    assert_eq!(report["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_host_gets_play_money_and_the_real_home_is_not_opened() {
    let home = Home::ready();
    let before: Vec<_> = names(&home.file(""));
    let mut command = tokio::process::Command::from(home.command(&["serve", "--sandbox"]));
    command.stderr(std::process::Stdio::null());
    let host = Host::start(command, Era::Initialize).await.expect("greeted");
    let told = host.server["instructions"].as_str().expect("instructions");
    let market = told.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")).expect("the market's URL");
    let fetch = async |url: String| {
        let result = host.tool("fetch_paid", serde_json::json!({ "url": url })).await.expect("an answer");
        result["structuredContent"].clone()
    };
    let index = fetch(market.to_owned()).await;
    assert!(index["body"].as_str().expect("an index").contains("/weather"), "{index}");
    let bought = fetch(format!("{market}/weather")).await;
    assert_eq!(bought["charged"], "yes", "{bought}");
    host.close_stdin();
    assert!(host.exited().await.expect("ended").success());
    let mut after = names(&home.file(""));
    after.retain(|name| name != "sandbox");
    assert_eq!(before, after);
    assert!(names(&home.file("sandbox")).is_empty(), "the play money's home is gone with it");
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_plays_to_its_end_and_leaves_nothing_behind() {
    let home = Home::empty();
    let rooms = tempfile::tempdir().expect("a folder");
    let mut command = home.command(&["demo"]);
    command.env("TMPDIR", rooms.path());
    let played = command.output().expect("started");
    assert_eq!(code(&played), 0, "{}{}", out(&played), err(&played));
    assert!(out(&played).contains("Every step came out as told"));
    assert!(!home.file("").exists());
    assert_eq!(fs::read_dir(rooms.path()).expect("a folder").count(), 0);
}

#[cfg(unix)]
mod with_an_owner {
    use super::*;
    use crate::terminal::AtTerminal;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_yes_typed_by_the_owner_lets_exactly_one_try_through() {
        let market = Market::open().await;
        let asked = market.fetch_json("/report");
        assert_eq!(asked["outcome"], "needs_approval", "{asked}");
        let id = asked["purchase_id"].as_str().expect("an id");
        assert!(out(&market.home.run(&["pending"])).contains("$0.25"));
        let mut owner = AtTerminal::start(&mut market.home.command(&["approve", &id[3..9]]));
        let shown = owner.until("approve: ");
        assert!(shown.contains("$0.25") && shown.contains("/report"), "{shown}");
        owner.types("0.25");
        let ended = owner.ends();
        assert_eq!(code(&ended), 0, "{}", err(&ended));
        assert_eq!(code(&market.fetch("/report")), 0);
        assert_eq!(market.left_on_chain(), 4_750_000);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn permit2_is_allowed_the_amount_the_owner_types_and_no_more_than_a_month() {
        let market = Market::open().await;
        let allowed = || {
            market
                .sandbox
                .chain
                .asset(sandbox::chain::ASSET)
                .allowance(ADDRESS.parse().expect("an address"), sandbox::chain::PERMIT2)
        };
        let mut owner = AtTerminal::start(&mut market.home.command(&["wallet", "allow-permit2", "--amount", "2.50"]));
        let shown = owner.until("allow 2.5 USDC: ");
        assert!(shown.contains("may move 0 USDC") && shown.contains("on Base Sepolia"), "{shown}");
        owner.types("2.5");
        let ended = owner.ends();
        assert_eq!(code(&ended), 0, "{}", err(&ended));
        assert_eq!(allowed(), alloy_primitives::U256::from(2_500_000));
        assert_eq!(code(&market.home.run(&["audit"])), 0);
        let much = AtTerminal::start(&mut market.home.command(&["wallet", "allow-permit2", "--amount", "1000000"]));
        let refused = much.ends();
        assert_eq!(code(&refused), 1);
        assert!(err(&refused).contains("in a month"), "{}", err(&refused));
        let mut owner = AtTerminal::start(&mut market.home.command(&["wallet", "allow-permit2", "--amount", "0"]));
        owner.until("allow 0 USDC: ");
        owner.types("0");
        assert_eq!(code(&owner.ends()), 0);
        assert_eq!(allowed(), alloy_primitives::U256::ZERO);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn another_amount_approves_nothing() {
        let market = Market::open().await;
        market.fetch("/report");
        let id = market.log()[0]["purchase_id"].as_str().expect("an id").to_owned();
        let mut owner = AtTerminal::start(&mut market.home.command(&["approve", &id]));
        owner.until("approve: ");
        owner.types("0.52");
        assert_eq!(code(&owner.ends()), 1);
        assert_eq!(code(&market.fetch("/report")), 4);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_freeze_holds_until_the_owner_thaws() {
        let market = Market::open().await;
        market.home.run(&["freeze", "--why", "holiday"]);
        assert_eq!(code(&market.fetch("/weather")), 7);
        let mut owner = AtTerminal::start(&mut market.home.command(&["thaw"]));
        owner.until("spend again: ");
        owner.types("thaw");
        assert_eq!(code(&owner.ends()), 0);
        assert_eq!(code(&market.fetch("/weather")), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_held_payment_is_released_by_the_owners_word_and_no_other() {
        let market = Market::open().await;
        market.sandbox.rpc.set_down(true);
        let held = market.fetch_json("/lost");
        assert_eq!(held["charged"], "unknown", "{held}");
        let id = held["purchase_id"].as_str().expect("an id");
        let release = |typed: &str| {
            let mut owner = AtTerminal::start(&mut market.home.command(&["release", id]));
            owner.until("never spent: ");
            owner.types(typed);
            code(&owner.ends())
        };
        assert_eq!(release("yes"), 1);
        assert_eq!(market.log()[0]["state"], "held");
        assert_eq!(release("$0.03"), 0);
        assert_eq!(market.log()[0]["state"], "lapsed");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_old_copy_of_the_ledger_pays_nothing_until_it_is_adopted() {
        let market = Market::open().await;
        market.fetch("/weather");
        const PARTS: [&str; 3] = ["ledger.db", "ledger.db-wal", "ledger.db-shm"];
        let copies = PARTS.map(|name| fs::read(market.home.file(name)).ok());
        market.fetch("/joke");
        for (name, copy) in PARTS.iter().zip(copies) {
            // A part may be missing: then it is missing in the copy too.
            let _ = fs::remove_file(market.home.file(name));
            if let Some(copy) = copy {
                fs::write(market.home.file(name), copy).expect("restored");
            }
        }
        let refused = market.fetch("/stocks?symbol=ACME");
        assert_eq!(code(&refused), 3, "{}", err(&refused));
        assert!(err(&refused).contains("rolled back"), "{}", err(&refused));
        let ill = market.home.run(&["doctor"]);
        assert_eq!(code(&ill), 1);
        assert!(out(&ill).contains("bursar ledger adopt"), "{}", out(&ill));
        let mut owner = AtTerminal::start(&mut market.home.command(&["ledger", "adopt"]));
        owner.until("accept this ledger: ");
        owner.types("adopt");
        let adopted = owner.ends();
        assert_eq!(code(&adopted), 0, "{}", err(&adopted));
        assert_eq!(code(&market.fetch("/stocks?symbol=ACME")), 3, "every window counts as full");
        assert_eq!(market.left_on_chain(), 4_985_000);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_denied_is_not_asked_again() {
        let market = Market::open().await;
        let id = market.fetch_json("/report")["purchase_id"].as_str().expect("an id").to_owned();
        assert_eq!(code(&market.home.run(&["deny", &id])), 0);
        assert_eq!(code(&market.fetch("/report")), 3);
        assert!(out(&market.home.run(&["pending"])).is_empty());
    }
}
