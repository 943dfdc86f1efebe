//! `bursar install` and `uninstall`, over the files of every host.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::home::{Home, code, err, out};

/// Every host, the sample of its file, and where the file is beneath the user's folder.
const HOSTS: [(&str, &str, &str); 14] = [
    ("claude-code", "claude-code.json", ".claude.json"),
    ("claude-desktop", "claude-desktop.json", "PROGRAMS/Claude/claude_desktop_config.json"),
    ("cline", "cline.json", ".cline/data/settings/cline_mcp_settings.json"),
    ("codex", "codex.toml", ".codex/config.toml"),
    ("copilot-cli", "copilot-cli.json", ".copilot/mcp-config.json"),
    ("cursor", "cursor.json", ".cursor/mcp.json"),
    ("gemini-cli", "gemini-cli.json", ".gemini/settings.json"),
    ("goose", "goose.yaml", "GOOSE/config.yaml"),
    ("mcp-json", "mcp-json.json", ".mcp.json"),
    ("opencode", "opencode.json", ".config/opencode/opencode.json"),
    ("qwen-code", "qwen-code.json", ".qwen/settings.json"),
    ("vscode", "vscode.json", "PROGRAMS/Code/User/mcp.json"),
    ("windsurf", "windsurf.json", ".codeium/windsurf/mcp_config.json"),
    ("zed", "zed.json", "ZED/settings.json"),
];

const PROGRAMS: &str = match () {
    () if cfg!(windows) => "AppData/Roaming",
    () if cfg!(target_os = "macos") => "Library/Application Support",
    () => ".config",
};

/// Where this host's file is on this system.
fn place(home: &Home, file: &str) -> PathBuf {
    let goose = if cfg!(windows) { "AppData/Roaming/Block/goose/config" } else { ".config/goose" };
    let zed = if cfg!(windows) { "AppData/Roaming/Zed" } else { ".config/zed" };
    home.user(&file.replace("PROGRAMS", PROGRAMS).replace("GOOSE", goose).replace("ZED", zed))
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/hosts").join(name)).expect(name)
}

/// A user of every host.
fn with_all_hosts() -> Home {
    let home = Home::empty();
    for (_, sample_name, file) in HOSTS {
        write(&place(&home, file), &sample(sample_name));
    }
    home
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, bytes).expect("written");
}

/// Every file beneath the user's folder, and what it says.
fn files(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    fn gather(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => gather(&path, into),
                false => _ = into.insert(path.clone(), fs::read(&path).expect("readable")),
            }
        }
    }
    let mut found = BTreeMap::new();
    gather(&home.user(""), &mut found);
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("text")
}

#[test]
fn every_host_gets_its_entry_and_an_uninstall_gives_back_every_byte() {
    let home = with_all_hosts();
    let before = files(&home);
    let mut written = String::new();
    for (host, _, file) in HOSTS {
        let told = home.run(&["install", "--host", host]);
        assert_eq!(code(&told), 0, "{}", err(&told));
        let text = text(&place(&home, file));
        let shown = home.plain(&text).replace('\r', "␍").replace('\u{feff}', "␀");
        written.push_str(&format!("===== {host}\n{shown}\n"));
        let again = home.run(&["install", "--host", host]);
        assert!(out(&again).contains("already there"), "{}", out(&again));
        assert_eq!(self::text(&place(&home, file)), text, "{host}");
    }
    insta::assert_snapshot!(written);
    for (host, _, _) in HOSTS {
        let told = home.run(&["uninstall", "--host", host]);
        assert_eq!(code(&told), 0, "{}", err(&told));
    }
    assert_eq!(files(&home), before);
}

#[test]
fn without_its_copy_an_uninstall_still_takes_out_our_entry_and_nothing_else() {
    let home = with_all_hosts();
    let before = files(&home);
    assert_eq!(code(&home.run(&["install", "--all"])), 0);
    for (path, _) in files(&home).iter().filter(|(path, _)| path.to_string_lossy().ends_with(".before-bursar")) {
        fs::remove_file(path).expect("removed");
    }
    assert_eq!(code(&home.run(&["uninstall", "--all"])), 0);
    let after = files(&home);
    // Files that said nothing are gone, or say it in fewer words.
    let says_something = |bytes: &[u8]| bytes.len() > 25;
    for (path, was) in before.iter().filter(|(_, was)| says_something(was)) {
        assert_eq!(after.get(path).map(|is| String::from_utf8_lossy(is)), Some(String::from_utf8_lossy(was)));
    }
}

