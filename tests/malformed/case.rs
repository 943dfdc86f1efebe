//! One challenge in a file. `README.md` says how a file is written.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bursar::authorization::{SolanaKey, TokenProgram, token_account};
use bursar::money::{self, Addresses, KeyAddress, Rail};
use bursar::time::Time;
use http::{HeaderMap, HeaderName, HeaderValue};
use testkit::solana;

pub struct Case {
    /// Its folder and file: `payee/zero`.
    pub name: String,
    pub expect: Expect,
    /// What comes of it over the wire, where that refuses sooner.
    pub wire: Option<Expect>,
    /// The seller sends its callers to another path of its own first.
    pub redirected: bool,
    /// What Solana's nodes tell of a block that can be named.
    pub blocks: Blocks,
    /// As they are written: [`Case::headers_at`] says what they are at a time.
    headers: HeaderMap,
    pub body: Vec<u8>,
}

/// What must come of a challenge, or what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The payee in the one spelling that its rail has for it.
    Pay {
        amount: String,
        payee: String,
    },
    Ask(Vec<String>),
    Refuse(Vec<String>),
}

/// What Solana's nodes have told of a recent block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// One that is young.
    Young,
    /// One a minute ago, and none since.
    Old,
    /// Nothing yet.
    Unknown,
}

/// Who is paid where a file says no other.
const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";

/// All files in a folder under `tests/` and those below it, by name.
pub fn cases(folder: &str, us: Addresses) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files = Vec::new();
    files_in(&root, &mut files);
    files.sort();
    files.iter().map(|file| Case::read(&root, file, us)).collect()
}

fn files_in(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_in(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "http") {
            files.push(path);
        }
    }
}

impl Case {
    fn read(root: &Path, file: &Path, us: Addresses) -> Case {
        let name = file.strip_prefix(root).expect("beneath").with_extension("").display().to_string();
        let bytes = fs::read(file).expect("readable");
        let (about, reply) = cut(&bytes, b"\n\n").unwrap_or_else(|| panic!("{name}: no blank line after `expect`"));
        let (head, body) = cut(reply, b"\n\n").unwrap_or_else(|| panic!("{name}: no blank line after the headers"));
        let about = std::str::from_utf8(about).expect("text");
        let said = |key: &str| about.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        assert!(about.starts_with("# "), "{name}: the first line says why");
        let expect = said("expect:").and_then(Expect::parse).unwrap_or_else(|| panic!("{name}: what is expected?"));
        let wire = said("wire:").and_then(Expect::parse);
        let head = spelled_out(head, us);
        let headers = headers(&head).unwrap_or_else(|| panic!("{name}: these are no headers"));
        let redirected = said("redirected:") == Some("yes");
        let blocks = match said("blocks:") {
            None => Blocks::Young,
            Some("old") => Blocks::Old,
            Some("unknown") => Blocks::Unknown,
            Some(other) => panic!("{name}: blocks are old or unknown, and not {other}"),
        };
        Case { expect, wire, redirected, blocks, headers, body: spelled_out(body, us), name }
    }

    /// Its headers when it is sent: `<<in 300>>` is a time so many seconds from now.
    pub fn headers_at(&self, now: u64) -> HeaderMap {
        let at = |value: &HeaderValue| HeaderValue::from_bytes(&timed(value.as_bytes(), now)).expect("a value");
        self.headers.iter().map(|(name, value)| (name.clone(), at(value))).collect()
    }

    pub fn agent(&self) -> String {
        self.name.replace('/', "-")
    }

    /// What is not as it must be when the challenge is read, in one line.
    pub fn differs(&self, said: &Expect) -> Option<String> {
        self.differs_from(&self.expect, said)
    }

    /// The same when it came over the wire.
    pub fn differs_on_the_wire(&self, said: &Expect) -> Option<String> {
        self.differs_from(self.wire.as_ref().unwrap_or(&self.expect), said)
    }

    fn differs_from(&self, expected: &Expect, said: &Expect) -> Option<String> {
        (expected != said).then(|| format!("{}: {expected:?} and not {said:?}", self.name))
    }
}

