//! Pure: what a yes or a no is for.

use std::collections::BTreeSet;

use alloy_primitives::hex;
use serde_json::json;

use super::rules::TOOL_CHANGED;
use super::{Question, Snapshot};
use crate::money::{Account, Amount};
use crate::offer::Offer;
use crate::reason::Reason;
use crate::request;

/// Exactly what a person was shown. A yes is for this and for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The origin that is paid: where redirects led.
    pub seller: String,
    /// The fingerprint of the request that the payment goes with.
    pub request: [u8; 32],
    /// Who is paid.
    pub payee: Account,
    /// How much, in atomic units.
    pub amount: Amount,
    /// The asset, on its network.
    pub asset: Account,
    /// The scheme it would be paid by.
    pub scheme: String,
    /// The codes of the rules that asked. Another one asks anew.
    pub reasons: BTreeSet<String>,
    /// A fingerprint of what a tool says of itself, where that is asked about.
    pub tool: Option<[u8; 32]>,
}

/// The canonical form of terms: what is stored, handed to whoever answers, and compared. It is never read back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermsText(pub String);

/// What the owner said no to: this much of this asset or more, whoever gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The scheme it would have been paid by.
    pub scheme: String,
    /// The asset, on its network.
    pub asset: Account,
    /// How much, in atomic units.
    pub amount: Amount,
}

impl Terms {
    /// What is shown of an offer that these reasons ask about.
    pub fn of(question: &Question<'_>, offer: &Offer, reasons: &[Reason], snapshot: &Snapshot) -> Terms {
        let is_of_tool = reasons.iter().any(|reason| reason.code == TOOL_CHANGED);
        Terms {
            seller: request::origin(&question.request.url),
            request: question.request.fingerprint(),
            payee: offer.payee.clone(),
            amount: offer.amount,
            asset: offer.asset.account.clone(),
            scheme: offer.scheme.name().to_owned(),
            reasons: reasons.iter().map(|reason| reason.code.clone()).collect(),
            tool: snapshot.tool_change.as_ref().filter(|_| is_of_tool).map(|change| change.words),
        }
    }

    /// The same terms have the same text, and no others have it.
    pub fn canonical(&self) -> TermsText {
        let Terms { seller, request, payee, amount, asset, scheme, reasons, tool } = self;
        let mut text = json!({
            "seller": seller,
            "request": hex::encode(request),
            "payee": payee.address(),
            "amount": amount.to_string(),
            "asset": asset.address(),
            "network": asset.network().as_str(),
            "scheme": scheme,
            "reasons": reasons,
        });
        if let Some(words) = tool {
            text["tool"] = json!(hex::encode(words));
        }
        TermsText(text.to_string())
    }

    /// What a no to these terms stands for.
    pub fn denial(&self) -> Denial {
        let Terms { amount, asset, scheme, .. } = self;
        Denial { scheme: scheme.clone(), asset: asset.clone(), amount: *amount }
    }
}

impl Denial {
    /// Whether this no is one to that offer too.
    pub fn covers(&self, offer: &Offer) -> bool {
        let is_same = self.scheme == offer.scheme.name() && self.asset == offer.asset.account;
        is_same && self.amount <= offer.amount
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::scene::*;
    use super::super::*;
    use super::*;

    fn terms() -> Terms {
        let scene = scene().price("0.20");
        let Decision::Ask(offer, reasons) = scene.decide().decision else { panic!("nobody is asked") };
        Terms::of(&scene.question(), &offer, &reasons, &scene.snapshot)
    }

    #[test]
    fn every_part_of_what_was_shown_is_in_the_text() {
        let base = terms();
        let others = [
            Terms { seller: "https://api.example.org".into(), ..base.clone() },
            Terms { request: [1; 32], ..base.clone() },
            Terms { payee: at(OTHER_PAYEE), ..base.clone() },
            Terms { amount: Amount::parse("200001").unwrap(), ..base.clone() },
            Terms { asset: at(OTHER_PAYEE), ..base.clone() },
            Terms { asset: Account::parse(&Network::eip155(137), base.asset.address()).unwrap(), ..base.clone() },
            Terms { scheme: "upto".into(), ..base.clone() },
            Terms { tool: Some([1; 32]), ..base.clone() },
            Terms { reasons: ["above_approval".into(), "payee_changed".into()].into(), ..base.clone() },
        ];
        let texts: BTreeSet<_> = others.iter().chain([&base]).map(Terms::canonical).collect();
        assert_eq!(texts.len(), others.len() + 1);
        assert_eq!(base.canonical(), terms().canonical());
    }

    #[test]
    fn the_order_of_reasons_and_of_headers_is_no_difference() {
        let mut scene = scene().price("0.20");
        let (one, two) = (("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned()));
        let reason = |code: &str| Reason::new(code, "", "", crate::reason::Who::Owner);
        scene.request.headers = vec![one.clone(), two.clone()];
        let first = Terms::of(&scene.question(), &offer("0.20"), &[reason("x"), reason("y")], &scene.snapshot);
        scene.request.headers = vec![two, one];
        let second =
            Terms::of(&scene.question(), &offer("0.20"), &[reason("y"), reason("x"), reason("x")], &scene.snapshot);
        assert_eq!(first.canonical(), second.canonical());
    }

    #[test]
    fn method_url_headers_and_body_are_the_request() {
        let base = scene();
        let mut others = vec![base.request.clone(); 4];
        others[0].method = "POST".into();
        others[1].url = Url::parse("https://api.example.com/v1/data?q=1").unwrap();
        others[2].headers.push(("accept".into(), "text/html".into()));
        others[3].body = b"x".to_vec();
        let prints: BTreeSet<_> = others.iter().chain([&base.request]).map(|request| request.fingerprint()).collect();
        assert_eq!(prints.len(), 5);
    }

    #[test]
    fn a_denial_covers_as_much_or_more_of_the_same_to_anybody() {
        let denial = terms().denial();
        assert!(denial.covers(&Offer { payee: at(OTHER_PAYEE), ..offer("0.20") }) && denial.covers(&offer("0.21")));
        assert!(!denial.covers(&offer("0.199999")) && !denial.covers(&offer_on(137, "0.20")));
        assert!(!Denial { scheme: "upto".into(), ..denial }.covers(&offer("0.20")));
    }
}