#[test]
fn a_file_that_was_not_there_is_made_and_is_gone_again() {
    for (host, _, file) in HOSTS {
        let home = Home::empty();
        assert_eq!(code(&home.run(&["install", "--host", host])), 0, "{host}");
        assert!(text(&place(&home, file)).contains(host), "{host}");
        let told = home.run(&["uninstall", "--host", host]);
        assert_eq!(code(&told), 0, "{}", err(&told));
        assert!(!place(&home, file).exists(), "{host}: {}", text(&place(&home, file)));
    }
}

#[test]
fn all_hosts_that_are_found_are_told_apart_from_those_that_are_not() {
    let home = Home::empty();
    for folder in [".cursor", ".codex"] {
        fs::create_dir(home.user(folder)).expect("made");
    }
    let told = home.run(&["install", "--all"]);
    assert_eq!(code(&told), 0, "{}", err(&told));
    insta::assert_snapshot!(home.plain(&(err(&told) + &out(&told))));
    assert!(home.user(".cursor/mcp.json").exists() && home.user(".codex/config.toml").exists());
    assert!(!home.user(".gemini").exists() && !home.user(".mcp.json").exists());
}

#[test]
fn a_dry_run_shows_the_lines_that_would_change_and_writes_nothing() {
    let home = with_all_hosts();
    let before = files(&home);
    let told = home.run(&["install", "--all", "--dry-run"]);
    assert_eq!(code(&told), 0, "{}", err(&told));
    assert_eq!(files(&home), before);
    let shown = home.plain(&out(&told));
    for (host, _, _) in HOSTS.iter().filter(|(host, _, _)| *host != "mcp-json") {
        assert!(shown.contains(&format!("ok {host}")), "{shown}");
    }
    assert!(shown.ends_with("\nNothing was written (--dry-run).\n"), "{shown}");
    // Keys of other servers are nobody's business on a screen.
    assert!(!shown.contains("not-a-real"), "{shown}");
    insta::assert_snapshot!(home.plain(&out(&home.run(&["install", "--host", "zed", "--dry-run"]))));
}

#[test]
fn without_a_host_it_says_which_are_here_and_what_to_type() {
    let home = Home::empty();
    fs::create_dir(home.user(".cursor")).expect("made");
    let before = files(&home);
    let told = home.run(&["install"]);
    assert_eq!(code(&told), 2);
    insta::assert_snapshot!(err(&told));
    assert_eq!(files(&home), before);
    let told = Home::empty().run(&["install", "--all"]);
    assert_eq!(code(&told), 1, "{}", err(&told));
    assert!(err(&told).contains("--host claude-code|"), "{}", err(&told));
}

#[test]
fn somebody_elses_entry_is_shown_before_it_is_replaced_and_given_back() {
    let home = Home::empty();
    let before = "{\n  \"mcpServers\": {\n    \"bursar\": { \"command\": \"/opt/other\", \"env\": {} }\n  }\n}\n";
    write(&home.user(".cursor/mcp.json"), before.as_bytes());
    let told = home.run(&["uninstall", "--host", "cursor"]);
    assert!(out(&told).contains("starts another program") && code(&told) == 0, "{}", out(&told));
    let told = home.run(&["install", "--host", "cursor"]);
    insta::assert_snapshot!(home.plain(&out(&told)));
    assert_eq!(text(&home.user(".cursor/mcp.json.before-bursar")), before);
    assert_eq!(code(&home.run(&["uninstall", "--host", "cursor"])), 0);
    assert_eq!(text(&home.user(".cursor/mcp.json")), before);
}

#[test]
fn the_oldest_copy_is_kept_and_what_was_changed_since_stays() {
    let home = Home::empty();
    let file = home.user(".gemini/settings.json");
    write(&file, b"{\n  \"theme\": \"a\"\n}\n");
    assert_eq!(code(&home.run(&["install", "--host", "gemini-cli"])), 0);
    write(&file, text(&file).replace("\"a\"", "\"b\"").as_bytes());
    let elsewhere = home.user("elsewhere");
    let told = home.run(&["--home", elsewhere.to_str().expect("plain"), "install", "--host", "gemini-cli"]);
    assert!(out(&told).contains("an older copy is there and stays"), "{}", out(&told));
    assert!(text(&file).contains("elsewhere"));
    let told = home.run(&["uninstall", "--host", "gemini-cli"]);
    assert!(out(&told).contains("changed since"), "{}", out(&told));
    assert_eq!(text(&file), "{\n  \"theme\": \"b\"\n}\n");
    assert_eq!(text(&home.user(".gemini/settings.json.before-bursar")), "{\n  \"theme\": \"a\"\n}\n");
}

