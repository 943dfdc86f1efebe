//! Purchases as entries of a journal, for programs that keep books: beancount and hledger.
//!
//! What settled is a cleared entry, what is authorized or held a pending one (`!`); everything else cost nothing. Each
//! entry takes the asset's own units out of the wallet and puts what they counted for into an expense of the seller.

use std::collections::BTreeSet;

use crate::answer::Row;
use crate::cli::out;

/// What two programs write differently.
pub trait Program {
    /// Stands at the beginning of a journal.
    fn opening(&self) -> String;
    fn account(&self, name: &str) -> String;
    fn commodity(&self, name: &str) -> String;
    fn entry(&self, entry: &JournalEntry) -> Vec<String>;
}

pub struct Beancount;
pub struct Hledger;

/// A journal that is being written: what it has opened already.
pub struct Books<P> {
    program: P,
    accounts: BTreeSet<String>,
    commodities: BTreeSet<String>,
}

/// One purchase, ready to be booked. All texts are cleaned.
pub struct JournalEntry {
    day: String,
    flag: char,
    seller: String,
    what: String,
    wallet: String,
    expense: String,
    units: String,
    commodity: String,
    usd: String,
    tags: Vec<(&'static str, String)>,
}

impl<P: Program> Books<P> {
    pub fn of(program: P) -> Books<P> {
        Books { program, accounts: BTreeSet::new(), commodities: BTreeSet::new() }
    }

    pub fn opening(&self) -> String {
        self.program.opening()
    }

    /// The lines of one purchase; none if no money is in it. `units` is what left the wallet, in whole units.
    pub fn entry(&mut self, row: &Row, units: Option<String>) -> Vec<String> {
        let Some(entry) = JournalEntry::of(row, units) else { return Vec::new() };
        let mut lines = Vec::new();
        for name in [&entry.wallet, &entry.expense] {
            if self.accounts.insert(name.clone()) {
                lines.push(self.program.account(name));
            }
        }
        if self.commodities.insert(entry.commodity.clone()) {
            lines.push(self.program.commodity(&entry.commodity));
        }
        lines.push(String::new());
        lines.extend(self.program.entry(&entry));
        lines
    }
}

impl JournalEntry {
    fn of(row: &Row, units: Option<String>) -> Option<JournalEntry> {
        let flag = match row.state.as_str() {
            "settled" => '*',
            "authorized" | "held" => '!',
            _ => return None,
        };
        let usd = row.amount_usd?.to_string();
        let network = row.network.clone().unwrap_or_default();
        let commodity = commodity(row.asset.as_deref().unwrap_or_default());
        let mut tags = vec![("purchase", row.purchase_id.clone()), ("agent", row.agent.clone())];
        tags.push(("state", row.state.clone()));
        tags.extend(row.chain_tx.clone().map(|tx| ("chain-tx", tx)));
        Some(JournalEntry {
            day: row.at.to_string().split('T').next().unwrap_or_default().to_owned(),
            flag,
            seller: plain(&row.domain),
            what: plain(&format!("{} {}", row.method, row.url)),
            wallet: format!("Assets:Bursar:{}:{commodity}", component(&network)),
            expense: format!("Expenses:Bursar:{}", component(&row.domain)),
            units: units.unwrap_or_else(|| usd.clone()),
            commodity,
            usd,
            tags: tags.into_iter().map(|(name, text)| (name, plain(&text))).collect(),
        })
    }
}

impl Program for Beancount {
    fn opening(&self) -> String {
        "option \"title\" \"bursar\"\noption \"operating_currency\" \"USD\"".to_owned()
    }

    fn account(&self, name: &str) -> String {
        format!("1970-01-01 open {name}")
    }

    /// Beancount knows one by its use.
    fn commodity(&self, name: &str) -> String {
        format!("1970-01-01 commodity {name}")
    }

    fn entry(&self, entry: &JournalEntry) -> Vec<String> {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let JournalEntry { day, flag, seller, what, wallet, expense, units, commodity, usd, tags } = entry;
        let mut lines = vec![format!("{day} {flag} {} {}", quoted(seller), quoted(what))];
        lines.extend(tags.iter().map(|(name, text)| format!("  {name}: {}", quoted(text))));
        lines.push(format!("  {wallet}  -{units} {commodity} @@ {usd} USD"));
        lines.push(format!("  {expense}  {usd} USD"));
        lines
    }
}

impl Program for Hledger {
    fn opening(&self) -> String {
        "; bursar\ncommodity 1000.000000 USD".to_owned()
    }

