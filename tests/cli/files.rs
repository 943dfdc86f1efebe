//! What the commands leave on disk, and what they make of what others left there.

use std::fs;

use crate::home::{ADDRESS, Home, KEY, code, err, out};

#[test]
fn init_makes_a_wallet_and_limits_and_run_again_changes_nothing() {
    let home = Home::empty();
    let args = ["init", "--network", "testnet", "--store", "file", "--host", "claude-code", "--host", "cursor"];
    let first = home.run(&args);
    assert_eq!(code(&first), 0, "{}", err(&first));
    let address = out(&home.run(&["wallet", "address"]));
    insta::assert_snapshot!(home.plain(&out(&first)).replace(address.trim(), "0xADDRESS"));
    let files = ["config.toml", "policy.toml", "wallet.json"].map(|name| home.read(name));
    let again = home.run(&args);
    assert_eq!(code(&again), 0, "{}", err(&again));
    assert_eq!(files, ["config.toml", "policy.toml", "wallet.json"].map(|name| home.read(name)));
}

#[test]
fn init_asks_which_money_and_never_takes_both() {
    let home = Home::empty();
    let unsaid = home.run(&["init", "--store", "file"]);
    assert_eq!(code(&unsaid), 2);
    assert!(err(&unsaid).contains("--network testnet"), "{}", err(&unsaid));
    assert_eq!(code(&home.run(&["init", "--store", "file", "--network", "mainnet"])), 0);
    assert!(home.read("policy.toml").contains("eip155:8453") && !home.read("policy.toml").contains("84532"));
    let other = home.run(&["init", "--network", "testnet"]);
    assert_eq!(code(&other), 1);
    assert!(err(&other).contains("[networks]"), "{}", err(&other));
}

#[cfg(unix)]
#[test]
fn init_asks_a_person_once_whether_a_browser_may_open_and_takes_silence_for_a_no() {
    use crate::terminal::AtTerminal;
    for (typed, written) in [("", "browser = false"), ("y", "browser = true")] {
        let home = Home::empty();
        let args = ["init", "--network", "testnet", "--store", "file"];
        let mut init = AtTerminal::start_by_hand(&mut home.command(&args));
        init.until("[y/N]");
        init.types(typed);
        assert_eq!(code(&init.ends()), 0);
        assert!(home.read("config.toml").contains(written), "{}", home.read("config.toml"));
        assert_eq!(code(&AtTerminal::start_by_hand(&mut home.command(&args)).ends()), 0, "nothing is asked again");
    }
}

#[cfg(unix)]
#[test]
fn init_is_a_conversation_with_a_person_who_names_no_money() {
    use crate::terminal::AtTerminal;
    let home = Home::empty();
    fs::create_dir(home.user(".cursor")).expect("a host that is installed");
    let mut init = AtTerminal::start_by_hand(&mut home.command(&["init"]));
    init.until("name of a chain  [1]: ");
    init.types("2");
    let limits = init.until("1 to 3 [1]: ");
    assert!(
        limits.contains("at most $1.00 a payment, $2.00 a day, $20.00 a month; you are asked above $0.10"),
        "{limits}"
    );
    assert!(!limits.contains("test money"), "{limits}");
    init.types("3");
    init.until("by a passphrase  [1]: ");
    init.types("2");
    let shown = init.until("Add bursar to them? [Y/n]: ");
    assert!(shown.contains("Found on this machine: Cursor."), "{shown}");
    init.types("");
    init.until("[y/N]: ");
    init.types("");
    init.until("Set a passphrase now? [Y/n]: ");
    init.types("n");
    let ended = init.ends();
    assert_eq!(code(&ended), 0, "{}", out(&ended));
    assert!(home.read("policy.toml").contains("access = \"refuse\""), "the third is paranoid");
    assert!(home.read("config.toml").contains("store = \"file\""));
    let cursor = fs::read_to_string(home.user(".cursor/mcp.json")).expect("an entry");
    assert!(cursor.contains("bursar"), "{cursor}");
}

#[test]
fn init_takes_everything_on_the_command_line() {
    let home = Home::empty();
    fs::create_dir(home.user(".cursor")).expect("a host that is installed");
    let args = ["init", "--network", "base", "--policy", "research", "--store", "file", "--install"];
    let told = home.run(&args);
    assert_eq!(code(&told), 0, "{}", err(&told));
    assert!(out(&told).contains("limits   at most $0.10 a payment, $5.00 a day, $50.00 a month"), "{}", out(&told));
    assert!(home.read("policy.toml").ends_with("[networks]\nallow = [\"eip155:8453\"]\n"));
    assert!(home.user(".cursor/mcp.json").exists());
    let play = Home::empty().run(&["init", "--network", "base", "--policy", "testnet", "--store", "file"]);
    assert_eq!(code(&play), 2, "{}", err(&play));
    assert!(err(&play).contains("the testnet limits are for test money"), "{}", err(&play));
}

#[cfg(unix)]
#[test]
fn what_is_made_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::ready();
    let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(home.file("")), 0o700);
    for name in ["config.toml", "policy.toml", "wallet.json"] {
        assert_eq!(mode(home.file(name)), 0o600, "{name}");
    }
}

