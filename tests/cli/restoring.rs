//! `bursar backup` and `bursar restore`: a home in one file, and the same home again elsewhere.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use sandbox::Sandbox;
use sandbox::host::{Era, Host};
use serde_json::Value;

use crate::home::{ADDRESS, Home, KEY, SOLANA_ADDRESS, code, err, out, solana_pair};
use crate::playing::Market;
use crate::terminal::{AtTerminal, detached};

const PASSPHRASE: &str = "a passphrase of its own";

/// Where a ledger that was adopted still has room: windows that do not exist cannot be full.
const ROOMY: &str = "\
[wallet]
per_hour = \"none\"
per_day = \"none\"
per_month = \"none\"
[session]
total = \"none\"
";

/// A home that bought something and will buy more.
async fn market() -> Market {
    let market = Market::open().await;
    let rules = market
        .home
        .read("policy.toml")
        .replace("per_session = \"0.45\"\nper_day = \"0.45\"", "per_session = \"none\"\nper_day = \"none\"");
    let rules = rules.replace("[payee]\n", "[payee]\nper_day = \"none\"\n");
    market.home.write("policy.toml", &rules.replacen("version = 1\n", &format!("version = 1\n{ROOMY}"), 1));
    for path in ["/weather", "/joke"] {
        let bought = market.fetch(path);
        assert_eq!(code(&bought), 0, "{}", err(&bought));
    }
    market
}

fn with_passphrase(home: &Home, args: &[&str], passphrase: &str) -> Output {
    home.write_private("backup-passphrase", &format!("{passphrase}\n"));
    let mut command = home.command(args);
    command.env("BURSAR_BACKUP_PASSPHRASE_FILE", home.user("backup-passphrase"));
    command.output().expect("started")
}

fn back_up(home: &Home) -> PathBuf {
    let file = home.user("home.backup");
    let made = with_passphrase(home, &["backup", file.to_str().expect("plain")], PASSPHRASE);
    assert_eq!(code(&made), 0, "{}", err(&made));
    assert_eq!(out(&made).trim(), file.to_str().expect("plain"));
    let has_bodies = fs::read_dir(home.file("purchases")).is_ok_and(|mut bodies| bodies.next().is_some());
    assert_eq!(err(&made).contains("Left out: 1 stored bodies in purchases/ (20 KiB)"), has_bodies, "{}", err(&made));
    file
}

fn restore(home: &Home, file: &std::path::Path) -> Output {
    with_passphrase(home, &["restore", file.to_str().expect("plain"), "--store", "file"], PASSPHRASE)
}

/// Another user, whose passphrases are others.
fn elsewhere() -> Home {
    let home = Home::empty();
    home.write_private("passphrase", "another key store, another passphrase\n");
    home
}

fn buys(sandbox: &Sandbox, home: &Home, path: &str) -> Output {
    home.run(&["fetch", &format!("{}{path}", sandbox.sellers_url().trim_end_matches('/'))])
}

fn said(home: &Home, args: &[&str]) -> String {
    let told = home.run(args);
    assert_eq!(code(&told), 0, "{args:?}: {}", err(&told));
    out(&told)
}

