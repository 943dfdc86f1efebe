//! What is told, and as much of it as a door may carry.

use alloy_primitives::hex;
use serde_json::{Value, json};
use url::Url;

use crate::answer::{Notice, Pending};
use crate::random;
use crate::time::Time;

/// One thing that the owner is told.
#[derive(Clone, Debug)]
pub struct Word {
    /// The same at each try, so that a receiver knows it again.
    pub id: String,
    at: Time,
    news: WhatIsNew,
    /// Where the owner can look and answer, if that is reached from elsewhere. It lets nobody in.
    pub link: Option<String>,
}

#[derive(Clone, Debug)]
enum WhatIsNew {
    Question(Box<Pending>),
    Notice(Notice),
}

/// What others may read along: an amount, and no name of anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    pub title: String,
    pub text: &'static str,
    /// As ntfy counts, from 1 to 5.
    pub priority: u8,
}

impl Word {
    /// A question that waits for the owner.
    pub fn of_question(question: &Pending, origin: Option<&Url>) -> Word {
        let link = origin.map(|origin| format!("{origin}question#{}", question.purchase_id));
        Word { id: id(), at: question.asked_at, news: WhatIsNew::Question(Box::new(question.clone())), link }
    }

    /// An alarm, a breaker, a budget that is nearly spent, money in doubt.
    pub fn of_notice(notice: &Notice, origin: Option<&Url>) -> Word {
        Word { id: id(), at: notice.at, news: WhatIsNew::Notice(notice.clone()), link: origin.map(Url::to_string) }
    }

    /// A question that nobody can answer any more is no news.
    pub fn is_stale(&self, now: Time) -> bool {
        matches!(&self.news, WhatIsNew::Question(question) if question.expires_at <= now)
    }

    /// For the owner's own programs. What a URL says behind its host stays here.
    pub fn whole(&self) -> Value {
        let (kind, mut data) = match &self.news {
            WhatIsNew::Question(question) => ("question", of_question(question)),
            WhatIsNew::Notice(notice) => (notice.kind.as_str(), of_notice(notice)),
        };
        if let Some(link) = &self.link {
            data["link"] = json!(link);
        }
        json!({ "type": kind, "timestamp": self.at, "data": data })
    }

    /// For whoever carries it without having to be trusted.
    pub fn brief(&self) -> Brief {
        let brief = |title: String, text, priority| Brief { title, text, priority };
        match &self.news {
            WhatIsNew::Question(question) => {
                brief(format!("Pay ${}?", question.amount_usd), "Your agent asks. Answer on your review page.", 4)
            }
            WhatIsNew::Notice(notice) => match (notice.kind.as_str(), notice.usd) {
                ("alarm", _) => brief("Alarm".to_owned(), "Something about your money does not add up.", 5),
                ("breaker", _) => {
                    brief("Payments were stopped".to_owned(), "A seller or an agent failed too often.", 3)
                }
                _ if notice.is_of_tools => {
                    brief("A tool has changed".to_owned(), "It says something else of itself than it did.", 3)
                }
                (_, Some(usd)) => brief(format!("${usd} spent"), "One of your budgets is nearly spent.", 3),
                (_, None) => brief("A payment is in doubt".to_owned(), "It counts as spent until that is known.", 3),
            },
        }
    }
}

fn of_question(question: &Pending) -> Value {
    let reasons: Vec<&str> = question.reasons.iter().map(|reason| reason.message.as_str()).collect();
    json!({
        "purchase_id": question.purchase_id,
        "agent": question.agent,
        "domain": question.domain,
        "amount_usd": question.amount_usd,
        "asset": question.asset,
        "network": question.network,
        "expires_at": question.expires_at,
        "reasons": reasons,
    })
}

fn of_notice(notice: &Notice) -> Value {
    let mut data = json!({ "message": notice.message });
    if let Some(usd) = notice.usd {
        data["amount_usd"] = json!(usd);
    }
    data
}

/// Without randomness, nothing tells two words apart but their text.
fn id() -> String {
    format!("msg_{}", hex::encode(random::bytes::<12>().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn question() -> Pending {
        Pending {
            purchase_id: "pu_1".to_owned(),
            agent: "claude-code".to_owned(),
            asked_at: NOW,
            expires_at: NOW,
            method: "GET".to_owned(),
            url: "https://shop.example/data?key=SECRET".to_owned(),
            led_from: None,
            domain: "shop.example".to_owned(),
            amount_usd: "0.2".parse().unwrap(),
            amount: "0.2".to_owned(),
            asset: "USDC".to_owned(),
            network: "eip155:8453".to_owned(),
            payee: "0x00000000000000000000000000000000000000aa".to_owned(),
            reasons: Vec::new(),
            approved_until: None,
            terms: "TERMS".to_owned(),
        }
    }

    #[test]
    fn no_door_carries_what_a_yes_is_given_for_nor_what_a_url_says_behind_its_host() {
        let origin = Url::parse("https://bursar.example.com").unwrap();
        let word = Word::of_question(&question(), Some(&origin));
        let whole = word.whole().to_string();
        assert!(!whole.contains("SECRET") && !whole.contains("TERMS"), "{whole}");
        assert!(whole.contains("\"link\":\"https://bursar.example.com/question#pu_1\""), "{whole}");
    }

    #[test]
    fn others_read_an_amount_and_nobodys_name() {
        let word = Word::of_question(&question(), None);
        let Brief { title, text, .. } = word.brief();
        assert_eq!(title, "Pay $0.20?");
        assert!(!text.contains("shop") && !text.contains("claude") && word.link.is_none());
        for (kind, is_of_tools) in [("alarm", false), ("breaker", false), ("notice", false), ("notice", true)] {
            let message = "shop.example was paid".to_owned();
            let notice = Notice { at: NOW, kind: kind.to_owned(), message, usd: None, is_of_tools };
            let Brief { title, text, .. } = Word::of_notice(&notice, None).brief();
            assert!(!title.contains("shop") && !text.contains("shop"), "{title} {text}");
        }
    }

    #[test]
    fn each_word_has_an_id_of_its_own() {
        let ids = [(); 2].map(|()| Word::of_question(&question(), None).id);
        assert_ne!(ids[0], ids[1]);
    }
}
