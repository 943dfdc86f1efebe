//! Which money, and within which limits: what a fresh policy says.

use clap::ValueEnum;

use crate::cli::exit::Failure;
use crate::cli::out;
use crate::cli::owner::Terminal;
use crate::money::{Assets, Network, Usd};
use crate::policy::{Access, Policy};

/// The chains a fresh policy allows: all of real money, or all of test money.
pub struct AllowedMoney(Vec<Network>);

/// The policies in `policies/`, to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Limits {
    /// For a first day with five dollars: small purchases go through
    Default,
    /// For an agent that reads a lot: many small purchases, little at any one seller
    Research,
    /// Nothing is paid unless you list its seller
    Paranoid,
    /// For trying things out: test money only, and nobody is asked
    Testnet,
}

impl AllowedMoney {
    const TEST: u64 = 84532;
    pub const REAL: u64 = 8453;

    pub fn of(names: &[String]) -> Result<AllowedMoney, Failure> {
        let networks = names.iter().map(|name| meant(name)).collect::<Result<Vec<Network>, _>>()?;
        let tests = networks.iter().filter(|network| network.is_test()).count();
        if tests > 0 && tests < networks.len() {
            return Err(Failure::usage("test money and real money do not go together", "leave out one of them"));
        }
        Ok(AllowedMoney(networks))
    }

    pub fn asked(person: &mut Terminal) -> Result<AllowedMoney, Failure> {
        let typed = person.answer("Which money? 1 test dollars (free, to try things out)  2 real dollars on Base  or the name of a chain  [1]: ")?;
        match typed.trim() {
            "" | "1" => Ok(AllowedMoney(vec![Network::eip155(AllowedMoney::TEST)])),
            "2" => Ok(AllowedMoney(vec![Network::eip155(AllowedMoney::REAL)])),
            name => AllowedMoney::of(&[name.to_owned()]),
        }
    }

    pub fn networks(&self) -> &[Network] {
        &self.0
    }

    fn is_test(&self) -> bool {
        self.0.iter().all(Network::is_test)
    }

    pub fn in_words(&self) -> String {
        let titles: Vec<&str> = self.0.iter().map(Network::title).collect();
        format!("{} dollars on {}", if self.is_test() { "test" } else { "real" }, titles.join(" and "))
    }
}

impl Limits {
    /// What goes with this money where nothing else is said.
    pub fn of(money: &AllowedMoney) -> Limits {
        if money.is_test() { Limits::Testnet } else { Limits::Default }
    }

    /// Each with what it lets through, the one that goes with this money first.
    pub fn asked(person: &mut Terminal, money: &AllowedMoney) -> Result<Limits, Failure> {
        let first = Limits::of(money);
        let all = Limits::value_variants().iter().copied();
        let others = all.filter(|limits| *limits != first && (money.is_test() || *limits != Limits::Testnet));
        let offered: Vec<Limits> = std::iter::once(first).chain(others).collect();
        person.tell("Which limits? You can change each of them later.")?;
        for (nth, limits) in offered.iter().enumerate() {
            let value = limits.to_possible_value();
            let (name, about) = value.as_ref().map_or(("", String::new()), |value| {
                (value.get_name(), value.get_help().map(ToString::to_string).unwrap_or_default())
            });
            let policy = Policy::parse("policy.toml", &limits.policy(money))?;
            person.tell(&format!("  {} {name:<9} {about}", nth + 1))?;
            person.tell(&format!("              {}", in_words(&policy)))?;
        }
        let typed = person.answer(&format!("1 to {} [1]: ", offered.len()))?;
        let nth = if typed.is_empty() { Some(1) } else { typed.parse::<usize>().ok() };
        nth.and_then(|nth| offered.get(nth.wrapping_sub(1)).copied()).ok_or_else(|| {
            Failure::usage(format!("`{}` is none of these limits", out::clean(&typed)), "run `bursar init` again")
        })
    }

