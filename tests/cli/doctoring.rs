//! The doctor: each fault is planted for real in a fresh home, and is told with what to do about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use alloy_primitives::U256;
use sandbox::chain::{ASSET, ChainOptions, NETWORK, system_clock};
use sandbox::rpc::{Mood, Rpc};
use sandbox::{Options, Sandbox};
use serde_json::Value;

use crate::home::{ADDRESS, Home, code, err, out};
use crate::playing::Market;

/// One fault: how it is planted, and the line that must tell of it.
struct Fault {
    what: &'static str,
    state: &'static str,
    /// The first words of what was found, and of what to do.
    found: &'static str,
    to_do: &'static str,
    plant: fn(&Ill, &mut Command),
}

/// A home that was well until now, and the world around it.
struct Ill {
    home: Home,
    sandbox: Arc<Sandbox>,
    /// Another node of the same chain, which is asked where a fault says so.
    second: Arc<Rpc>,
}

/// A chain that began an hour ago, with two nodes and five dollars for us.
async fn world() -> (Arc<Sandbox>, Arc<Rpc>) {
    let (now, began) = (system_clock(), std::sync::atomic::AtomicBool::new(false));
    let clock = Arc::new(move || match began.swap(true, std::sync::atomic::Ordering::Relaxed) {
        true => now(),
        false => now() - 3600,
    });
    let chain = ChainOptions { clock, ..ChainOptions::default() };
    let sandbox = Sandbox::start(Options { chain, ..Options::default() }).await.expect("a sandbox");
    sandbox.chain.mint(ADDRESS.parse().expect("an address"), U256::from(5_000_000)).expect("minted");
    let second = Rpc::start(sandbox.chain.clone(), 0).await.expect("a node");
    (Arc::new(sandbox), Arc::new(second))
}

impl Ill {
    fn file(&self, name: &str) -> std::path::PathBuf {
        self.home.file(name)
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.home.read(name);
        assert!(text.contains(from), "{text}");
        self.home.write(name, &text.replacen(from, to, 1));
    }

    fn adds(&self, rows: &str) {
        self.home.write("config.toml", &(self.home.read("config.toml") + rows));
    }

    fn buys(&self, path: &str) -> i32 {
        let url = format!("{}{path}", self.sandbox.sellers_url().trim_end_matches('/'));
        code(&self.home.run(&["fetch", &url]))
    }

    fn forgets_its_ledger(&self) {
        for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
            let _ = fs::remove_file(self.file(name));
        }
    }

    /// Both nodes are asked.
    fn asks_both(&self) {
        let first = format!("\"{}\"", self.sandbox.rpc_url());
        self.edit("config.toml", &first, &format!("{first}, \"{}\"", self.second.url()));
    }

    fn asks(&self, node: &str) {
        self.edit("config.toml", &self.sandbox.rpc_url(), node);
    }

    fn installs(&self, host: &str) {
        let told = self.home.run(&["install", "--host", host]);
        assert_eq!(code(&told), 0, "{}", err(&told));
    }

    /// Its texts without what differs from run to run.
    fn plain(&self, text: &str) -> String {
        let address = |url: String| url.replace("http://", "").trim_end_matches('/').to_owned();
        let text =
            text.replace(&address(self.sandbox.rpc_url()), "NODE").replace(&address(self.second.url()), "SECOND");
        self.home.plain(&text)
    }
}