#[test]
fn a_key_is_imported_from_stdin_and_shown_nowhere() {
    let home = Home::empty();
    let imported = home.run_with(&["wallet", "import", "--store", "file"], &format!("0x{KEY}\n"));
    assert_eq!((code(&imported), out(&imported).trim()), (0, ADDRESS), "{}", err(&imported));
    assert_eq!(out(&home.run(&["wallet", "address"])), format!("{ADDRESS}\n"));
    let listed = home.run(&["wallet", "list", "--json"]);
    assert!(out(&listed).contains(ADDRESS), "{}", out(&listed));
    let mut said = format!("{}{}{}", out(&imported), err(&imported), out(&listed));
    for entry in fs::read_dir(home.file("")).expect("a folder") {
        said.push_str(&String::from_utf8_lossy(&fs::read(entry.expect("a file").path()).unwrap_or_default()));
    }
    assert!(!said.to_lowercase().contains(KEY));
}

#[test]
fn a_wallet_that_is_there_is_never_replaced() {
    let home = Home::ready();
    let before = home.read("wallet.json");
    for args in [&["wallet", "create"][..], &["wallet", "create", "--store", "file"], &["wallet", "import"]] {
        let refused = home.run_with(args, KEY);
        assert_eq!(code(&refused), 1, "{args:?}");
        assert!(err(&refused).contains("already a wallet"), "{}", err(&refused));
    }
    assert_eq!(before, home.read("wallet.json"));
}

#[test]
fn what_is_not_a_key_makes_no_wallet() {
    let home = Home::empty();
    for text in ["", "0x12", &"g".repeat(64), &"0".repeat(64), &KEY.repeat(2)] {
        let refused = home.run_with(&["wallet", "import", "--store", "file"], text);
        assert_eq!((code(&refused), out(&refused).as_str()), (1, ""), "{text:?}");
    }
    assert_eq!(code(&home.run(&["wallet", "address"])), 1);
}

#[test]
fn a_key_is_no_argument() {
    let refused = Home::empty().run(&["wallet", "import", KEY]);
    assert_eq!(code(&refused), 2);
}

#[test]
fn a_mistake_in_the_policy_is_told_with_its_line_and_what_was_meant() {
    let home = Home::ready();
    fs::write(home.file("policy.toml"), "version = 1\n\n[walet]\nper_day = \"1.00\"\n").expect("written");
    let checked = home.run(&["policy", "check"]);
    assert_eq!(code(&checked), 1);
    insta::assert_snapshot!(home.plain(&out(&checked)));
    let document: serde_json::Value =
        serde_json::from_str(&out(&home.run(&["policy", "check", "--json"]))).expect("one JSON document");
    assert_eq!(document["problems"][0]["line"], 3);
    assert_eq!(document["ok"], false);
}

#[test]
fn a_mistake_in_the_config_stops_every_command_that_needs_it() {
    let home = Home::ready();
    fs::write(home.file("config.toml"), "[wallet]\nadress = \"0x\"\n").expect("written");
    for args in [&["wallet", "address"][..], &["log"], &["fetch", "https://example.com/"], &["serve"], &["doctor"]] {
        let stopped = home.run(args);
        assert_eq!(code(&stopped), 1, "{args:?}");
        let said = format!("{}{}", out(&stopped), err(&stopped));
        assert!(said.contains("config.toml:2:1") && said.contains("`address`"), "{args:?}: {said}");
    }
}

#[test]
fn a_home_that_is_not_there_is_a_finding_of_the_doctor() {
    let home = Home::empty();
    let ill = home.run(&["doctor"]);
    assert_eq!(code(&ill), 1);
    assert!(out(&ill).contains("bursar init"), "{}", out(&ill));
    assert!(!home.file("").exists(), "looking must not make one");
}

#[test]
fn the_home_may_be_named_by_flag_or_variable() {
    let home = Home::ready();
    let address = out(&home.run(&["wallet", "address"]));
    let elsewhere = home.file("");
    let by_flag = home.command(&["--home", elsewhere.to_str().expect("plain"), "wallet", "address"]);
    let mut by_variable = home.command(&["wallet", "address"]);
    by_variable.env("BURSAR_HOME", &elsewhere);
    for mut command in [by_flag, by_variable] {
        command.env("HOME", "/nowhere");
        assert_eq!(out(&command.output().expect("started")), address);
    }
}

#[test]
fn init_makes_limits_for_any_chain_it_knows_and_never_for_test_and_real_money() {
    let home = Home::empty();
    let made = home.run(&["init", "--network", "polygon", "--network", "Arbitrum", "--store", "file"]);
    assert!(out(&made).contains("real dollars on Polygon and Arbitrum"), "{}", out(&made));
    assert!(out(&made).contains("USDC on Polygon to 0x"), "{}", out(&made));
    assert!(home.read("policy.toml").contains("allow = [\"eip155:137\", \"eip155:42161\"]"));
    assert_eq!(code(&home.run(&["policy", "check"])), 0);
    for (args, why) in [
        (&["--network", "base", "--network", "base-sepolia"][..], "do not go together"),
        (&["--network", "dogecoin"], "knows no asset on `dogecoin`"),
    ] {
        let refused = Home::empty().run(&[&["init", "--store", "file"], args].concat());
        assert!(err(&refused).contains(why), "{}", err(&refused));
    }
    let other = home.run(&["init", "--network", "base"]);
    assert!(err(&other).contains("does not allow Base"), "{}", err(&other));
}
