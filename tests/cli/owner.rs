//! What gives an agent more room needs the owner at a real terminal, who types what is shown.

use crate::home::{ADDRESS, Home, KEY, code, err, out};
use crate::terminal::{AtTerminal, detached};

#[test]
fn without_a_terminal_nothing_is_approved_thawed_released_allowed_adopted_reviewed_or_shown() {
    let home = Home::ready();
    for args in [
        &["approve", "pu_1"][..],
        &["thaw"],
        &["release", "pu_1"],
        &["reviewed"],
        &["policy", "allow", "api.example.com"],
        &["policy", "apply"],
        &["owner", "set"],
        &["owner", "remove"],
        &["owner", "code"],
        &["owner", "code", "--remove"],
        &["review"],
        &["ledger", "adopt"],
        &["wallet", "export"],
        &["wallet", "remove"],
    ] {
        let refused = detached(&mut home.command(args));
        assert_eq!((code(&refused), out(&refused).as_str()), (1, ""), "{args:?}");
        assert!(err(&refused).contains("at a terminal"), "{args:?}: {}", err(&refused));
    }
}

#[test]
fn a_yes_piped_into_stdin_is_no_owner() {
    let home = Home::ready();
    let before = home.read("policy.toml");
    let mut command = home.command(&["policy", "allow", "api.example.com"]);
    command.stdin(std::fs::File::open("/dev/zero").expect("a device"));
    assert_eq!(code(&detached(&mut command)), 1);
    assert_eq!(before, home.read("policy.toml"));
}

#[test]
fn a_rule_is_written_when_the_owner_types_the_host() {
    let home = Home::ready();
    let mut owner = AtTerminal::start(&mut home.command(&["policy", "allow", "api.example.com", "--per-day", "3.00"]));
    let shown = owner.until("put this into the policy: ");
    assert!(shown.contains("host = \"api.example.com\"") && shown.contains("per_day = \"3.00\""), "{shown}");
    owner.types("api.example.com");
    assert_eq!(code(&owner.ends()), 0);
    assert!(home.read("policy.toml").contains("host = \"api.example.com\""));
    assert_eq!(code(&home.run(&["policy", "check"])), 0);
}

#[test]
fn anything_else_typed_changes_nothing() {
    let home = Home::ready();
    let before = home.read("policy.toml");
    for typed in ["", "y", "yes", "example.com", "api.example.com.evil"] {
        let mut owner = AtTerminal::start(&mut home.command(&["policy", "allow", "api.example.com"]));
        owner.until("put this into the policy: ");
        owner.types(typed);
        let ended = owner.ends();
        assert_eq!(code(&ended), 1, "{typed:?}");
        assert!(err(&ended).contains("nothing was changed"), "{}", err(&ended));
    }
    assert_eq!(before, home.read("policy.toml"));
}

#[test]
fn a_passphrase_is_asked_for_at_the_terminal_twice_when_chosen_and_once_when_used() {
    let home = Home::empty();
    let alone = |args: &[&str]| {
        let mut command = home.command(args);
        command.env_remove("BURSAR_PASSPHRASE_FILE");
        AtTerminal::start(&mut command)
    };
    let mut owner = alone(&["wallet", "create", "--store", "file"]);
    owner.until("New passphrase");
    owner.types("open sesame");
    owner.until("Once more");
    owner.types("open sesame");
    let created = owner.ends();
    assert_eq!(code(&created), 0, "{}", err(&created));
    let mut owner = alone(&["wallet", "export"]);
    owner.until("show it: ");
    owner.types("export");
    let asked = owner.until("Passphrase of");
    assert!(!asked.contains("sesame"));
    owner.types("open sesame");
    owner.until("0x");
    assert_eq!(code(&owner.ends()), 0);
}

#[test]
fn a_key_is_shown_on_the_terminal_and_nowhere_else() {
    let home = Home::empty();
    assert_eq!(code(&home.run_with(&["wallet", "import", "--store", "file"], KEY)), 0);
    let mut owner = AtTerminal::start(&mut home.command(&["wallet", "export"]));
    assert!(owner.until("show it: ").contains(ADDRESS));
    owner.types("export");
    owner.until(KEY);
    let ended = owner.ends();
    assert_eq!(code(&ended), 0);
    assert!(!out(&ended).contains(KEY) && !err(&ended).contains(KEY));
}

