//! A key for each kind of chain: made, taken over, shown and taken away by its rail.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::home::{ADDRESS, Home, KEY, SOLANA_ADDRESS, code, err, out, solana_pair};

const FILES: [&str; 2] = ["wallet.json", "wallet.solana.json"];

fn base58() -> String {
    bs58::encode(solana_pair()).into_string()
}

/// As solana-keygen writes its files.
fn list() -> String {
    format!("{:?}", solana_pair())
}

fn imports(home: &Home, key: &str, more: &[&str]) -> Output {
    home.run_with(&[&["wallet", "import"], more].concat(), key)
}

/// A user with the key that everybody knows, for EVM chains.
fn with_evm() -> Home {
    let home = Home::empty();
    assert_eq!(code(&imports(&home, KEY, &["--store", "file"])), 0);
    home
}

fn with_both() -> Home {
    let home = with_evm();
    let also = imports(&home, &base58(), &[]);
    assert_eq!(code(&also), 0, "{}", err(&also));
    home
}

fn with_solana() -> Home {
    let home = Home::empty();
    let made = imports(&home, &base58(), &["--store", "file"]);
    assert_eq!(code(&made), 0, "{}", err(&made));
    home
}

fn address(home: &Home, rail: &[&str]) -> String {
    let told = home.run(&[&["wallet", "address"], rail].concat());
    assert_eq!(code(&told), 0, "{}", err(&told));
    out(&told).trim().to_owned()
}

fn listed(home: &Home) -> Value {
    serde_json::from_str(&out(&home.run(&["wallet", "list", "--json"]))).expect("one JSON document")
}

/// Everything that lies in the home, as text.
fn everything(home: &Home) -> String {
    let files = fs::read_dir(home.file("")).expect("a folder").flatten();
    files.map(|file| String::from_utf8_lossy(&fs::read(file.path()).unwrap_or_default()).into_owned()).collect()
}

#[track_caller]
fn is_refused(refused: &Output, with: i32, what: &str, next: &str) {
    let told = err(refused);
    assert_eq!((code(refused), out(refused).as_str()), (with, ""), "{told}");
    assert!(told.contains(what) && told.contains(next), "{told}");
}

#[test]
fn a_second_key_is_made_beside_the_first_and_changes_nothing_of_it() {
    let home = with_evm();
    let first = home.read("wallet.json");
    let made = home.run(&["wallet", "create", "--rail", "solana"]);
    assert_eq!(code(&made), 0, "{}", err(&made));
    let also = out(&made).trim().to_owned();
    assert_eq!(bs58::decode(&also).into_vec().map(|key| key.len()), Ok(32), "{also}");
    assert_eq!(
        home.read("config.toml"),
        format!("[wallet]\nstore = \"file\"\naddress = \"{ADDRESS}\"\nalso = \"{also}\"\n")
    );
    assert_eq!(home.read("wallet.json"), first);
    assert_eq!([address(&home, &[]), address(&home, &["--rail", "evm"])], [ADDRESS, ADDRESS]);
    assert_eq!(address(&home, &["--rail", "solana"]), also);
    assert_eq!(
        listed(&home),
        json!([
            { "address": ADDRESS, "rail": "evm", "in_use": true },
            { "address": also, "rail": "solana", "in_use": true },
        ])
    );
    assert_eq!(out(&home.run(&["wallet", "list"])), format!("{ADDRESS}  in use\n{also}  in use\n"));
}

#[test]
fn a_key_for_solana_may_be_the_first_and_one_for_evm_chains_beside_it() {
    let home = with_solana();
    assert!(!home.file("wallet.json").exists());
    assert_eq!(address(&home, &[]), SOLANA_ADDRESS);
    assert_eq!(listed(&home), json!([{ "address": SOLANA_ADDRESS, "rail": "solana", "in_use": true }]));
    let also = imports(&home, KEY, &[]);
    assert_eq!((code(&also), out(&also).trim()), (0, ADDRESS), "{}", err(&also));
    let config = home.read("config.toml");
    assert!(config.contains(&format!("address = \"{SOLANA_ADDRESS}\"\nalso = \"{ADDRESS}\"\n")), "{config}");
    assert_eq!([address(&home, &[]), address(&home, &["--rail", "evm"])], [SOLANA_ADDRESS, ADDRESS]);
}