/// Plants each of them in a home of its own, and reads what the doctor says.
async fn each_is_told(faults: &[Fault]) {
    let (sandbox, second) = world().await;
    let mut untold = Vec::new();
    for Fault { what, state, found, to_do, plant } in faults {
        let ill = Ill { home: Market::home_at(&sandbox), sandbox: sandbox.clone(), second: second.clone() };
        let mut doctor = ill.home.command(&["doctor", "--json"]);
        plant(&ill, &mut doctor);
        let told = doctor.output().expect("started");
        sandbox.rpc.set_mood(Mood::Honest);
        second.set_mood(Mood::Honest);
        let report: Value = serde_json::from_str(&out(&told)).unwrap_or_else(|_| panic!("{found}: {}", err(&told)));
        let checks = report["checks"].as_array().expect("checks");
        let text = |check: &Value, field: &str| ill.plain(check[field].as_str().unwrap_or_default());
        let is_it = |check: &&Value| {
            check["what"] == *what
                && check["state"] == *state
                && text(check, "found").starts_with(found)
                && text(check, "to_do").starts_with(to_do)
        };
        let all = ill.plain(&serde_json::to_string_pretty(checks).expect("JSON"));
        if !checks.iter().any(|check| is_it(&check)) {
            untold.push(format!("{what} {state}: {found}\n  to do: {to_do}\nis not in {all}"));
        }
        assert!(!to_do.is_empty(), "a fault without advice: {found}");
        let is_broken = checks.iter().any(|check| check["state"] == "fail");
        assert_eq!((report["ok"] == false, code(&told) == 1), (is_broken, is_broken), "{all}");
    }
    assert!(untold.is_empty(), "{}", untold.join("\n"));
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_files_are_told_with_what_to_do() {
    each_is_told(&[
        Fault {
            what: "home",
            state: "warn",
            found: "~/.bursar could be read by others (mode 755), and is closed now",
            to_do: "if others use this machine, consider a new key",
            plant: |ill, _| mode(&ill.file(""), 0o755),
        },
        Fault {
            what: "home",
            state: "warn",
            found: "~/.bursar/policy.toml could be read by others (mode 644), and is closed now",
            to_do: "if others use this machine, consider a new key",
            plant: |ill, _| mode(&ill.file("policy.toml"), 0o644),
        },
        Fault {
            what: "home",
            state: "warn",
            found: "~/.bursar/policy.toml could be changed by others (mode 666), and is closed now",
            to_do: "look whether what it says is yours",
            plant: |ill, _| mode(&ill.file("policy.toml"), 0o666),
        },
        Fault {
            what: "home",
            state: "warn",
            found: "~/.bursar/wallet.json could be read by others (mode 644), and is closed now",
            to_do: "if others use this machine, move the money to a new key",
            plant: |ill, _| mode(&ill.file("wallet.json"), 0o644),
        },
        Fault {
            what: "home",
            state: "warn",
            found: "~/passphrase, which BURSAR_PASSPHRASE_FILE names, can be read by others",
            to_do: "chmod 600 '~/passphrase'",
            plant: |ill, _| mode(&ill.home.user("passphrase"), 0o644),
        },
        Fault {
            what: "home",
            state: "warn",
            found: "~/passphrase, which BURSAR_PASSPHRASE_FILE names, cannot be read",
            to_do: "put the passphrase of wallet.json into it",
            plant: |ill, _| fs::remove_file(ill.home.user("passphrase")).expect("removed"),
        },
        Fault {
            what: "home",
            state: "fail",
            found: "`~/passphrase` cannot be used as bursar's home",
            to_do: "make it a folder of your own",
            plant: |ill, doctor| _ = doctor.env("BURSAR_HOME", ill.home.user("passphrase")),
        },
        Fault {
            what: "room",
            state: "fail",
            found: "4 MiB could not be written in ~/.bursar",
            to_do: "make room on its disk",
            plant: |_, doctor| testkit::room::is_scarce(doctor),
        },
        Fault {
            what: "homes",
            state: "warn",
            found: "~/.bursar is a home of the same wallet: each has a budget of its own",
            to_do: "keep one: bursar --home '~/other' install --all",
            plant: |ill, doctor| {
                for name in ["config.toml", "policy.toml", "wallet.json"] {
                    ill.home.write_private(&format!("other/{name}"), &ill.home.read(name));
                }
                doctor.env("BURSAR_HOME", ill.home.user("other"));
            },
        },
        Fault {
            what: "config",
            state: "fail",
            found: "config.toml:1:",
            to_do: "correct it; nothing is paid until then",
            plant: |ill, _| ill.edit("config.toml", "[wallet]", "[wallet"),
        },
        Fault {
            what: "config",
            state: "fail",
            found: "config.toml:2:1: unknown key `stor` in [wallet]; did you mean `store`?",
            to_do: "correct it; nothing is paid until then",
            plant: |ill, _| ill.edit("config.toml", "store", "stor"),
        },
        Fault {
            what: "notices",
            state: "warn",
            found: "the webhook stays shut: hook.secret cannot be read",
            to_do: "correct it under [notices] in config.toml",
            plant: |ill, _| {
                ill.adds("[notices.webhook]\nurl = \"https://example.com/\"\nsecret_file = \"hook.secret\"\n")
            },
        },
        Fault {
            what: "notices",
            state: "warn",
            found: "the webhook stays shut: hook.secret holds no secret: whsec_ and 24 to 64 bytes in Base64",
            to_do: "correct it under [notices] in config.toml",
            plant: |ill, _| {
                ill.home.write_private(".bursar/hook.secret", "hunter2\n");
                ill.adds("[notices.webhook]\nurl = \"https://example.com/\"\nsecret_file = \"hook.secret\"\n");
            },
        },
        Fault {
            what: "notices",
            state: "warn",
            found: "the command /nowhere/tell stays shut",
            to_do: "correct it under [notices] in config.toml",
            plant: |ill, _| ill.adds("[notices]\ncommand = [\"/nowhere/tell\"]\n"),
        },
        Fault {
            what: "notices",
            state: "warn",
            found: "ntfy.example is told what is new over plain http",
            to_do: "write its address with https:// under [notices] in config.toml",
            plant: |ill, _| ill.adds("[notices.ntfy]\nserver = \"http://ntfy.example\"\ntopic = \"x\"\n"),
        },
        Fault {
            what: "review",
            state: "warn",
            found: "nobody is let in at https://bursar.example.com without an owner's passphrase",
            to_do: "bursar owner set",
            plant: |ill, _| ill.adds("[review]\norigin = \"https://bursar.example.com\"\nport = 4800\n"),
        },
        Fault {
            what: "policy",
            state: "fail",
            found: "policy.toml:2:",
            to_do: "correct it; nothing is paid until then",
            plant: |ill, _| ill.edit("policy.toml", "[each_domain]", "[each_domain"),
        },
        Fault {
            what: "policy",
            state: "fail",
            found: "policy.toml:3:1: unknown key `per_paiment` in [each_domain]; did you mean `per_payment`?",
            to_do: "correct it; nothing is paid until then",
            plant: |ill, _| ill.edit("policy.toml", "per_payment", "per_paiment"),
        },
        Fault {
            what: "policy",
            state: "warn",
            found: "no policy.toml: the built-in one is in force, for real money on Base",
            to_do: "bring yours back, or make one with `bursar init`",
            plant: |ill, _| {
                fs::remove_file(ill.file("policy.toml")).expect("removed");
                // The built-in policy pays on Base, which no test asks.
                ill.edit("config.toml", NETWORK, "eip155:8453");
            },
        },
        Fault {
            what: "policy",
            state: "warn",
            found: "real and test money are both allowed",
            to_do: "keep one of them in [networks] allow",
            plant: |ill, _| {
                ill.edit("policy.toml", &format!("\"{NETWORK}\""), &format!("\"{NETWORK}\", \"eip155:8453\""));
                let more = format!("\n[chains.\"eip155:8453\"]\nrpc = [\"{}\"]\n", ill.second.url());
                ill.home.write("config.toml", &(ill.home.read("config.toml") + &more));
            },
        },
        Fault {
            what: "policy",
            state: "fail",
            found: "a deny list cannot be read in full: sanctions.txt: ",
            to_do: "make it readable; nothing is paid until then",
            plant: |ill, _| ill.edit("policy.toml", "on_change", "deny_lists = [\"sanctions.txt\"]\non_change"),
        },
        Fault {
            what: "policy",
            state: "fail",
            found: "~/.bursar/owner.json: it is not as bursar wrote it",
            to_do: "correct it; nothing is paid until then",
            plant: |ill, _| ill.home.write("owner.json", "{}"),
        },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_key_are_told_with_what_to_do() {
    each_is_told(&[
        Fault {
            what: "key",
            state: "fail",
            found: "the key of 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC is not there, in wallet.json",
            to_do: "bring it back with `bursar wallet import`",
            plant: |ill, _| fs::remove_file(ill.file("wallet.json")).expect("removed"),
        },
        Fault {
            what: "key",
            state: "fail",
            found: "the passphrase does not open ~/.bursar/wallet.json",
            to_do: "try again with the right one",
            plant: |ill, _| ill.home.write_private("passphrase", "battery horse\n"),
        },
        Fault {
            what: "key",
            state: "warn",
            found: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC is in wallet.json, which was not opened",
            to_do: "a server needs it too: put it into a file only you can read",
            plant: |_, doctor| _ = doctor.env_remove("BURSAR_PASSPHRASE_FILE"),
        },
        Fault {
            what: "key",
            state: "fail",
            found: "wallet.json holds the key of 0x",
            to_do: "correct the address in config.toml",
            plant: |ill, _| {
                let other = Home::ready();
                ill.home.write("wallet.json", &other.read("wallet.json"));
            },
        },
        Fault {
            what: "key",
            state: "fail",
            found: "~/.bursar/wallet.json is damaged",
            to_do: "restore it from a copy",
            plant: |ill, _| ill.home.write("wallet.json", "{}"),
        },
        Fault {
            what: "key",
            state: "fail",
            found: "there is no wallet yet",
            to_do: "bursar init",
            plant: |ill, _| ill.edit("config.toml", "address = ", "# address = "),
        },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_ledger_are_told_with_what_to_do() {
    const BACK: &str = "bring the right one back, or accept this one with `bursar ledger adopt`";
    each_is_told(&[
        Fault {
            what: "alarms",
            state: "warn",
            found: "1 since your last review",
            to_do: "bursar log shows them; `bursar reviewed` once you have read them",
            plant: |ill, _| {
                // What another home of the same key spends, no row of this one explains.
                assert_eq!(ill.buys("/weather"), 0);
                assert_eq!(code(&ill.home.run(&["reconcile"])), 0);
                let other = Ill { home: Market::home_at(&ill.sandbox), ..ill.beside() };
                assert_eq!(other.buys("/joke"), 0);
                assert_eq!(code(&ill.home.run(&["reconcile"])), 1);
            },
        },
        Fault {
            what: "ledger",
            state: "fail",
            found: "ledger.db is missing, and this wallet has made at least 1 payments by it",
            to_do: "bring it back, from a backup with `bursar restore` say, or begin a new one with `bursar ledger adopt`",
            plant: |ill, _| {
                assert_eq!(ill.buys("/weather"), 0);
                ill.forgets_its_ledger();
            },
        },
        Fault {
            what: "ledger",
            state: "fail",
            found: "is not the one this wallet spent from",
            to_do: BACK,
            plant: |ill, _| {
                assert_eq!(ill.buys("/weather"), 0);
                ill.forgets_its_ledger();
                assert_eq!(code(&ill.home.run(&["log"])), 0);
            },
        },
        Fault {
            what: "ledger",
            state: "fail",
            found: "is an old copy",
            to_do: BACK,
            plant: |ill, _| {
                assert_eq!(ill.buys("/weather"), 0);
                let early = fs::read(ill.file("ledger.db")).expect("one file");
                assert_eq!(ill.buys("/joke"), 0);
                ill.forgets_its_ledger();
                fs::write(ill.file("ledger.db"), early).expect("written");
            },
        },
        Fault {
            what: "ledger",
            state: "fail",
            found: "what is kept beside the key about it was changed by somebody else",
            to_do: BACK,
            plant: |ill, _| {
                assert_eq!(ill.buys("/weather"), 0);
                ill.edit("wallet.anchor", "\"authorizations\":1", "\"authorizations\":0");
            },
        },
        Fault {
            what: "ledger",
            state: "fail",
            found: "ledger.db is damaged: ",
            to_do: "stop what uses it, and bring it back from a backup: `bursar restore`",
            plant: |ill, _| {
                assert_eq!(ill.buys("/weather"), 0);
                let mut bytes = fs::read(ill.file("ledger.db")).expect("one file");
                // A page in the middle: the tables are found, and what is in them is not.
                let (page, middle) = (4096, bytes.len() / 2 / 4096 * 4096);
                bytes[middle..middle + page].fill(0x5a);
                fs::write(ill.file("ledger.db"), bytes).expect("written");
            },
        },
        Fault {
            what: "ledger",
            state: "fail",
            found: "the ledger is damaged: file is not a database",
            to_do: "nothing is signed: put a copy of ledger.db in its place",
            plant: |ill, _| ill.home.write("ledger.db", &"not a ledger, but a long letter\n".repeat(200)),
        },
        Fault {
            what: "ledger",
            state: "fail",
            found: "the ledger is damaged: the file is a database, but not a ledger of bursar's",
            to_do: "nothing is signed: put a copy of ledger.db in its place",
            plant: |ill, _| {
                assert_eq!(ill.buys("/weather"), 0);
                number(&ill.file("ledger.db"), 68, 7);
            },
        },
        Fault {
            what: "ledger",
            state: "fail",
            found: "the ledger was written by a newer bursar (its version is 99",
            to_do: "nothing was signed: install the bursar that wrote it",
            plant: |ill, _| {
                assert_eq!(ill.buys("/weather"), 0);
                number(&ill.file("ledger.db"), 60, 99);
            },
        },
        Fault {
            what: "frozen",
            state: "warn",
            found: "all spending is stopped: holiday",
            to_do: "bursar thaw lets it go on",
            plant: |ill, _| assert_eq!(code(&ill.home.run(&["freeze", "--why", "holiday"])), 0),
        },
        Fault {
            what: "pending",
            state: "warn",
            found: "1 waiting for your yes",
            to_do: "bursar pending",
            plant: |ill, _| assert_eq!(ill.buys("/report"), 4),
        },
        Fault {
            what: "open",
            state: "warn",
            found: "1 whose outcome is not known yet; counted as spent",
            to_do: "bursar reconcile",
            plant: |ill, _| {
                ill.sandbox.rpc.set_down(true);
                assert_eq!(ill.buys("/lost"), 6);
                ill.sandbox.rpc.set_down(false);
            },
        },
    ])
    .await;
}

impl Ill {
    /// The same world, for another home.
    fn beside(&self) -> Ill {
        Ill { home: Home::empty(), sandbox: self.sandbox.clone(), second: self.second.clone() }
    }
}

/// Writes a number into the header of a database.
fn number(path: &Path, at: usize, number: u32) {
    let mut bytes = fs::read(path).expect("one file");
    bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
    fs::write(path, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_nodes_and_balances_are_told_with_what_to_do() {
    each_is_told(&[
        Fault {
            what: "node",
            state: "warn",
            found: "NODE did not answer",
            to_do: "payments go on; proof of lost ones waits for it",
            plant: |ill, _| {
                ill.asks_both();
                ill.sandbox.rpc.set_down(true);
            },
        },
        Fault {
            what: "chain",
            state: "fail",
            found: "no node of Base Sepolia answers",
            to_do: "check the network, or [chains] in config.toml",
            plant: |ill, _| ill.sandbox.rpc.set_down(true),
        },
        Fault {
            what: "egress",
            state: "fail",
            found: "no node of any chain was reached: ",
            to_do: "see whether this machine is online",
            plant: |ill, _| ill.asks("http://127.0.0.1:9"),
        },
        Fault {
            what: "egress",
            state: "warn",
            found: "nowhere.invalid has no address: ",
            to_do: "correct the name under [chains] in config.toml",
            plant: |ill, _| ill.asks("https://nowhere.invalid"),
        },
        Fault {
            what: "egress",
            state: "warn",
            found: "192.0.2.1 is asked over plain http",
            to_do: "write its address with https:// under [chains] in config.toml",
            plant: |ill, _| ill.asks("http://192.0.2.1"),
        },
        Fault {
            what: "egress",
            state: "warn",
            found: "HTTPS_PROXY is set, and bursar goes through no proxy",
            to_do: "let this machine connect directly",
            plant: |_, doctor| _ = doctor.env("HTTPS_PROXY", "http://user:secret@127.0.0.1:9"),
        },
        Fault {
            what: "node",
            state: "fail",
            found: "NODE is on chain 1, not 84532",
            to_do: "correct or remove it under [chains.\"eip155:84532\"] in config.toml",
            plant: |ill, _| ill.sandbox.rpc.set_mood(Mood::WrongChain(1)),
        },
        Fault {
            what: "clock",
            state: "warn",
            found: "the newest block NODE knows on Base Sepolia is 1 h old, number 0",
            to_do: "the node is behind, or this computer's clock is ahead",
            plant: |ill, _| ill.sandbox.rpc.set_mood(Mood::StaleSince(0)),
        },
        Fault {
            what: "node",
            state: "warn",
            found: "the newest block SECOND knows on Base Sepolia is 1 h old, number 0",
            to_do: "the node is behind, and proves nothing until it has caught up",
            plant: |ill, _| {
                ill.asks_both();
                ill.second.set_mood(Mood::StaleSince(0));
            },
        },
        Fault {
            what: "clock",
            state: "fail",
            found: "this computer's clock is ",
            to_do: "set the clock; nothing is signed until then",
            plant: |ill, _| ill.sandbox.rpc.set_mood(Mood::ClockAhead(7200)),
        },
        Fault {
            what: "node",
            state: "warn",
            found: "SECOND dates its newest block on Base Sepolia ",
            to_do: "other nodes do not: remove it from [chains.\"eip155:84532\"] in config.toml",
            plant: |ill, _| {
                ill.asks_both();
                ill.second.set_mood(Mood::ClockAhead(7200));
            },
        },
        Fault {
            what: "node",
            state: "warn",
            found: "SECOND and NODE contradict each other on Base Sepolia: one is at block ",
            to_do: "payments they disagree about stay held: find out which is wrong",
            plant: |ill, _| {
                ill.asks_both();
                ill.second.set_mood(Mood::FromTheFuture(1000));
            },
        },
        Fault {
            what: "chain",
            state: "fail",
            found: "no node is configured for eip155:31612",
            to_do: "nothing is proven on it until then",
            plant: |ill, _| ill.edit("policy.toml", NETWORK, "eip155:31612"),
        },
        Fault {
            what: "account",
            state: "warn",
            found: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC has code on Base Sepolia",
            to_do: "undo the delegation",
            plant: |ill, _| ill.sandbox.rpc.set_mood(Mood::Delegated),
        },
        Fault {
            what: "balance",
            state: "warn",
            found: "the wallet holds nothing on Base Sepolia",
            to_do: "send USDC to 0x",
            plant: |ill, _| {
                let other = Home::ready();
                let address = out(&other.run(&["wallet", "address"]));
                ill.home.write("wallet.json", &other.read("wallet.json"));
                ill.edit("config.toml", ADDRESS, address.trim());
            },
        },
        Fault {
            what: "gas",
            state: "warn",
            found: "Permit2 may move no PLAY on Base Sepolia yet, and the wallet has no coin for the gas",
            to_do: "only sellers that sponsor the allowance are paid; else send some of the chain's coin",
            plant: |ill, _| {
                let asset = format!(
                    "\n[[asset]]\nnetwork = \"{NETWORK}\"\naddress = \"{ASSET}\"\nsymbol = \"PLAY\"\ndecimals = 6\n\
                     eip712_name = \"USDC\"\neip712_version = \"2\"\nusd = \"1\"\ntransfer = \"permit2\"\n"
                );
                ill.home.write("config.toml", &(ill.home.read("config.toml") + &asset));
            },
        },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_hosts_are_told_with_the_command_that_repairs_them() {
    each_is_told(&[
        Fault {
            what: "hosts",
            state: "warn",
            found: "cursor has another home: ~/elsewhere",
            to_do: "bursar install --host cursor",
            plant: |ill, _| {
                let elsewhere = ill.home.user("elsewhere");
                let elsewhere = elsewhere.to_str().expect("plain");
                assert_eq!(code(&ill.home.run(&["--home", elsewhere, "install", "--host", "cursor"])), 0);
            },
        },
        Fault {
            what: "hosts",
            state: "warn",
            found: "codex starts /gone/bursar, which is not there",
            to_do: "bursar install --host codex",
            plant: |ill, _| {
                ill.installs("codex");
                host_starts(ill, ".codex/config.toml", "/gone/bursar");
            },
        },
        Fault {
            what: "hosts",
            state: "warn",
            found: "goose starts `bursar`, wherever that may be for it",
            to_do: "bursar install --host goose",
            plant: |ill, _| {
                ill.installs("goose");
                host_starts(ill, ".config/goose/config.yaml", "bursar");
            },
        },
        Fault {
            what: "hosts",
            state: "warn",
            found: "zed has an entry `bursar` that starts another program: /opt/other",
            to_do: "bursar install --host zed",
            plant: |ill, _| {
                ill.installs("zed");
                host_starts(ill, ".config/zed/settings.json", "/opt/other");
            },
        },
        Fault {
            what: "hosts",
            state: "warn",
            found: "claude-code starts bursar 0.0.1, and this is ",
            to_do: "bursar install --host claude-code",
            plant: |ill, _| {
                ill.installs("claude-code");
                ill.home.write_private("old/bursar", "#!/bin/sh\necho bursar 0.0.1\n");
                let old = ill.home.user("old/bursar");
                mode(&old, 0o700);
                host_starts(ill, ".claude.json", old.to_str().expect("plain"));
            },
        },
        Fault {
            what: "hosts",
            state: "warn",
            found: "gemini-cli: ~/.gemini/settings.json:4 does not read as what Gemini CLI writes",
            to_do: "correct that line, then bursar install --host gemini-cli",
            plant: |ill, _| ill.home.write_private(".gemini/settings.json", "{\n  \"mcpServers\": {\n}\n"),
        },
        Fault {
            what: "hosts",
            state: "warn",
            found: "cursor has another home: ~/.bursar",
            to_do: "bursar --home '~/other' install --host cursor",
            plant: |ill, doctor| {
                ill.installs("cursor");
                for name in ["config.toml", "policy.toml", "wallet.json"] {
                    ill.home.write_private(&format!("other/{name}"), &ill.home.read(name));
                }
                doctor.env("BURSAR_HOME", ill.home.user("other"));
            },
        },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_a_folder_names_is_told_and_not_run() {
    let (sandbox, second) = world().await;
    let ill = Ill { home: Market::home_at(&sandbox), sandbox, second };
    ill.installs("mcp-json");
    let (theirs, ran) = (ill.home.user("repository/bursar"), ill.home.user("ran"));
    ill.home.write_private("repository/bursar", &format!("#!/bin/sh\necho ran > '{}'\n", ran.display()));
    mode(&theirs, 0o700);
    host_starts(&ill, ".mcp.json", theirs.to_str().expect("plain"));
    let told = ill.plain(&out(&ill.home.run(&["doctor"])));
    assert!(told.contains("warn hosts     mcp-json starts another bursar than this: ~/repository/bursar"), "{told}");
    assert!(told.contains("bursar install --host mcp-json") && !ran.exists(), "{told}");
}

/// The entry starts another program from then on.
fn host_starts(ill: &Ill, file: &str, program: &str) {
    let path = ill.home.user(file);
    let text = fs::read_to_string(&path).expect("installed");
    let changed = text.replace(env!("CARGO_BIN_EXE_bursar"), program);
    assert_ne!(text, changed);
    fs::write(&path, changed).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_home_has_no_warning_and_no_failure() {
    let (sandbox, second) = world().await;
    let ill = Ill { home: Market::home_at(&sandbox), sandbox, second };
    ill.asks_both();
    ill.installs("cursor");
    assert_eq!(ill.buys("/weather"), 0);
    let well = ill.home.run(&["doctor"]);
    assert_eq!(code(&well), 0, "{}", out(&well));
    let shown = ill.plain(&out(&well));
    // Its texts, without the numbers that are others tomorrow.
    let lines: Vec<String> = shown.lines().map(without_numbers).collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(lines.iter().skip(1).all(|line| line.starts_with("ok ")), "{shown}");
    let report: Value = serde_json::from_str(&out(&ill.home.run(&["doctor", "--json"]))).expect("one JSON document");
    assert!(report["checks"].as_array().expect("checks").iter().all(|check| check["state"] == "ok"), "{report:#}");
}

fn without_numbers(line: &str) -> String {
    let word = |word: &str| match word.chars().any(|c| c.is_ascii_digit()) && !word.starts_with("0x") {
        true => "N".to_owned(),
        false => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_a_missing_ledger_does_not_make_one() {
    let (sandbox, second) = world().await;
    let ill = Ill { home: Market::home_at(&sandbox), sandbox, second };
    let before = ill.home.run(&["doctor"]);
    assert!(out(&before).contains("none yet: the first purchase begins it"), "{}", out(&before));
    assert!(!ill.file("ledger.db").exists());
}