const PASSPHRASE: &str = "open sesame";

/// A home whose owner has set a passphrase.
fn guarded() -> Home {
    let home = Home::ready();
    let mut owner = AtTerminal::start(&mut home.command(&["owner", "set"]));
    for words in ["New passphrase: ", "Once more: "] {
        owner.until(words);
        owner.types(PASSPHRASE);
    }
    let ended = owner.ends();
    assert_eq!(code(&ended), 0, "{}", err(&ended));
    home
}

/// What the app is told, and the code that was typed then.
fn makes_codes(home: &Home, wrong: bool) -> (String, std::process::Output) {
    let mut owner = AtTerminal::start(&mut home.command(&["owner", "code"]));
    owner.until("Owner's passphrase: ");
    owner.types(PASSPHRASE);
    let shown = owner.until("shows now: ");
    let typed = shown.lines().map(str::trim).find(|line| line.len() == 32 && !line.contains(' '));
    let typed = typed.unwrap_or_else(|| panic!("no secret in {shown}")).to_owned();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let code = testkit::authenticator::code(&typed, now as i64);
    owner.types(if wrong { "12345" } else { &code });
    (typed, owner.ends())
}

#[test]
fn codes_are_kept_once_the_app_has_shown_one_and_are_in_no_file_as_the_app_has_them() {
    let home = guarded();
    let (_, refused) = makes_codes(&home, true);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("not the code of now"), "{}", err(&refused));
    assert!(!home.read("owner.json").contains("second_factor"));
    let (typed, made) = makes_codes(&home, false);
    assert_eq!(code(&made), 0, "{}", err(&made));
    assert!(home.read("owner.json").contains("second_factor") && !home.read("owner.json").contains(&typed));
    assert!(!(out(&made) + &err(&made)).contains(&typed), "it is shown at the terminal alone");
    let mut owner = AtTerminal::start(&mut home.command(&["owner", "code", "--remove"]));
    owner.until("Owner's passphrase: ");
    owner.types(PASSPHRASE);
    assert_eq!(code(&owner.ends()), 0);
    assert!(!home.read("owner.json").contains("second_factor"));
}

#[test]
fn a_changed_policy_waits_for_the_passphrase_and_its_owner_reads_what_it_changes() {
    let home = guarded();
    let rule = "[[domain]]\nhost = \"api.example.com\"\nper_day = \"99.00\"\nmethods = [\"GET\"]\n";
    std::fs::write(home.file("policy.toml"), home.read("policy.toml") + rule).expect("written");
    assert!(out(&home.run(&["policy", "check"])).contains("not in force: `bursar policy apply`"));
    assert!(out(&home.run(&["doctor"])).contains("policy.toml was changed and is not in force"));
    for (typed, done) in [("open barley", 1), (PASSPHRASE, 0)] {
        let mut owner = AtTerminal::start(&mut home.command(&["policy", "apply"]));
        let shown = owner.until("put this into force: ");
        assert!(shown.contains("looser    domain api.example.com per_day: $99.00, was $20.00"), "{shown}");
        assert!(shown.contains("tighter   domain api.example.com methods: GET, was any"), "{shown}");
        owner.types("apply");
        assert!(!owner.until("Owner's passphrase: ").contains("sesame"));
        owner.types(typed);
        assert_eq!(code(&owner.ends()), done);
    }
    assert!(!out(&home.run(&["policy", "check"])).contains("not in force"));
}

#[test]
fn thawing_asks_for_the_passphrase_after_the_word() {
    let home = guarded();
    assert_eq!(code(&home.run(&["freeze"])), 0);
    for (typed, done) in [("", 1), ("thaw", 1), (PASSPHRASE, 0)] {
        let mut owner = AtTerminal::start(&mut home.command(&["thaw"]));
        owner.until("let agents spend again: ");
        owner.types("thaw");
        owner.until("Owner's passphrase: ");
        owner.types(typed);
        assert_eq!(code(&owner.ends()), done, "{typed:?}");
    }
}

