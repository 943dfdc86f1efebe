//! How times, states and shares look on a page.

use super::html::{Html, html};
use crate::limits;
use crate::money::{Network, Usd};
use crate::text;
use crate::time::Time;

pub use crate::time::{lasting, when};

/// `3 min ago`, with the moment itself for whoever wants it.
pub fn time(at: Time, now: Time) -> Html {
    let moment = at.to_string();
    html!("<time datetime=\"{}\" title=\"{}\">{}</time>", moment, moment, when(at, now))
}

/// `Base Sepolia`; what is no chain of ours as it is written.
pub fn network(caip2: &str) -> String {
    line(Network::new(caip2).title())
}

/// The state of a purchase: a word, and a colour that repeats it.
pub fn state(state: &str) -> Html {
    html!("<span class=\"state {}\">{}</span>", state, state.replace('_', " "))
}

/// `purchase?id=agent/id`
pub fn link_to(agent: &str, purchase_id: &str) -> String {
    query("purchase", &[("id", &format!("{agent}/{purchase_id}"))])
}

/// A page of ours with what it is asked; what is empty is left out.
pub fn query(page: &str, fields: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        none if none.is_empty() => page.to_owned(),
        query => format!("{page}?{query}"),
    }
}

/// How much of a whole a part is, as the width of something drawn: `12.5%`.
pub fn share(part: Usd, whole: Usd) -> String {
    let per_mille = u128::from(part.as_micros()) * 1000 / u128::from(whole.as_micros()).max(1);
    let per_mille = per_mille.min(1000);
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}

/// The beginning of an ID: enough to tell two apart at a glance.
pub fn short(id: &str) -> String {
    text::quoted(id, 12)
}

/// One bounded line of somebody else's.
pub fn line(foreign: &str) -> String {
    text::quoted(foreign, limits::QUOTED_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_more_than_the_whole() {
        let usd = Usd::micros;
        assert_eq!(share(usd(125), usd(1000)), "12.5%");
        assert_eq!(share(usd(3), usd(2)), "100.0%");
        assert_eq!(share(usd(0), usd(0)), "0.0%");
        assert_eq!(share(usd(u64::MAX), usd(u64::MAX)), "100.0%");
    }

    #[test]
    fn what_is_asked_of_a_page_is_encoded() {
        assert_eq!(query("purchases", &[("q", "a&b=c d"), ("state", "")]), "purchases?q=a%26b%3Dc+d");
        assert_eq!(query("purchases", &[("q", "")]), "purchases");
    }
}