    /// The policy in the box, with these chains in it.
    pub fn policy(self, money: &AllowedMoney) -> String {
        let (text, boxed) = match self {
            Limits::Default => (Policy::built_in_text(), AllowedMoney::REAL),
            Limits::Research => (include_str!("../../../policies/research.toml"), AllowedMoney::REAL),
            Limits::Paranoid => (include_str!("../../../policies/paranoid.toml"), AllowedMoney::REAL),
            Limits::Testnet => (include_str!("../../../policies/testnet.toml"), AllowedMoney::TEST),
        };
        let names: Vec<String> = money.0.iter().map(|network| format!("\"{network}\"")).collect();
        let titles: Vec<&str> = money.0.iter().map(Network::title).collect();
        let (boxed, names, these) =
            (Network::eip155(boxed), names.join(", "), format!("These are: {}.", titles.join(", ")));
        let allowed = format!("allow = [\"{boxed}\"]");
        match text.contains(&allowed) {
            true => text.replacen(&allowed, &format!("allow = [{names}]"), 1).replacen(
                &format!("{boxed} is {}.", boxed.title()),
                &these,
                1,
            ),
            false => format!("{text}\n# {these}\n[networks]\nallow = [{names}]\n"),
        }
    }

    /// Limits of play money are no limits.
    pub fn fit(self, money: &AllowedMoney) -> Result<Limits, Failure> {
        match self == Limits::Testnet && !money.is_test() {
            true => {
                Err(Failure::usage("the testnet limits are for test money", "choose default, research or paranoid"))
            }
            false => Ok(self),
        }
    }
}

/// `at most $1.00 a payment, $2.00 a day, $20.00 a month; you are asked above $0.10`
pub fn in_words(policy: &Policy) -> String {
    let wallet = &policy.wallet;
    let caps = [("a payment", wallet.per_payment), ("a day", wallet.per_day), ("a month", wallet.per_month)];
    let caps: Vec<String> = caps.iter().filter_map(|(of, cap)| cap.map(|cap: Usd| format!("${cap} {of}"))).collect();
    let most = if caps.is_empty() {
        "no limit of the whole wallet".to_owned()
    } else {
        format!("at most {}", caps.join(", "))
    };
    let asked = match policy.approval.above {
        Some(above) => format!("you are asked above ${above}"),
        None => "you are never asked first".to_owned(),
    };
    let listed = if policy.each_domain.access == Access::Refuse { "; only sellers you list are paid" } else { "" };
    format!("{most}; {asked}{listed}")
}

/// A chain by whatever a person calls it, with an asset on it that bursar knows.
fn meant(name: &str) -> Result<Network, Failure> {
    let network = match name {
        "testnet" => Network::eip155(AllowedMoney::TEST),
        "mainnet" => Network::eip155(AllowedMoney::REAL),
        name => Network::meant(name).unwrap_or_else(|| Network::new(name)),
    };
    let known = Assets::default().networks();
    if known.contains(&network) {
        return Ok(network);
    }
    let names: Vec<&str> = known.iter().map(Network::title).collect();
    Err(Failure::usage(
        format!("bursar knows no asset on `{}`", out::clean(name)),
        format!("say testnet, mainnet, or one of: {}", names.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_in_the_box_is_right_on_the_chains_that_were_asked_for() {
        for (names, networks) in
            [(vec!["polygon", "base"], "eip155:137, eip155:8453"), (vec!["testnet"], "eip155:84532")]
        {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let money = AllowedMoney::of(&names).unwrap();
            for limits in Limits::value_variants().iter().filter(|limits| limits.fit(&money).is_ok()) {
                let policy =
                    Policy::parse("policy.toml", &limits.policy(&money)).unwrap_or_else(|wrong| panic!("{wrong}"));
                let allowed: Vec<&str> = policy.networks.iter().map(Network::as_str).collect();
                assert_eq!(allowed.join(", "), networks, "{limits:?}");
            }
        }
    }

    #[test]
    fn limits_are_told_in_plain_words() {
        let money = AllowedMoney::of(&["base".to_owned()]).unwrap();
        let told = |limits: Limits| in_words(&Policy::parse("policy.toml", &limits.policy(&money)).unwrap());
        assert_eq!(
            told(Limits::Default),
            "at most $1.00 a payment, $2.00 a day, $20.00 a month; you are asked above $0.10"
        );
        assert!(told(Limits::Paranoid).ends_with("; only sellers you list are paid"));
        assert!(Limits::Testnet.fit(&money).is_err());
    }
}