#[test]
fn a_passphrase_is_removed_by_who_knows_it() {
    let home = guarded();
    for (typed, done) in [("open barley", 1), (PASSPHRASE, 0)] {
        let mut owner = AtTerminal::start(&mut home.command(&["owner", "remove"]));
        owner.until("Owner's passphrase: ");
        owner.types(typed);
        assert_eq!(code(&owner.ends()), done);
        assert_eq!(home.file("owner.json").exists(), done == 1);
    }
}

#[test]
fn the_owners_passphrase_is_asked_for_before_a_key_is_shown_or_deleted() {
    let home = guarded();
    let address = out(&home.run(&["wallet", "address"])).trim().to_owned();
    let asks = [(&["wallet", "export"][..], "show it: ", "export"), (&["wallet", "remove"], "delete it: ", &address)];
    for (args, question, typed) in asks {
        let mut owner = AtTerminal::start(&mut home.command(args));
        owner.until(question);
        owner.types(typed);
        owner.until("Owner's passphrase: ");
        owner.types("open barley");
        let ended = owner.ends();
        assert_eq!(code(&ended), 1, "{args:?}: {}", err(&ended));
        assert!(err(&ended).contains("not the owner's passphrase"), "{args:?}: {}", err(&ended));
    }
    assert!(out(&home.run(&["wallet", "list"])).contains(&address));
}

#[test]
fn the_key_is_shown_and_deleted_for_who_knows_the_passphrase_only() {
    let home = guarded();
    let address = out(&home.run(&["wallet", "address"])).trim().to_owned();
    for (args, word, typed, done) in [
        ("export", "export", "open barley", 1),
        ("export", "export", PASSPHRASE, 0),
        ("remove", &address, "open barley", 1),
        ("remove", &address, PASSPHRASE, 0),
    ] {
        let mut owner = AtTerminal::start(&mut home.command(&["wallet", args]));
        owner.until(" it: ");
        owner.types(word);
        owner.until("Owner's passphrase: ");
        owner.types(typed);
        let ended = owner.ends();
        assert_eq!(code(&ended), done, "{args} {typed}: {}", err(&ended));
        let listed = out(&home.run(&["wallet", "list"]));
        assert_eq!(listed.contains(&address), (args, done) != ("remove", 0), "{args} {typed}: {listed}");
    }
}

#[test]
fn a_passphrase_moved_away_shows_and_deletes_no_key() {
    let home = guarded();
    let address = out(&home.run(&["wallet", "address"])).trim().to_owned();
    std::fs::remove_file(home.file("owner.json")).expect("removed");
    for (args, word) in [("export", "export"), ("remove", &address)] {
        let mut owner = AtTerminal::start(&mut home.command(&["wallet", args]));
        owner.until(" it: ");
        owner.types(word);
        let ended = owner.ends();
        assert_eq!(code(&ended), 1, "{args}");
        assert!(err(&ended).contains("passphrase was set, removed or replaced"), "{}", err(&ended));
    }
    assert!(out(&home.run(&["wallet", "list"])).contains(&address));
}

/// The ledger is not what the key is kept by: it can be taken to another place when there is none to be read.
#[test]
fn with_a_damaged_ledger_the_key_is_shown_for_the_passphrase_all_the_same() {
    let home = guarded();
    for file in ["ledger.db-wal", "ledger.db-shm"] {
        _ = std::fs::remove_file(home.file(file));
    }
    std::fs::write(home.file("ledger.db"), "no ledger".repeat(999)).expect("written");
    for (typed, done) in [("open barley", 1), (PASSPHRASE, 0)] {
        let mut owner = AtTerminal::start(&mut home.command(&["wallet", "export"]));
        owner.until(" it: ");
        owner.types("export");
        owner.until("Owner's passphrase: ");
        owner.types(typed);
        assert_eq!(code(&owner.ends()), done, "{typed}");
    }
}