#[test]
fn a_key_of_solanas_is_taken_over_in_every_form_and_shown_nowhere() {
    let (seed, spread) = ("01".repeat(32), list().replace(", ", ",\n  "));
    for (key, more) in [
        (&base58(), &[][..]),
        (&format!(" {}\r\n", base58()), &[]),
        (&list(), &[]),
        (&spread, &["--rail", "solana"]),
        (&seed, &["--rail", "solana"]),
        (&format!("0x{seed}\n"), &["--rail", "solana"]),
    ] {
        let home = Home::empty();
        let imported = imports(&home, key, &[more, &["--store", "file"]].concat());
        assert_eq!((code(&imported), out(&imported).trim()), (0, SOLANA_ADDRESS), "{more:?}: {}", err(&imported));
        assert!(home.file("wallet.solana.json").exists() && !home.file("wallet.json").exists());
        let said = out(&imported) + &err(&imported) + &everything(&home);
        assert!(
            !said.contains(&base58()[..16]) && !said.contains("1, 1, 1, 1") && !said.contains(&seed[..16]),
            "{said}"
        );
    }
    // Without its rail, hex is what it always was.
    let home = Home::empty();
    let imported = imports(&home, &seed, &["--store", "file"]);
    assert!(out(&imported).starts_with("0x"), "{}", err(&imported));
    assert!(home.file("wallet.json").exists() && !home.file("wallet.solana.json").exists());
}

#[test]
fn what_is_no_key_of_solanas_makes_no_wallet() {
    let mut other = solana_pair();
    other[40] ^= 1;
    let (other58, other_list) = (bs58::encode(other).into_string(), format!("{other:?}"));
    let (short, long) = (format!("{:?}", &solana_pair()[..63]), format!("{:?}", [&solana_pair()[..], &[1]].concat()));
    let (too_large, half) = (list().replacen("[1,", "[256,", 1), bs58::encode([1; 32]).into_string());
    for key in [&other58, &other_list, &short, &long, &too_large, &half, SOLANA_ADDRESS, "[]", "[1,2", ""] {
        let home = Home::empty();
        for more in [&["--store", "file"][..], &["--store", "file", "--rail", "solana"]] {
            let refused = imports(&home, key, more);
            is_refused(&refused, 1, "not a private key", "for Solana 64 bytes, in base58 or as a list of numbers");
            assert!(!err(&refused).contains(&other58[..16]), "{}", err(&refused));
        }
        assert!(FILES.iter().all(|name| !home.file(name).exists()));
    }
    let refused = imports(&Home::empty(), &base58(), &["--store", "file", "--rail", "evm"]);
    is_refused(&refused, 1, "not a private key", "64 hex digits");
}

#[test]
fn a_key_that_is_there_is_never_replaced_by_another_of_its_kind() {
    let home = with_both();
    let files = FILES.map(|name| home.read(name));
    for (args, address) in [
        (&["wallet", "create", "--rail", "solana"][..], SOLANA_ADDRESS),
        (&["wallet", "import"], SOLANA_ADDRESS),
        (&["wallet", "import", "--rail", "solana"], SOLANA_ADDRESS),
        (&["wallet", "create", "--rail", "evm"], ADDRESS),
        (&["wallet", "create"], ADDRESS),
    ] {
        let refused = home.run_with(args, &base58());
        is_refused(&refused, 1, &format!("already a wallet here: {address}"), "bursar wallet remove");
    }
    assert_eq!(files, FILES.map(|name| home.read(name)));
}