#[test]
fn a_file_that_is_broken_is_left_alone_and_the_entry_shown_to_paste() {
    for (host, file, broken) in [
        ("cursor", ".cursor/mcp.json", "{\n  \"mcpServers\": {\n}\n"),
        ("codex", ".codex/config.toml", "model = \"x\"\n[broken\n"),
        ("goose", "GOOSE/config.yaml", "a: 1\nextensions: [x]\n"),
        ("zed", "ZED/settings.json", "{ \"context_servers\": [] }"),
    ] {
        let home = Home::empty();
        write(&place(&home, file), broken.as_bytes());
        let before = files(&home);
        for command in ["install", "uninstall"] {
            let told = home.run(&[command, "--host", host]);
            assert_eq!(code(&told), 1, "{host}");
            assert!(err(&told).contains("nothing was changed"), "{}", err(&told));
            assert_eq!(err(&told).contains("to add it by hand"), command == "install", "{}", err(&told));
            assert_eq!(files(&home), before, "{host}");
        }
    }
}

#[test]
fn one_host_that_fails_stops_no_other() {
    let home = Home::empty();
    write(&home.user(".codex/config.toml"), b"[broken\n");
    fs::create_dir(home.user(".cursor")).expect("made");
    let told = home.run(&["install", "--all"]);
    assert_eq!(code(&told), 1);
    insta::assert_snapshot!(home.plain(&err(&told)));
    assert!(home.user(".cursor/mcp.json").exists());
}

#[test]
fn a_file_may_be_named_for_one_host_only() {
    let home = Home::empty();
    let told = home.run(&["install", "--host", "mcp-json", "--file", "project/mcp.json"]);
    assert_eq!(code(&told), 0, "{}", err(&told));
    assert!(text(&home.user("project/mcp.json")).contains("mcp-json"));
    for args in [&["install", "--file", "x"][..], &["install", "--host", "zed", "--host", "cursor", "--file", "x"]] {
        assert_eq!(code(&home.run(args)), 2, "{args:?}");
    }
    assert_eq!(code(&home.run(&["install", "--all", "--host", "zed"])), 2);
}

#[test]
fn the_example_at_the_top_is_what_an_install_writes() {
    let home = Home::empty();
    assert_eq!(code(&home.run(&["install", "--host", "mcp-json"])), 0);
    let plain = home.plain(&text(&home.user(".mcp.json")));
    let written = plain.replace("/path/to/bursar", "/whole/path/to/bursar").replace("~/.bursar", "/whole/path/to/home");
    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp.json.example")).expect("readable");
    assert_eq!(written, example);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_who_may_read_stays_as_it_was() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::empty();
    let (real, link) = (home.user("dotfiles/zed.json"), home.user(".config/zed/settings.json"));
    write(&real, &sample("zed.json"));
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("set");
    fs::create_dir_all(link.parent().expect("a folder")).expect("made");
    symlink(&real, &link).expect("linked");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(code(&home.run(&["install", "--all"])), 0);
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert!(text(&real).contains("\"bursar\""));
    assert_eq!((mode(&real), mode(&home.user(".config/zed/settings.json.before-bursar"))), (0o640, 0o640));
    assert_eq!(code(&home.run(&["uninstall", "--all"])), 0);
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert_eq!((fs::read(&real).expect("readable"), mode(&real)), (sample("zed.json"), 0o640));
    fs::remove_file(&real).expect("removed");
    let told = home.run(&["install", "--host", "zed"]);
    assert!(err(&told).contains("a link that leads nowhere"), "{}", err(&told));
}

#[test]
fn a_file_that_may_not_be_written_is_told_and_left_without_a_copy() {
    let home = Home::empty();
    let file = home.user(".cursor/mcp.json");
    write(&file, b"{}");
    let mut allowed = fs::metadata(&file).expect("there").permissions();
    allowed.set_readonly(true);
    fs::set_permissions(&file, allowed).expect("set");
    let before = files(&home);
    let told = home.run(&["install", "--host", "cursor"]);
    assert_eq!(code(&told), 1);
    assert!(err(&told).contains("could not be changed: it is read-only"), "{}", err(&told));
    assert_eq!(files(&home), before);
}
