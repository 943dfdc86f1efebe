//! `bursar sellers`: whom the wallet paid, and what came of it.

use std::cmp::Reverse;

use clap::Args;

use crate::answer::SellerRecord;
use crate::cli::exit::{Exit, Failure};
use crate::cli::table::{Table, cell};
use crate::cli::{Context, out, words};
use crate::money::Usd;
use crate::time::Time;

/// Show whom the wallet paid, and what came of it
///
/// One line for each registrable domain. PAID is how often it took money, or may have taken it, and USD what that comes
/// to. GOOD was delivered and nothing speaks against it; BAD was empty, an error, or of another type than the offer
/// named; NONE never came. EACH is what one good delivery cost with everything else paid for. LIED counts receipts that
/// were not true.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar sellers
  bursar sellers --since 30d --sort bad
  bursar sellers --domain api.example.com
  bursar sellers --json | jq -r 'select(.lied > 0) | .domain'")]
pub struct SellersCommand {
    /// From when: RFC 3339, or a span back from now (24h, 7d)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only the seller that this host belongs to
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Who stands first: by what it was paid, how often, what came of it, or when
    #[arg(long, value_name = "WHAT", default_value = "usd")]
    sort: Sorting,
    /// JSON Lines: one seller a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Sorting {
    Usd,
    Paid,
    Bad,
    None,
    Each,
    Lied,
    Last,
    Name,
}

impl SellersCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let bursar = context.bursar().await?;
        let mut sellers = bursar.sellers(self.since.as_deref(), self.domain.as_deref()).await?;
        self.sort.put_in_order(&mut sellers);
        if self.json {
            sellers.iter().for_each(|seller| context.out.json_line(seller));
        } else if sellers.is_empty() {
            let is_of_some = self.since.is_some() || self.domain.is_some();
            context.out.say(format_args!("{}", if is_of_some { "Nobody that fits." } else { "Nobody yet." }));
        } else {
            lines(&sellers, words::now(), context.out.width()).iter().for_each(|line| context.out.line(line));
        }
        Ok(Exit::Done)
    }
}

impl Sorting {
    /// The most first; names as they are spelt, which they are already.
    fn put_in_order(self, sellers: &mut [SellerRecord]) {
        match self {
            Sorting::Usd => sellers.sort_by_key(|seller| Reverse(seller.paid_usd)),
            Sorting::Paid => sellers.sort_by_key(|seller| Reverse(seller.paid)),
            Sorting::Bad => sellers.sort_by_key(|seller| Reverse(seller.bad())),
            Sorting::None => sellers.sort_by_key(|seller| Reverse(seller.not_delivered)),
            // What brought nothing good, however much was paid, is dearer than anything.
            Sorting::Each => sellers.sort_by_key(|seller| {
                let each = seller.per_delivery_usd.unwrap_or(Usd::MAX);
                Reverse((seller.paid > 0, each))
            }),
            Sorting::Lied => sellers.sort_by_key(|seller| Reverse(seller.lied)),
            Sorting::Last => sellers.sort_by_key(|seller| Reverse(seller.last)),
            Sorting::Name => sellers.sort_by(|one, other| one.domain.cmp(&other.domain)),
        }
    }
}

/// The table, what it adds up to, and who deserves a second look.
fn lines(sellers: &[SellerRecord], now: Time, width: usize) -> Vec<String> {
    const NAME: usize = 0;
    let mut table = Table::headed(&["SELLER", "PAID", "USD", "GOOD", "BAD", "NONE", "EACH", "LIED", "LAST"]);
    for seller in sellers {
        let good = seller.delivered.saturating_sub(seller.bad());
        let each = seller.per_delivery_usd.map(words::dollars).unwrap_or_default();
        let wrong = words::state("alarm");
        table.push(vec![
            cell(&seller.domain),
            cell(&seller.paid.to_string()).right(),
            cell(&words::dollars(seller.paid_usd)).right(),
            cell(&good.to_string()).right(),
            cell(&some(seller.bad())).right().styled(wrong),
            cell(&some(seller.not_delivered)).right().styled(words::state("held")),
            cell(&each).right(),
            cell(&some(seller.lied)).right().styled(wrong),
            cell(&words::when(seller.last, now)),
        ]);
    }
    let mut lines = table.lines(width, NAME);
    lines.push(String::new());
    lines.push(totals(sellers));
    lines.extend(sellers.iter().filter_map(note));
    lines
}