#[test]
fn the_same_bytes_are_a_key_of_one_kind_only() {
    let home = with_evm();
    let refused = imports(&home, KEY, &["--rail", "solana"]);
    is_refused(&refused, 1, &format!("the bytes of the key of {ADDRESS}"), "nothing was changed");
    assert!(!home.file("wallet.solana.json").exists() && !home.read("config.toml").contains("also"));
    let home = with_solana();
    let refused = imports(&home, &"01".repeat(32), &["--rail", "evm"]);
    is_refused(&refused, 1, &format!("the bytes of the key of {SOLANA_ADDRESS}"), "nothing was changed");
    assert!(!home.file("wallet.json").exists() && !home.read("config.toml").contains("also"));
}

#[test]
fn a_wallet_without_a_key_for_a_rail_says_how_to_make_one() {
    for (home, missing, title) in [(with_evm(), "solana", "Solana"), (with_solana(), "evm", "EVM chains")] {
        let refused = home.run(&["wallet", "address", "--rail", missing]);
        let next = format!("bursar wallet create --rail {missing}");
        is_refused(&refused, 1, &format!("this wallet has no key for {title}"), &next);
        let made = home.run(&["wallet", "create", "--rail", missing]);
        assert_eq!(code(&made), 0, "what it says does it: {}", err(&made));
        assert_eq!(address(&home, &["--rail", missing]), out(&made).trim());
    }
    let refused = Home::empty().run(&["wallet", "address", "--rail", "solana"]);
    is_refused(&refused, 1, "there is no wallet yet", "`bursar init` makes one");
}

#[test]
fn both_keys_are_kept_in_one_place() {
    let home = with_evm();
    for args in [&["wallet", "create", "--rail", "solana"][..], &["wallet", "import"]] {
        let refused = home.run_with(&[args, &["--store", "keyring"]].concat(), &base58());
        is_refused(&refused, 2, "the wallet's key is kept in: file", "leave --store out");
    }
    let made = imports(&home, &base58(), &["--store", "file"]);
    assert_eq!(code(&made), 0, "the same place may be named: {}", err(&made));
}

#[test]
fn one_passphrase_opens_both_files_and_another_makes_no_second_one() {
    let home = with_evm();
    home.write_private("passphrase", "another passphrase, mistyped\n");
    let refused = imports(&home, &base58(), &[]);
    is_refused(&refused, 1, "the passphrase does not open", "try again with the right one");
    assert!(err(&refused).contains("wallet.json"), "it is the first one's: {}", err(&refused));
    assert!(!home.file("wallet.solana.json").exists() && !home.read("config.toml").contains("also"));
}