fn adopts(home: &Home) {
    let mut owner = AtTerminal::start(&mut home.command(&["ledger", "adopt"]));
    owner.until("accept this ledger: ");
    owner.types("adopt");
    let ended = owner.ends();
    assert_eq!(code(&ended), 0, "{}", err(&ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_home_is_the_same_wallet_and_pays_once_its_ledger_is_adopted() {
    let market = market().await;
    fs::write(market.home.file("purchases/0123"), [b'x'; 20_000]).expect("written");
    let file = back_up(&market.home);
    let home = elsewhere();
    let restored = restore(&home, &file);
    assert_eq!(code(&restored), 0, "{}", err(&restored));
    let told = home.plain(&(out(&restored) + &err(&restored)));
    let (before, rest) = told.split_once("was made ").expect("when it was made");
    let (_, after) = rest.split_once(", with").expect("what is in it");
    insta::assert_snapshot!(format!("{before}was made a while ago, with{after}"));
    assert_ne!(market.home.read("wallet.json"), home.read("wallet.json"));
    for name in ["config.toml", "policy.toml"] {
        assert_eq!(market.home.read(name), home.read(name), "{name}");
    }
    assert_eq!(said(&home, &["wallet", "address"]).trim(), ADDRESS);
    let explain = ["policy", "explain", "https://api.example.com/x", "--price", "0.05", "--agent", "owner"];
    for same in [&["log", "--json"][..], &["balance"], &["log", "--by", "day"], &explain] {
        assert_eq!(said(&home, same), said(&market.home, same), "{same:?}");
    }

    // Nothing is paid before its owner says that this ledger counts.
    let refused = buys(&market.sandbox, &home, "/stocks?symbol=ACME");
    assert_eq!(code(&refused), 3, "{}", err(&refused));
    assert!(err(&refused).contains("came out of a backup"), "{}", err(&refused));
    for args in [&["doctor"][..], &["audit"]] {
        let told = home.run(args);
        assert_eq!(code(&told), 1, "{args:?}");
        assert!(
            out(&told).contains("came out of a backup") && out(&told).contains("bursar ledger adopt"),
            "{}",
            out(&told)
        );
    }
    adopts(&home);
    let bought = buys(&market.sandbox, &home, "/stocks?symbol=ACME");
    assert_eq!(code(&bought), 0, "{}", err(&bought));
    assert!(err(&bought).contains("Paid $"), "{}", err(&bought));
    assert_eq!(code(&home.run(&["audit"])), 0);
    // And what was bought before the backup is known.
    assert!(said(&home, &["log"]).contains("/joke"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_every_window_counts_as_full_until_it_has_rolled() {
    let market = Market::open().await;
    assert_eq!(code(&market.fetch("/weather")), 0);
    let file = back_up(&market.home);
    let home = elsewhere();
    assert_eq!(code(&restore(&home, &file)), 0);
    adopts(&home);
    let refused = buys(&market.sandbox, &home, "/joke");
    assert_eq!(code(&refused), 3);
    assert!(
        err(&refused).contains("A restored ledger was adopted, so all of it counts as spent until"),
        "{}",
        err(&refused)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_while_a_server_runs_and_buys() {
    let market = market().await;
    let mut command = tokio::process::Command::from(market.home.command(&["serve", "--agent", "busy"]));
    command.stderr(std::process::Stdio::null());
    let host = Host::start(command, Era::Initialize).await.expect("greeted");
    let buying = async {
        for n in 0..10 {
            let url = market.url(&format!("/weather?n={n}"));
            let answer = host.tool("fetch_paid", serde_json::json!({ "url": url })).await.expect("an answer");
            assert_eq!(answer["structuredContent"]["charged"], "yes", "{answer}");
        }
    };
    let backing = tokio::task::spawn_blocking({
        let home = market.home.user("");
        let program = market.home.command(&["backup"]);
        move || (0..3).map(|n| backs_up_beside(&program, &home, n)).collect::<Vec<PathBuf>>()
    });
    let ((), files) = tokio::join!(buying, backing);
    host.close_stdin();
    assert!(host.exited().await.expect("ended").success());
    for file in files.expect("backed up") {
        let home = elsewhere();
        let restored = restore(&home, &file);
        assert_eq!(code(&restored), 0, "{}", err(&restored));
        adopts(&home);
        let audit = home.run(&["audit"]);
        assert_eq!(code(&audit), 0, "{}", out(&audit));
    }
}

/// One backup more, by the same program over the same home.
fn backs_up_beside(program: &std::process::Command, user: &std::path::Path, n: usize) -> PathBuf {
    let file = user.join(format!("{n}.backup"));
    let mut command = std::process::Command::new(program.get_program());
    command.arg("backup").arg(&file).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let passphrase = user.join("backup-passphrase");
    fs::write(&passphrase, PASSPHRASE).expect("written");
    let made = command.env("BURSAR_BACKUP_PASSPHRASE_FILE", passphrase).output().expect("started");
    assert_eq!(code(&made), 0, "{}", err(&made));
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_in_the_file_for_whoever_has_no_passphrase() {
    let market = market().await;
    let file = fs::read(back_up(&market.home)).expect("readable");
    let key = alloy_primitives::hex::decode(KEY).expect("hex");
    for secret in [key.as_slice(), KEY.as_bytes(), b"weather", b"[networks]", ADDRESS.as_bytes()] {
        assert!(!file.windows(secret.len()).any(|window| window == secret), "{}", String::from_utf8_lossy(secret));
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(market.home.user("home.backup")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let beside: Vec<_> = fs::read_dir(market.home.file("")).expect("a folder").flatten().collect();
    assert!(!beside.iter().any(|file| file.file_name().to_string_lossy().contains("copy")), "{beside:?}");
}

/// A home with a key for each kind of chain, that bought something.
async fn market_of_two_rails() -> Market {
    let market = market().await;
    let key = bs58::encode(solana_pair()).into_string();
    let also = market.home.run_with(&["wallet", "import"], &key);
    assert_eq!((code(&also), out(&also).trim()), (0, SOLANA_ADDRESS), "{}", err(&also));
    market
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_carries_the_keys_of_both_rails() {
    let market = market_of_two_rails().await;
    let file = back_up(&market.home);
    let bytes = fs::read(&file).expect("readable");
    for secret in [&solana_pair()[..], &solana_pair()[..32], SOLANA_ADDRESS.as_bytes()] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    let home = elsewhere();
    let restored = restore(&home, &file);
    assert_eq!(code(&restored), 0, "{}", err(&restored));
    assert_eq!(market.home.read("config.toml"), home.read("config.toml"));
    for name in ["wallet.json", "wallet.solana.json"] {
        assert_ne!(market.home.read(name), home.read(name), "{name} is locked anew");
    }
    let solana = bs58::encode(solana_pair()).into_string();
    for (rail, address, key) in [("evm", ADDRESS, KEY), ("solana", SOLANA_ADDRESS, &solana)] {
        assert_eq!(said(&home, &["wallet", "address", "--rail", rail]).trim(), address);
        shows(&home, rail, key);
    }
    adopts(&home);
    let bought = buys(&market.sandbox, &home, "/stocks?symbol=ACME");
    assert_eq!(code(&bought), 0, "{}", err(&bought));
}

/// At the terminal, and the very key.
fn shows(home: &Home, rail: &str, key: &str) {
    let mut owner = AtTerminal::start(&mut home.command(&["wallet", "export", "--rail", rail]));
    owner.until("show it: ");
    owner.types("export");
    owner.until(key);
    assert_eq!(code(&owner.ends()), 0, "{rail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_lacks_one_of_its_keys_is_not_backed_up() {
    let market = market_of_two_rails().await;
    fs::remove_file(market.home.file("wallet.solana.json")).expect("removed");
    let file = market.home.user("home.backup");
    let refused = with_passphrase(&market.home, &["backup", file.to_str().expect("plain")], PASSPHRASE);
    assert_eq!((code(&refused), out(&refused).as_str()), (1, ""));
    assert!(err(&refused).contains(SOLANA_ADDRESS), "{}", err(&refused));
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_is_told_and_nothing_is_written() {
    let market = market().await;
    let good = fs::read(back_up(&market.home)).expect("readable");
    let (line, middle) = (good.iter().position(|byte| *byte == b'\n').expect("a line"), good.len() / 2);
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let newer = [b"{\"bursar_backup\":2}\n", &good[line + 1..]].concat();
    for (bytes, passphrase, found, next) in [
        (good[..middle].to_vec(), PASSPHRASE, "it is cut off: ", "take another copy of the backup"),
        (good[..line + 1].to_vec(), PASSPHRASE, "it is cut off: ", "take another copy of the backup"),
        (good[..20].to_vec(), PASSPHRASE, "it is not a backup of bursar's", "name the file that `bursar backup` made"),
        (changed(middle), PASSPHRASE, "it was changed or damaged after it was made", "take another copy"),
        (changed(good.len() - 1), PASSPHRASE, "it was changed or damaged after it was made", "take another copy"),
        ([&good[..], b"more"].concat(), PASSPHRASE, "it was changed or damaged after it was made", "take another copy"),
        (newer, PASSPHRASE, "it was made by a newer bursar (its format is 2, this program knows 1)", "a newer one"),
        (good.clone(), "another passphrase", "the passphrase does not open it", "that the backup was made with"),
        (b"a letter\n".to_vec(), PASSPHRASE, "it is not a backup of bursar's", "name the file"),
        (fs::read(market.home.file("ledger.db")).expect("readable"), PASSPHRASE, "it is not a backup", "name the file"),
    ] {
        let home = elsewhere();
        fs::write(home.user("bad.backup"), bytes).expect("written");
        let file = home.user("bad.backup");
        let refused =
            with_passphrase(&home, &["restore", file.to_str().expect("plain"), "--store", "file"], passphrase);
        assert_eq!((code(&refused), out(&refused).as_str()), (1, ""), "{found}");
        let told = err(&refused);
        assert!(told.contains(found) && told.contains("nothing was written") && told.contains(next), "{found}: {told}");
        assert!(!home.file("").exists(), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_restored_is_not_backed_up() {
    let market = market().await;
    market.home.write("policy.toml", "version = 1\n[walet]\n");
    let file = market.home.user("home.backup");
    let refused = with_passphrase(&market.home, &["backup", file.to_str().expect("plain")], PASSPHRASE);
    assert_eq!((code(&refused), out(&refused).as_str()), (1, ""));
    let told = err(&refused);
    assert!(told.contains("`policy.toml` is not right") && told.contains("correct it, and back up then"), "{told}");
    let left: Vec<_> =
        fs::read_dir(market.home.user("")).expect("a folder").flatten().map(|at| at.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("home.backup")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_home_is_restored_into() {
    let market = market().await;
    let file = back_up(&market.home);
    let (before, ledger) = (market.home.read("wallet.json"), fs::read(market.home.file("ledger.db")).expect("there"));
    let refused = restore(&market.home, &file);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("is not empty") && err(&refused).contains("--home"), "{}", err(&refused));
    assert_eq!(market.home.read("wallet.json"), before);
    assert_eq!(fs::read(market.home.file("ledger.db")).expect("there"), ledger);

    let home = elsewhere();
    fs::create_dir(home.file("")).expect("made");
    assert_eq!(code(&restore(&home, &file)), 0, "an empty folder will do");
    assert_eq!(code(&restore(&home, &file)), 1, "and not twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_store_that_takes_no_key_leaves_nothing_behind() {
    let market = market().await;
    let file = back_up(&market.home);
    let home = elsewhere();
    // There is no keyring here, and for a key file no passphrase. Other systems' keyrings are there whatever is said.
    home.write_private("backup-passphrase", PASSPHRASE);
    for store in if cfg!(target_os = "linux") { &["keyring", "file"][..] } else { &["file"] } {
        let mut command = home.command(&["restore", file.to_str().expect("plain"), "--store", store]);
        command.env("BURSAR_BACKUP_PASSPHRASE_FILE", home.user("backup-passphrase"));
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
        let refused = detached(command.env_remove("BURSAR_PASSPHRASE_FILE"));
        assert_eq!(code(&refused), 1, "{store}: {}", out(&refused));
        assert!(!home.file("").exists(), "{store}: {}", err(&refused));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_passphrase_of_a_backup_is_typed_twice_and_has_to_be_long_enough() {
    let market = market().await;
    let file = market.home.user("typed.backup");
    let backs_up = |first: &str, second: &str| {
        let mut owner = AtTerminal::start(&mut market.home.command(&["backup", file.to_str().expect("plain")]));
        owner.until("New passphrase for");
        owner.types(first);
        owner.until("Once more");
        owner.types(second);
        owner.ends()
    };
    let differ = backs_up(PASSPHRASE, "another");
    assert_eq!(code(&differ), 1);
    assert!(err(&differ).contains("the two passphrases differ"), "{}", err(&differ));
    let short = backs_up("short", "short");
    assert_eq!(code(&short), 1);
    assert!(err(&short).contains("at least 8 characters"), "{}", err(&short));
    assert!(!file.exists());
    let made = backs_up(PASSPHRASE, PASSPHRASE);
    assert_eq!(code(&made), 0, "{}", err(&made));
    let again = market.home.run(&["backup", file.to_str().expect("plain")]);
    assert!(err(&again).contains("is there already"), "{}", err(&again));

    let home = elsewhere();
    let mut owner = AtTerminal::start(&mut home.command(&["restore", file.to_str().expect("plain")]));
    owner.until("Passphrase of");
    owner.types(PASSPHRASE);
    let restored = owner.ends();
    assert_eq!(code(&restored), 0, "{}", err(&restored));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_or_a_named_file_there_is_no_passphrase_and_no_backup() {
    let market = market().await;
    let refused = detached(&mut market.home.command(&["backup", "x.backup"]));
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("BURSAR_BACKUP_PASSPHRASE_FILE"), "{}", err(&refused));
    // The passphrase of the key's own file is not that of a backup.
    assert!(!market.home.user("x.backup").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_owner_has_a_passphrase_a_backup_asks_for_it_and_the_restored_home_has_it_too() {
    const OWNERS: &str = "the owner alone knows";
    let market = market().await;
    let mut owner = AtTerminal::start(&mut market.home.command(&["owner", "set"]));
    for words in ["New passphrase: ", "Once more: "] {
        owner.until(words);
        owner.types(OWNERS);
    }
    assert_eq!(code(&owner.ends()), 0);
    let file = market.home.user("home.backup");
    market.home.write_private("backup-passphrase", PASSPHRASE);
    let backup = |typed: Option<&str>| {
        let mut command = market.home.command(&["backup", file.to_str().expect("plain")]);
        command.env("BURSAR_BACKUP_PASSPHRASE_FILE", market.home.user("backup-passphrase"));
        match typed {
            None => detached(&mut command),
            Some(typed) => {
                let mut owner = AtTerminal::start(&mut command);
                owner.until("Owner's passphrase: ");
                owner.types(typed);
                owner.ends()
            }
        }
    };
    for refused in [backup(None), backup(Some("a guess"))] {
        assert_eq!(code(&refused), 1);
        assert!(!file.exists(), "{}", err(&refused));
    }
    let made = backup(Some(OWNERS));
    assert_eq!(code(&made), 0, "{}", err(&made));

    let home = elsewhere();
    assert_eq!(code(&restore(&home, &file)), 0);
    let adopt = |typed: &str| {
        let mut owner = AtTerminal::start(&mut home.command(&["ledger", "adopt"]));
        owner.until("accept this ledger: ");
        owner.types("adopt");
        owner.until("Owner's passphrase: ");
        owner.types(typed);
        owner.ends()
    };
    assert_eq!(code(&adopt("a guess")), 1);
    let adopted = adopt(OWNERS);
    assert_eq!(code(&adopted), 0, "{}", err(&adopted));
    assert_eq!(code(&buys(&market.sandbox, &home, "/stocks?symbol=ACME")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_left_after_the_backup_is_an_alarm_and_freezes_the_restored_wallet() {
    let market = market().await;
    // Reconciling notes how far the chain was searched.
    assert_eq!(code(&market.home.run(&["reconcile"])), 0);
    let file = back_up(&market.home);
    assert_eq!(code(&market.fetch("/stocks?symbol=ACME")), 0);
    let home = elsewhere();
    assert_eq!(code(&restore(&home, &file)), 0);
    adopts(&home);
    let told = home.run(&["reconcile"]);
    assert_eq!(code(&told), 1, "{}", out(&told));
    let log: Vec<Value> =
        said(&home, &["log", "--json"]).lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect();
    assert!(!log.iter().any(|row| row["url"].as_str().unwrap_or_default().contains("ACME")));
    assert_eq!(code(&buys(&market.sandbox, &home, "/weather?n=2")), 7);
}