/// A nought is quiet.
fn some(count: u64) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

fn totals(sellers: &[SellerRecord]) -> String {
    let sum = |read: fn(&SellerRecord) -> Usd| sellers.iter().map(read).fold(Usd::ZERO, Usd::saturating_add);
    let (paid, held) = (sum(|seller| seller.paid_usd), sum(|seller| seller.held_usd));
    let count = if sellers.len() == 1 { "1 seller".to_owned() } else { format!("{} sellers", sellers.len()) };
    let held = if held == Usd::ZERO { String::new() } else { format!(", {} of it held", words::dollars(held)) };
    format!("{count}: {} paid{held}", out::bold(&words::dollars(paid)))
}

/// What was bad about it, by its kinds.
fn note(seller: &SellerRecord) -> Option<String> {
    let kinds = [
        (seller.empty, "empty"),
        (seller.error_page, "an error in place of goods"),
        (seller.other_type, "of another type than was offered"),
    ];
    let told: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
    let note = format!("{}: {}", out::clean(&seller.domain), told.join(", "));
    (!told.is_empty()).then(|| out::dim(&note))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn seller(domain: &str, paid: u64, usd: u64, bad: [u64; 3], none: u64, ago: u64) -> SellerRecord {
        let delivered = paid - none;
        let good = delivered - bad.iter().sum::<u64>();
        SellerRecord {
            domain: domain.to_owned(),
            paid,
            paid_usd: Usd::micros(usd),
            held_usd: Usd::ZERO,
            delivered,
            not_delivered: none,
            empty: bad[0],
            error_page: bad[1],
            other_type: bad[2],
            per_delivery_usd: (good > 0).then(|| Usd::micros(usd.div_ceil(good))),
            lied: 0,
            first: NOW.minus(Duration::from_secs(90_000)),
            last: NOW.minus(Duration::from_secs(ago)),
        }
    }

    fn sellers() -> Vec<SellerRecord> {
        vec![
            seller("a-very-long-name-of-a-domain-nobody-reads.example", 112, 1_120_000, [0, 0, 0], 0, 40),
            SellerRecord { lied: 2, ..seller("bad.example", 4, 400_000, [1, 2, 0], 0, 7_200) },
            SellerRecord { held_usd: Usd::micros(30_000), ..seller("gone.example", 3, 90_000, [0, 0, 0], 3, 86_400) },
            seller("odd.example", 2, 20_000, [0, 0, 1], 0, 300),
        ]
    }

    fn sorted(by: Sorting) -> Vec<String> {
        let mut sellers = sellers();
        by.put_in_order(&mut sellers);
        sellers
            .into_iter()
            .map(|seller| seller.domain.split(['.', '-']).next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn sellers_line_up_and_what_is_wrong_is_told_below() {
        let lines = lines(&sellers(), NOW, 80);
        let plain: Vec<String> = lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert!(plain.iter().all(|line| line.chars().count() <= 80), "{plain:#?}");
        insta::assert_snapshot!(plain.join("\n"));
    }

    #[test]
    fn they_stand_in_the_order_that_is_asked_for() {
        assert_eq!(sorted(Sorting::Usd), ["a", "bad", "gone", "odd"]);
        assert_eq!(sorted(Sorting::Bad), ["bad", "odd", "a", "gone"]);
        assert_eq!(sorted(Sorting::None), ["gone", "a", "bad", "odd"]);
        assert_eq!(sorted(Sorting::Each), ["gone", "bad", "odd", "a"]);
        assert_eq!(sorted(Sorting::Lied)[0], "bad");
        assert_eq!(sorted(Sorting::Last), ["a", "odd", "bad", "gone"]);
        assert_eq!(sorted(Sorting::Paid), ["a", "bad", "gone", "odd"]);
    }
}
