//! Tests only: one question in one situation, changed where a test cares.

use alloy_primitives::U256;
use url::Url;

use super::*;
use crate::money::Assets;
use crate::offer::{Carrier, Dialect, Echo, Listed, Offer, Scheme, Unpayable};
use crate::reason::Who;
use crate::request::{MaxPrice, SetBy};

pub const PAYEE: &str = "0x00000000000000000000000000000000000000AA";
pub const OTHER_PAYEE: &str = "0x00000000000000000000000000000000000000bb";
pub const WALLET: &str = "0x00000000000000000000000000000000000000cc";
pub const NOW: Time = Time::from_secs(1_800_000_000);

/// A cent at `https://api.example.com/v1/data`, under the built-in policy, with nothing spent.
pub struct Scene {
    pub policy: Policy,
    pub request: Request,
    pub max_price: Option<Usd>,
    pub max_price_by: SetBy,
    pub funds: Funds,
    pub snapshot: Snapshot,
    pub offers: Vec<Listed>,
}

pub fn scene() -> Scene {
    Scene {
        policy: Policy::built_in(),
        request: Request {
            method: "GET".into(),
            url: Url::parse("https://api.example.com/v1/data").unwrap(),
            headers: vec![],
            body: vec![],
        },
        max_price: None,
        max_price_by: SetBy::Call,
        funds: Funds::default(),
        snapshot: Snapshot { now: NOW, ..Snapshot::default() },
        offers: vec![listed(offer("0.01"))],
    }
}

/// An account on Base.
pub fn wallet(address: &str) -> Addresses {
    address.parse::<crate::money::KeyAddress>().unwrap().into()
}

pub fn at(address: &str) -> Account {
    Account::parse(&Network::eip155(8453), address).unwrap()
}

/// A v2 offer of USDC on Base.
pub fn offer(price: &str) -> Offer {
    offer_on(8453, price)
}

pub fn offer_on(chain: u64, price: &str) -> Offer {
    let asset = Assets::default().on(&Network::eip155(chain)).next().unwrap().clone();
    let usd: Usd = price.parse().unwrap();
    let echo = Echo::X402V2 { accepted: "{}".into(), resource: None, extensions: None };
    let amount = Amount(U256::from(usd.as_micros()));
    let payee = Account::parse(asset.network(), PAYEE).unwrap();
    Offer {
        scheme: Scheme::Eip3009,
        asset,
        amount,
        usd,
        payee,
        window_secs: 60,
        takes_first: false,
        carrier: Carrier::Headers,
        echo,
    }
}

pub fn listed(offer: Offer) -> Listed {
    Listed::Payable(Box::new(offer))
}

pub fn unpayable(code: &str) -> Listed {
    let reason = Reason::new(code, "schemes", "This cannot be paid.", Who::Owner);
    let text = || "?".to_owned();
    Listed::Unpayable(Unpayable {
        dialect: Dialect::L402,
        scheme: text(),
        network: text(),
        asset: text(),
        amount: text(),
        payee: text(),
        reason,
    })
}

pub fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

impl Scene {
    /// These lines instead of a policy that leaves all to the built-in values.
    pub fn policy(mut self, lines: &str) -> Scene {
        self.policy = Policy::parse("policy.toml", &format!("version = 1\n{lines}")).unwrap_or_else(|e| panic!("{e}"));
        self
    }

    pub fn price(self, price: &str) -> Scene {
        self.offer(offer(price))
    }

    pub fn offer(self, offer: Offer) -> Scene {
        self.offers(vec![listed(offer)])
    }

    pub fn offers(mut self, offers: Vec<Listed>) -> Scene {
        self.offers = offers;
        self
    }

    pub fn at(mut self, url: &str) -> Scene {
        self.request.url = Url::parse(url).unwrap();
        self
    }

    pub fn spent(mut self, scope: Scope, window: Window, amount: &str) -> Scene {
        let used = Used { counted: usd(amount), held: Usd::ZERO, frees_at: None };
        self.snapshot.used.insert(Meter { scope, window }, used);
        self
    }

    pub fn seen(mut self, change: impl FnOnce(&mut Snapshot)) -> Scene {
        change(&mut self.snapshot);
        self
    }

    /// The owner's yes to the first offer, for whatever asks about it now.
    pub fn approved(mut self, by: ApprovedBy) -> Scene {
        let Listed::Payable(offer) = &self.offers[0] else { panic!("nothing to approve") };
        let asked = explain(&self.policy, &self.question(), offer, &self.snapshot).into_iter();
        let reason = |report: RuleReport| Reason::new(&report.code, report.rule, "", Who::Owner);
        let reasons: Vec<_> = asked.filter(|report| report.said == Ruling::Ask).map(reason).collect();
        let terms = Terms::of(&self.question(), offer, &reasons, &self.snapshot).canonical();
        self.snapshot.approvals = vec![Approval { terms, by }];
        self
    }

    pub fn question(&self) -> Question<'_> {
        Question {
            request: &self.request,
            max_price: self.max_price.map(|usd| MaxPrice { usd, set_by: self.max_price_by }),
            funds: &self.funds,
        }
    }

    pub fn decide(&self) -> Decided {
        decide(&self.policy, &self.question(), &self.offers, &self.snapshot)
    }

    pub fn explain(&self) -> Vec<RuleReport> {
        let Listed::Payable(offer) = &self.offers[0] else { panic!("nothing to explain") };
        explain(&self.policy, &self.question(), offer, &self.snapshot)
    }

    /// `allow`, or `ask` or `refuse` with the codes of all reasons.
    pub fn says(&self) -> String {
        let codes = |reasons: &[Reason]| reasons.iter().map(|r| format!(" {}", r.code)).collect::<String>();
        match self.decide().decision {
            Decision::Allow(_) => "allow".into(),
            Decision::Ask(_, reasons) => format!("ask{}", codes(&reasons)),
            Decision::Refuse(reasons) => format!("refuse{}", codes(&reasons)),
        }
    }

    /// The only reason there is.
    pub fn reason(&self) -> Reason {
        let reasons = match self.decide().decision {
            Decision::Allow(_) => vec![],
            Decision::Ask(_, reasons) | Decision::Refuse(reasons) => reasons,
        };
        assert_eq!(reasons.len(), 1, "{reasons:#?}");
        reasons.into_iter().next().unwrap()
    }
}
