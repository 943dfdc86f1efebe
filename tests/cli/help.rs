//! What a person reads who asks for help, mistypes, or says nothing.

use crate::home::{Home, code, err, out};

const COMMANDS: [&str; 28] = [
    "demo",
    "init",
    "install",
    "uninstall",
    "doctor",
    "serve",
    "fetch",
    "balance",
    "log",
    "why",
    "sellers",
    "reviewed",
    "statusline",
    "audit",
    "pending",
    "approve",
    "deny",
    "freeze",
    "thaw",
    "policy",
    "reconcile",
    "release",
    "backup",
    "restore",
    "ledger",
    "wallet",
    "completions",
    "man",
];

#[test]
fn bursar_alone_says_what_it_is_and_how_to_begin() {
    let told = Home::empty().run(&[]);
    assert_eq!((code(&told), out(&told).as_str()), (2, ""));
    insta::assert_snapshot!(err(&told));
}

#[test]
fn the_help_lists_every_command_by_what_it_is_for() {
    let told = Home::empty().run(&["--help"]);
    assert_eq!(code(&told), 0);
    insta::assert_snapshot!(out(&told));
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let home = Home::empty();
    let mut all = String::new();
    for command in COMMANDS {
        let told = home.run(&[command, "--help"]);
        assert_eq!(code(&told), 0, "{command}");
        all.push_str(&format!("$ bursar {command} --help\n{}\n", out(&told)));
    }
    for (command, action) in [
        ("policy", "check"),
        ("policy", "explain"),
        ("policy", "allow"),
        ("policy", "replay"),
        ("policy", "schema"),
        ("wallet", "create"),
        ("wallet", "import"),
        ("wallet", "export"),
        ("wallet", "remove"),
        ("ledger", "adopt"),
        ("ledger", "init-roles"),
    ] {
        all.push_str(&format!(
            "$ bursar {command} {action} --help\n{}\n",
            out(&home.run(&[command, action, "--help"]))
        ));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_typo_is_answered_with_what_was_meant() {
    let home = Home::empty();
    for (typed, meant) in [
        (&["aprove", "pu_1"][..], "approve"),
        (&["polcy", "check"], "policy"),
        (&["log", "--sinse", "1h"], "--since"),
        (&["log", "--state", "setled"], "settled"),
        (&["wallet", "exprt"], "export"),
    ] {
        let told = home.run(typed);
        assert_eq!(code(&told), 2, "{typed:?}");
        assert!(err(&told).contains(&format!("'{meant}'")), "{typed:?}: {}", err(&told));
    }
}

#[test]
fn nothing_is_coloured_where_nobody_sees_it_or_nobody_wants_it() {
    let home = Home::empty();
    for args in [&["--help"][..], &["doctor"], &["approve", "x"], &["nonsense"], &["--color", "never", "--help"]] {
        let told = home.command(args).env("TERM", "xterm-256color").output().expect("started");
        assert!(!out(&told).contains('\u{1b}') && !err(&told).contains('\u{1b}'), "{args:?}");
    }
    let wanted = home.run(&["--color=always", "--help"]);
    assert!(out(&wanted).contains('\u{1b}'));
    assert!(out(&home.run(&["--color=always", "doctor"])).contains('\u{1b}'));
}

#[cfg(unix)]
#[test]
fn no_color_holds_on_a_terminal_too() {
    use crate::terminal::AtTerminal;
    let home = Home::ready();
    let mut command = home.command(&["wallet", "export"]);
    command.env("NO_COLOR", "1").env("TERM", "xterm-256color");
    let mut owner = AtTerminal::start(&mut command);
    assert!(!owner.until("show it: ").contains('\u{1b}'));
    owner.types("no");
    assert!(!err(&owner.ends()).contains('\u{1b}'));
}

#[test]
fn a_version_a_script_can_read() {
    assert_eq!(out(&Home::empty().run(&["--version"])), concat!("bursar ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_and_manuals_name_the_commands() {
    let home = Home::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = out(&home.run(&["completions", shell]));
        assert!(script.contains("reconcile") && script.contains("bursar"), "{shell}");
    }
    assert!(out(&home.run(&["man"])).contains(".TH bursar"));
    let pages = home.file("man");
    assert_eq!(code(&home.run(&["man", "--to", pages.to_str().expect("plain")])), 0);
    assert!(pages.join("bursar-fetch.1").exists());
}

#[test]
fn a_key_given_as_an_argument_is_never_repeated() {
    let home = Home::empty();
    let key = crate::home::KEY;
    let with_prefix = format!("0x{key}");
    for args in [
        &["wallet", "import", key][..],
        &["wallet", "import", &with_prefix],
        &["wallet", "import", "--key", key],
        &[key],
        &["fetch", "--key", &with_prefix],
    ] {
        let told = home.run(args);
        let said = out(&told) + &err(&told);
        assert_eq!(code(&told), 2, "{said}");
        assert!(!said.contains(&key[..16]), "{said}");
        assert!(said.contains("never given as an argument"), "{said}");
    }
}