impl Expect {
    /// `refuse CODE...`, `ask CODE...`, or `pay AMOUNT [to ADDRESS]`.
    fn parse(line: &str) -> Option<Expect> {
        let mut words = line.split_ascii_whitespace();
        let verb = words.next()?;
        let rest: Vec<String> = words.map(str::to_owned).collect();
        match (verb, rest.as_slice()) {
            ("refuse", [_, ..]) => Some(Expect::Refuse(rest)),
            ("ask", [_, ..]) => Some(Expect::Ask(rest)),
            ("pay", [amount]) => Some(Expect::Pay { amount: amount.clone(), payee: PAYEE.to_owned() }),
            ("pay", [amount, to, payee]) if to == "to" => {
                Some(Expect::Pay { amount: amount.clone(), payee: money::address(payee).ok()? })
            }
            _ => None,
        }
    }
}

/// The lines after the status line. A line that begins with a blank goes on with the one before; a value that begins
/// with `base64` is what the rest of it is in base64.
fn headers(head: &[u8]) -> Option<HeaderMap> {
    let mut lines = head.split(|byte| *byte == b'\n');
    assert!(lines.next()?.starts_with(b"HTTP/1.1 402"), "a challenge is a 402");
    let mut written: Vec<(HeaderName, Vec<u8>)> = Vec::new();
    for line in lines {
        if line.starts_with(b" ") {
            let value = &mut written.last_mut()?.1;
            value.push(b'\n');
            value.extend(line);
        } else {
            let (name, value) = cut(line, b":")?;
            written.push((HeaderName::from_bytes(name).ok()?, value.trim_ascii().to_owned()));
        }
    }
    written.into_iter().map(|(name, value)| Some((name, packed(&value)?))).collect()
}

fn packed(value: &[u8]) -> Option<HeaderValue> {
    match value.strip_prefix(b"base64\n") {
        Some(plain) => STANDARD.encode(plain).parse().ok(),
        None => HeaderValue::from_bytes(value).ok(),
    }
}

fn timed(text: &[u8], now: u64) -> Vec<u8> {
    let Some((before, rest)) = cut(text, b"<<in ") else { return text.to_vec() };
    let (secs, after) = cut(rest, b">>").expect("`<<in 300>>`");
    let secs: i64 = std::str::from_utf8(secs).ok().and_then(|secs| secs.parse().ok()).expect("how many seconds");
    let time = Time::from_secs(now as i64 + secs).to_string();
    [before, time.as_bytes(), &timed(after, now)].concat()
}

/// `<<us>>` is the wallet's own address, `<<us on Solana>>` its other one, `<<our tokens>>` where it keeps what it pays
/// with there, `<<9000 x [>>` nine thousand brackets, and `<<b64 {}>>` what follows in the base64
/// of URLs.
fn spelled_out(text: &[u8], us: Addresses) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = cut(rest, b"<<") {
        let Some((inside, after)) = cut(after, b">>") else { break };
        out.extend(before);
        out.extend(shorthand(inside, us));
        rest = after;
    }
    out.extend(rest);
    out
}

fn shorthand(inside: &[u8], us: Addresses) -> Vec<u8> {
    let ours = |rail: Rail| us.of(rail).expect("a key of each rail");
    match (inside, ours(Rail::Solana)) {
        (b"us", _) => return ours(Rail::Evm).to_string().into_bytes(),
        (b"us on Solana", us) => return us.to_string().into_bytes(),
        (b"our tokens", KeyAddress::Solana(us)) => {
            return token_account(SolanaKey(us), TokenProgram::Spl, solana::key(solana::USDC)).to_string().into_bytes();
        }
        _ => {}
    }
    if let Some(plain) = inside.strip_prefix(b"b64 ") {
        return URL_SAFE_NO_PAD.encode(plain.trim_ascii()).into_bytes();
    }
    if inside.starts_with(b"in ") {
        return [b"<<", inside, b">>"].concat();
    }
    let (times, text) = cut(inside, b" x ").expect("`<<9000 x [>>`");
    text.repeat(std::str::from_utf8(times).ok().and_then(|times| times.parse().ok()).expect("how many times"))
}

/// The text around the first of these.
fn cut<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = text.windows(at.len()).position(|window| window == at)?;
    Some((&text[..found], &text[found + at.len()..]))
}