    fn account(&self, name: &str) -> String {
        format!("account {name}")
    }

    fn commodity(&self, name: &str) -> String {
        match name {
            "USD" => String::new(),
            name => format!("commodity 1000.000000 \"{name}\""),
        }
    }

    fn entry(&self, entry: &JournalEntry) -> Vec<String> {
        // A semicolon begins a comment, a bar ends the payee, a comma ends a tag.
        let bare = |text: &str| text.replace([';', '|', ','], " ");
        let JournalEntry { day, flag, seller, what, wallet, expense, units, commodity, usd, tags } = entry;
        let mut lines = vec![format!("{day} {flag} {} | {}", bare(seller), bare(what))];
        lines.extend(tags.iter().map(|(name, text)| format!("    ; {name}: {}", bare(text))));
        lines.push(format!("    {wallet}  -{units} \"{commodity}\" @@ {usd} USD"));
        lines.push(format!("    {expense}  {usd} USD"));
        lines
    }
}

/// A part of an account's name as both programs take it: letters, digits and dashes, the first one a capital or a digit.
fn component(text: &str) -> String {
    let kept: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let kept = kept.trim_matches('-');
    let mut chars = kept.chars();
    match chars.next() {
        Some(first) => format!("{}{}", first.to_ascii_uppercase(), chars.as_str()),
        None => "Unknown".to_owned(),
    }
}

/// A commodity as both programs take it: capitals and digits, a letter first.
fn commodity(symbol: &str) -> String {
    const LONGEST: usize = 24;
    let kept = symbol.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase());
    let kept: String = kept.skip_while(char::is_ascii_digit).take(LONGEST).collect();
    if kept.is_empty() { "ASSET".to_owned() } else { kept }
}

fn plain(text: &str) -> String {
    out::clean(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Usd;
    use crate::time::Time;

    fn row(state: &str, id: &str, url: &str, domain: &str) -> Row {
        Row {
            purchase_id: id.to_owned(),
            at: Time::from_secs(1_800_000_000),
            agent: "claude-desktop".to_owned(),
            machine: None,
            session: Some("se_1".to_owned()),
            method: "GET".to_owned(),
            url: url.to_owned(),
            domain: domain.to_owned(),
            state: state.to_owned(),
            delivered: true,
            http_status: Some(200),
            goods: None,
            amount_usd: Some(Usd::micros(12_345)),
            amount_atomic: Some("12345".to_owned()),
            asset: Some("USDC".to_owned()),
            network: Some("eip155:8453".to_owned()),
            payee: None,
            dialect: None,
            scheme: None,
            chain_tx: Some("0xabc".to_owned()),
            proof: None,
            reasons: vec![],
        }
    }

    fn journal(program: impl Program) -> String {
        let mut books = Books::of(program);
        let mut lines = vec![books.opening()];
        for row in [
            row("settled", "pu_1", "https://api.example.com/a?q=…", "api.example.com"),
            row("held", "pu_2", "https://api.example.com/b", "api.example.com"),
            row("refused", "pu_3", "https://api.example.com/c", "api.example.com"),
            row("settled", "a;b|c,d\"\\\n; 2026", "https://x.test/\"\\;|\n2020-01-01 open Assets:Mine", "[::1]"),
        ] {
            lines.extend(books.entry(&row, Some("0.012345".to_owned())));
        }
        lines.join("\n")
    }

    #[test]
    fn beancount_gets_entries_with_held_money_pending() {
        insta::assert_snapshot!(journal(Beancount));
    }

    #[test]
    fn hledger_gets_entries_with_held_money_pending() {
        insta::assert_snapshot!(journal(Hledger));
    }

    #[test]
    fn names_are_such_as_both_programs_take() {
        assert_eq!(component("api.example.com"), "Api-example-com");
        assert_eq!(component("127.0.0.1"), "127-0-0-1");
        assert_eq!(component("é::"), "Unknown");
        assert_eq!(commodity("USD₮0"), "USD0");
        assert_eq!(commodity("1inch!"), "INCH");
        assert_eq!(commodity("₿"), "ASSET");
    }
}