#[cfg(unix)]
#[test]
fn both_files_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let home = with_both();
    for name in FILES {
        let mode = fs::metadata(home.file(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn each_key_is_shown_for_itself_as_wallets_of_its_kind_take_it_in() {
    use crate::terminal::AtTerminal;
    let home = with_both();
    let hex = format!("0x{KEY}");
    for (rail, address, key) in [
        (&[][..], ADDRESS, &hex),
        (&["--rail", "evm"], ADDRESS, &hex),
        (&["--rail", "solana"], SOLANA_ADDRESS, &base58()),
    ] {
        let mut owner = AtTerminal::start(&mut home.command(&[&["wallet", "export"], rail].concat()));
        let warned = owner.until("show it: ");
        assert!(warned.contains(&format!("The key of {address} is about to be shown here")), "{warned}");
        owner.types("export");
        owner.until(key);
        let ended = owner.ends();
        assert_eq!(code(&ended), 0, "{rail:?}: {}", err(&ended));
        assert!(!(out(&ended) + &err(&ended)).contains(key), "it is shown at the terminal alone");
        // What was shown is taken in again, for the same address.
        assert_eq!(out(&imports(&Home::empty(), key, &["--store", "file"])).trim(), address);
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_is_not_there_is_neither_shown_nor_deleted() {
    use crate::terminal::AtTerminal;
    for action in ["export", "remove"] {
        let ended = AtTerminal::start(&mut with_evm().command(&["wallet", action, "--rail", "solana"])).ends();
        is_refused(&ended, 1, "this wallet has no key for Solana", "bursar wallet create --rail solana");
    }
}

#[cfg(unix)]
#[test]
fn the_first_key_is_not_deleted_while_another_one_leans_on_it() {
    use crate::terminal::AtTerminal;
    let home = with_both();
    for args in [&["wallet", "remove"][..], &["wallet", "remove", "--rail", "evm"]] {
        let ended = AtTerminal::start(&mut home.command(args)).ends();
        is_refused(&ended, 1, &format!("the key of {SOLANA_ADDRESS}"), "bursar wallet remove --rail solana");
    }
    let deletes = |args: &[&str], address: &str| {
        let mut owner = AtTerminal::start(&mut home.command(args));
        owner.until("delete it: ");
        owner.types(address);
        let ended = owner.ends();
        assert_eq!(code(&ended), 0, "{args:?}: {}", err(&ended));
    };
    deletes(&["wallet", "remove", "--rail", "solana"], SOLANA_ADDRESS);
    assert!(home.file("wallet.json").exists() && !home.file("wallet.solana.json").exists());
    assert_eq!(listed(&home), json!([{ "address": ADDRESS, "rail": "evm", "in_use": true }]));
    // As it says: the address goes out of the config, and then the first one is the only one.
    let config: Vec<String> = home.read("config.toml").lines().map(str::to_owned).collect();
    let kept: Vec<String> = config.into_iter().filter(|line| !line.starts_with("also")).collect();
    home.write("config.toml", &kept.join("\n"));
    deletes(&["wallet", "remove"], ADDRESS);
    assert!(FILES.iter().all(|name| !home.file(name).exists()));
}

#[test]
fn init_for_solanas_test_cluster_makes_a_key_for_solana_alone() {
    let home = Home::empty();
    let args = ["init", "--network", "Solana Devnet", "--store", "file"];
    let made = home.run(&args);
    assert_eq!(code(&made), 0, "{}", err(&made));
    let ours = address(&home, &["--rail", "solana"]);
    insta::assert_snapshot!(home.plain(&out(&made)).replace(&ours, "ADDRESS"));
    assert!(home.file("wallet.solana.json").exists() && !home.file("wallet.json").exists());
    let policy = home.read("policy.toml");
    assert!(policy.contains("allow = [\"solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1\"]"), "{policy}");
    assert_eq!(code(&home.run(&["policy", "check"])), 0);
    let files = ["config.toml", "policy.toml", "wallet.solana.json"].map(|name| home.read(name));
    let again = home.run(&args);
    assert!(out(&again).contains(&format!("{ours} (as it was)")), "{}{}", out(&again), err(&again));
    assert_eq!(files, ["config.toml", "policy.toml", "wallet.solana.json"].map(|name| home.read(name)));
}

#[test]
fn init_for_both_kinds_of_chains_makes_a_key_for_each() {
    for names in [["testnet", "solana-devnet"], ["Solana Devnet", "base-sepolia"]] {
        let home = Home::empty();
        let made = home.run(&["init", "--network", names[0], "--network", names[1], "--store", "file"]);
        assert_eq!(code(&made), 0, "{}", err(&made));
        let [evm, solana] = ["evm", "solana"].map(|rail| address(&home, &["--rail", rail]));
        let told = out(&made);
        for line in [
            format!("{evm} (new, for EVM chains)"),
            format!("{solana} (new, for Solana)"),
            format!("test USDC on Base Sepolia to {evm}, free at https://faucet.circle.com"),
            format!("test USDC on Solana Devnet to {solana}, free at https://faucet.circle.com"),
        ] {
            assert!(told.contains(&line), "{line}: {told}");
        }
        // A hint for each, and each shows the key that it is about.
        assert!(err(&made).contains("bursar wallet export\n"), "{}", err(&made));
        assert!(err(&made).contains("bursar wallet export --rail solana\n"), "{}", err(&made));
        assert!(FILES.iter().all(|name| home.file(name).exists()));
    }
}

#[test]
fn init_adds_the_key_that_a_changed_policy_needs() {
    let home = with_evm();
    assert_eq!(code(&home.run(&["init", "--network", "base"])), 0);
    assert!(!home.file("wallet.solana.json").exists());
    let policy = home.read("policy.toml");
    let both = policy.replace("\"eip155:8453\"]", "\"eip155:8453\", \"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp\"]");
    assert_ne!(policy, both);
    home.write("policy.toml", &both);
    let again = home.run(&["init"]);
    assert_eq!(code(&again), 0, "{}", err(&again));
    let told = out(&again);
    assert!(told.contains(&format!("{ADDRESS} (as it was)")) && told.contains("(new, for Solana)"), "{told}");
    let ours = address(&home, &["--rail", "solana"]);
    let line = format!("USDC or USDT or PYUSD or USDG or CASH on Solana to {ours}");
    assert!(told.contains(&line), "{told}");
}

#[test]
fn test_money_and_real_money_do_not_go_together_on_solana_either() {
    for names in [["solana", "solana-devnet"], ["solana", "testnet"], ["mainnet", "Solana Devnet"]] {
        let refused = Home::empty().run(&["init", "--network", names[0], "--network", names[1], "--store", "file"]);
        is_refused(&refused, 2, "do not go together", "leave out one of them");
    }
    // A cluster on which bursar knows no asset is one that nothing is paid on.
    let refused = Home::empty().run(&["init", "--network", "Solana Testnet", "--store", "file"]);
    is_refused(&refused, 2, "knows no asset on `Solana Testnet`", "Solana Devnet");
}

/// What stops every command, of a config in which two rails meet.
fn complaint(config: &str) -> String {
    let home = Home::empty();
    home.write("config.toml", config);
    let stopped = home.run(&["wallet", "address"]);
    assert_eq!((code(&stopped), out(&stopped).as_str()), (1, ""), "{config}");
    err(&stopped)
}

#[test]
fn a_second_address_is_of_another_rail_than_the_first() {
    let (evm, solana) = (format!("\"{ADDRESS}\""), format!("\"{SOLANA_ADDRESS}\""));
    for (config, line) in [
        (format!("[wallet]\nalso = {solana}\n"), 2),
        (format!("[wallet]\nstore = \"file\"\naddress = {solana}\nalso = {solana}\n"), 4),
        (format!("[wallet]\naddress = {evm}\nalso = {evm}\n"), 3),
    ] {
        let told = complaint(&config);
        let found = format!("config.toml:{line}:8: `also` in [wallet] is a second key, for another kind of chain");
        assert!(told.contains(&found) && told.contains("write the one key there is as `address`"), "{told}");
    }
    let told = complaint(&format!("[wallet]\naddress = {evm}\nalso = \"{}\"\n", SOLANA_ADDRESS.to_lowercase()));
    assert!(told.contains("config.toml:3:8: `also` in [wallet]"), "{told}");
}

#[test]
fn an_asset_moves_as_its_chain_moves_assets() {
    const DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
    const MINT: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
    const CONTRACT: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
    let asset = |network: &str, address: &str, more: &str| {
        format!(
            "# mine\n[[asset]]\nnetwork = \"{network}\"\naddress = \"{address}\"\nsymbol = \"MINE\"\ndecimals = 6\n\
             usd = \"1\"\n{more}"
        )
    };
    let named = "eip712_name = \"Mine\"\neip712_version = \"1\"\n";
    let (permit2, eip3009) = (format!("transfer = \"permit2\"\n{named}"), format!("transfer = \"eip3009\"\n{named}"));
    for (network, address, more, place, found) in [
        (DEVNET, MINT, permit2.as_str(), ":2:1", "on Solana Devnet no asset moves by permit2"),
        (DEVNET, MINT, &eip3009, ":2:1", "on Solana Devnet no asset moves by eip3009"),
        (DEVNET, CONTRACT, "", ":4:11", "is no address of Solana Devnet"),
        ("eip155:84532", MINT, named, ":4:11", "is no address of Base Sepolia"),
        ("eip155:84532", CONTRACT, "transfer = \"spl\"\n", ":2:1", "on Base Sepolia no asset moves by spl"),
        ("eip155:84532", CONTRACT, "transfer = \"token2022\"\n", ":2:1", "on Base Sepolia no asset moves by token2022"),
        (DEVNET, MINT, "transfer = \"token-2022\"\n", ":8:12", "on Solana \"spl\" or \"token2022\""),
        ("solana:devnet", MINT, "", ":3:11", "`solana:devnet` is none of Solana's clusters"),
        ("solana-devnet", MINT, "", ":3:11", "is not a network's CAIP-2 name"),
    ] {
        let told = complaint(&asset(network, address, more));
        assert!(told.contains(&format!("config.toml{place}: ")) && told.contains(found), "{more}: {told}");
    }
    for more in ["", "transfer = \"spl\"\n", "transfer = \"token2022\"\n"] {
        let home = with_solana();
        home.write("config.toml", &(home.read("config.toml") + &asset(DEVNET, MINT, more)));
        assert_eq!(address(&home, &[]), SOLANA_ADDRESS, "{more}");
    }
    let told = complaint("[chains.\"solana:devnet\"]\nrpc = [\"http://127.0.0.1:9\"]\n");
    assert!(told.contains("config.toml:1:9: `solana:devnet` is none of Solana's clusters"), "{told}");
}

#[test]
fn addresses_of_either_rail_stand_in_a_policy_and_on_its_lists() {
    let home = with_both();
    let payees = format!("[\"{ADDRESS}\", \"{SOLANA_ADDRESS}\"]");
    let policy = format!(
        "version = 1\n[payee]\ndeny = {payees}\ndeny_lists = [\"bad.txt\"]\n[[domain]]\nhost = \"api.example.com\"\n\
         payees = {payees}\n[networks]\nallow = [\"eip155:84532\", \"solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1\"]\n"
    );
    home.write("policy.toml", &policy);
    let lower = ADDRESS.to_lowercase();
    home.write("bad.txt", &format!("# of both kinds\n{lower}\n{SOLANA_ADDRESS} # somebody\n"));
    let right = home.run(&["policy", "check"]);
    assert_eq!(code(&right), 0, "{}{}", out(&right), err(&right));
    // The case of a letter is a part of the number: in another case it is another address, or none.
    home.write("policy.toml", &policy.replacen(SOLANA_ADDRESS, &SOLANA_ADDRESS.to_lowercase(), 1));
    let wrong = out(&home.run(&["policy", "check"]));
    assert!(wrong.contains("policy.toml:3:") && wrong.contains("is not an address"), "{wrong}");
    home.write("policy.toml", &policy);
    home.write("bad.txt", "not an address\n");
    assert!(out(&home.run(&["doctor"])).contains("a deny list cannot be read in full: bad.txt"));
    // A cluster is named by its first block, in that spelling.
    let allows = |name: &str| home.write("policy.toml", &format!("version = 1\n[networks]\nallow = [\"{name}\"]\n"));
    allows("solana");
    let wrong = out(&home.run(&["policy", "check"]));
    assert!(
        wrong.contains("policy.toml:3:10: ") && wrong.contains("write \"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp\"")
    );
    for name in ["solana:mainnet", "solana:etwtrabzayq6imfeykouru166vu2xqa1"] {
        allows(name);
        let told = out(&home.run(&["policy", "check"]));
        let found = format!("policy.toml:3:10: `allow` in [networks]: `{name}` is none of Solana's clusters");
        assert!(told.contains(&found), "{told}");
    }
}
