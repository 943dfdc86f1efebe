//! Charts as inline SVG. Widths and heights are shares of what holds them, so they fit any screen; what a chart shows
//! stands beside it in words or in a table, for whoever does not see it.

use super::html::{Html, html};
use super::words::share;
use crate::money::Usd;
use crate::owner::{DaySpent, DomainSpent};
use crate::time::Time;

/// The hatching of held money, once a page; every chart of the page points to it.
pub fn hatching() -> Html {
    html!(
        "<svg class=\"defs\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs>\
           <pattern id=\"held\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <rect class=\"held-ground\" width=\"6\" height=\"6\"/><rect class=\"held-line\" width=\"2.5\" height=\"6\"/>\
           </pattern></defs></svg>"
    )
}

/// How full something is: what is settled, then what is held.
pub fn bar(used: Usd, held: Usd, limit: Usd, says: &str) -> Html {
    let settled = share(used.saturating_sub(held), limit);
    html!(
        "<svg class=\"bar\" role=\"img\" aria-label=\"{}\"><rect class=\"track\" width=\"100%\" height=\"100%\"/>\
           <rect class=\"held\" fill=\"url(#held)\" width=\"{}\" height=\"100%\"/>\
           <rect class=\"settled\" width=\"{}\" height=\"100%\"/></svg>",
        says,
        share(used, limit),
        settled
    )
}

/// One column a day.
pub fn days(days: &[DaySpent]) -> Html {
    let highest = days.iter().map(|day| day.counted_usd).max().unwrap_or_default();
    let total = days.iter().fold(Usd::ZERO, |sum, day| sum.saturating_add(day.counted_usd));
    let columns: Vec<Html> =
        days.iter().enumerate().map(|(index, day)| column(day, index, days.len(), highest)).collect();
    let label = |day: Option<&DaySpent>| day.map(|day| date(day.begins)).unwrap_or_default();
    let rows: Vec<Html> = days.iter().rev().filter(|day| day.counted_usd > Usd::ZERO).map(row).collect();
    html!(
        "<figure class=\"chart\"><div class=\"scale\" aria-hidden=\"true\"><span>{}</span></div>\
         <svg class=\"days\" role=\"img\" aria-label=\"{}\">{}</svg>\
         <div class=\"axis\" aria-hidden=\"true\"><span>{}</span><span>{}</span><span>{}</span></div>\
         <details><summary>As a table</summary><table><thead><tr><th scope=\"col\">Day</th>\
         <th scope=\"col\" class=\"num\">Spent</th><th scope=\"col\" class=\"num\">of it held</th></tr></thead>\
         <tbody>{}</tbody></table></details></figure>",
        highest,
        format!("${total} spent in {} days; the dearest day was ${highest}", days.len()),
        columns,
        label(days.first()),
        label(days.get(days.len() / 2)),
        label(days.last()),
        rows
    )
}

fn column(day: &DaySpent, index: usize, count: usize, highest: Usd) -> Html {
    let count = count.max(1) as u64;
    let place = |hundredths: u64| format!("{}.{:02}%", hundredths / 100, hundredths % 100);
    let (left, width) = (place(index as u64 * 10_000 / count), place(10_000 / count * 3 / 4));
    let held = day.held_usd;
    let says = match held {
        Usd::ZERO => format!("{}: ${}", date(day.begins), day.counted_usd),
        held => format!("{}: ${}, ${held} of it held", date(day.begins), day.counted_usd),
    };
    let settled = day.counted_usd.saturating_sub(held);
    html!(
        "<g><title>{}</title><rect class=\"hover\" x=\"{}\" width=\"{}\" height=\"100%\"/>{}{}</g>",
        says,
        left,
        width,
        standing(&left, &width, Usd::ZERO, settled, highest, "settled", "currentColor"),
        standing(&left, &width, settled, day.counted_usd, highest, "held", "url(#held)")
    )
}

/// A part of a column, from one height to another: SVG counts from above.
fn standing(left: &str, width: &str, from: Usd, to: Usd, highest: Usd, class: &str, fill: &str) -> Option<Html> {
    (to > from).then(|| {
        html!(
            "<rect class=\"{}\" fill=\"{}\" x=\"{}\" width=\"{}\" y=\"{}\" height=\"{}\"/>",
            class,
            fill,
            left,
            width,
            share(highest.saturating_sub(to), highest),
            share(to.saturating_sub(from), highest)
        )
    })
}

fn row(day: &DaySpent) -> Html {
    html!(
        "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>",
        date(day.begins),
        day.counted_usd,
        day.held_usd
    )
}

/// One line a domain, as long as its share of the dearest.
pub fn domains(domains: &[DomainSpent]) -> Html {
    let dearest = domains.iter().map(|domain| domain.counted_usd).max().unwrap_or_default();
    let lines: Vec<Html> = domains.iter().map(|domain| line(domain, dearest)).collect();
    html!("<ul class=\"lines\">{}</ul>", lines)
}

fn line(spent: &DomainSpent, dearest: Usd) -> Html {
    let (name, usd, held) = (super::words::line(&spent.domain), spent.counted_usd, spent.held_usd);
    let says = format!("{name}: ${usd}, ${held} of it held");
    let all = super::words::query("purchases", &[("domain", spent.domain.trim_start_matches("*."))]);
    html!(
        "<li><div class=\"pair\"><a href=\"{}\">{}</a><span class=\"num\">{}</span></div>{}</li>",
        all,
        name,
        usd,
        bar(usd, held, dearest, &says)
    )
}

/// `21 Nov`
fn date(at: Time) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.to_string();
    let mut parts = text.split(['-', 'T']).skip(1).map_while(|part| part.parse::<usize>().ok());
    match (parts.next().and_then(|month| MONTHS.get(month.wrapping_sub(1))), parts.next()) {
        (Some(month), Some(day)) => format!("{day} {month}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(day: i64, counted: u64, held: u64) -> DaySpent {
        let begins = Time::from_secs(1_800_000_000 + day * 24 * 3600);
        DaySpent { begins, counted_usd: Usd::micros(counted), held_usd: Usd::micros(held) }
    }

    #[test]
    fn a_day_is_a_column_of_settled_money_with_held_money_upon_it() {
        let drawn = days(&[spent(0, 500_000, 0), spent(1, 1_000_000, 250_000)]).into_text();
        assert!(drawn.contains("<title>15 Jan: $0.50</title>"), "{drawn}");
        assert!(drawn.contains("<title>16 Jan: $1.00, $0.25 of it held</title>"), "{drawn}");
        assert!(
            drawn.contains("y=\"25.0%\" height=\"75.0%\"") && drawn.contains("y=\"0.0%\" height=\"25.0%\""),
            "{drawn}"
        );
        assert!(drawn.contains("$1.50 spent in 2 days"), "{drawn}");
    }

    #[test]
    fn nothing_spent_is_drawn_too() {
        assert!(days(&[spent(0, 0, 0)]).into_text().contains("$0.00 spent in 1 days"));
        assert!(!days(&[]).into_text().contains("<rect"));
    }

    #[test]
    fn a_bar_over_its_limit_is_full_and_no_longer() {
        let drawn = bar(Usd::micros(300), Usd::micros(100), Usd::micros(200), "over").into_text();
        assert!(drawn.contains("width=\"100.0%\" height=\"100%\"/></svg>"), "{drawn}");
    }
}
