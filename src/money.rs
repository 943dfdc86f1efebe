//! Money: integers with an asset, never a float.
//!
//! An [`Amount`] is what is signed: atomic units of one asset. A [`Usd`] is what is budgeted: micro-dollars, rounded up.
//! Names, decimals and signing domains of assets come from our table; what a seller says about them is only compared.

mod account;
mod networks;
mod places;

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{U256, address};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::account::{
    Account, Addresses, KeyAddress, NotAnAddress, address, address_in_any_case, is_solana_signature, solana_key,
};
pub use self::places::Faucet;

/// Atomic units of one asset, as they are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub U256);

/// Micro-dollars. Budgets count in these; 2^63 of them are more money than there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u64);

/// A chain, by its CAIP-2 name (`eip155:8453`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Network(String);

/// A kind of chain: how its accounts are written, and by which kind of key they are signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rail {
    /// Chains of Ethereum's kind.
    Evm,
    /// Solana's clusters.
    Solana,
}

/// An asset bursar knows: what one unit is, how it is signed for, and what it counts for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Where it is: its contract, on its network.
    #[serde(flatten)]
    pub account: Account,
    /// What people call it.
    pub symbol: String,
    /// How many decimals one unit has.
    pub decimals: u8,
    /// The name its signing domain has.
    pub eip712_name: String,
    /// The version its signing domain has.
    pub eip712_version: String,
    /// What one unit is worth, in US dollars.
    pub usd: Rate,
    /// How its money moves.
    pub transfer: TransferMethod,
}

/// How an asset moves at the payer's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferMethod {
    /// By a signed transfer, `TransferWithAuthorization`.
    #[default]
    Eip3009,
    /// By Permit2.
    Permit2,
    /// By a chain transaction of Tempo's, which takes its fee in the asset.
    Tip20,
    /// By a chain transaction of Solana's and its first program for assets.
    Spl,
    /// The same by its other program. An asset of it that takes a fee of its own or runs a hook is never listed.
    Token2022,
}

/// What one whole unit counts for, in 10^-12 dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(u64);

/// The assets this wallet can speak about: the built-in table, and the owner's own rows before it.
#[derive(Clone, Debug)]
pub struct Assets {
    rows: Vec<Asset>,
    /// How many of them are the owner's.
    own: usize,
}

/// Why a decimal text is not an amount of dollars.
#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecimal {
    #[error("an amount is a decimal number such as \"0.25\"")]
    Shape,
    #[error("an amount has at most {0} digits after the point")]
    TooFine(u32),
    #[error("that amount is too large")]
    TooLarge,
}

impl Amount {
    /// Base-10 digits only, as x402 writes amounts: no sign, no exponent, no point.
    pub fn parse(text: &str) -> Option<Amount> {
        let digits = !text.is_empty() && text.len() <= 78 && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| U256::from_str_radix(text, 10).ok()).flatten().map(Amount)
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Amount, D::Error> {
        let text = String::deserialize(d)?;
        Amount::parse(&text).ok_or_else(|| serde::de::Error::custom("an amount is base-10 digits"))
    }
}

impl Usd {
    /// Nothing.
    pub const ZERO: Usd = Usd(0);
    /// The largest amount.
    pub const MAX: Usd = Usd(i64::MAX as u64);
    const DECIMALS: u32 = 6;

    /// From millionths of a dollar.
    pub const fn micros(micros: u64) -> Usd {
        Usd(micros)
    }

    /// In millionths of a dollar.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The sum, at the most the largest amount.
    pub fn saturating_add(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0)).min(Usd::MAX)
    }

    /// The difference, at the least nothing.
    pub fn saturating_sub(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }
}

impl FromStr for Usd {
    type Err = NotDecimal;

    fn from_str(text: &str) -> Result<Usd, NotDecimal> {
        let micros = decimal(text, Usd::DECIMALS)?;
        if micros > Usd::MAX.0 as u128 { Err(NotDecimal::TooLarge) } else { Ok(Usd(micros as u64)) }
    }
}

/// At least two digits after the point, as money is written, and no more than are needed.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:06}", self.0 % 1_000_000);
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(f, "{}.{}", self.0 / 1_000_000, &fraction[..kept])
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Usd, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Network {
    /// Makes one.
    pub fn new(caip2: impl Into<String>) -> Network {
        Network(caip2.into())
    }

    /// An EVM chain, by its number.
    pub fn eip155(chain_id: u64) -> Network {
        Network(format!("eip155:{chain_id}"))
    }

    /// The chain id of an EVM chain, in its one canonical spelling.
    pub fn chain_id(&self) -> Option<u64> {
        let id: u64 = self.0.strip_prefix("eip155:")?.parse().ok()?;
        (Network::eip155(id) == *self).then_some(id)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Rail {
    /// All of them.
    pub const ALL: [Rail; 2] = [Rail::Evm, Rail::Solana];

    /// As people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Rail::Evm => "EVM chains",
            Rail::Solana => "Solana",
        }
    }

    /// As commands write it.
    pub const fn word(self) -> &'static str {
        match self {
            Rail::Evm => "evm",
            Rail::Solana => "solana",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Rate {
    /// One dollar for one unit.
    pub const ONE: Rate = Rate(1_000_000_000_000);
    const DECIMALS: u32 = 12;

    /// Reads it, exactly.
    pub fn parse(text: &str) -> Result<Rate, NotDecimal> {
        let value = decimal(text, Rate::DECIMALS)?;
        u64::try_from(value).map(Rate).map_err(|_| NotDecimal::TooLarge)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Rate::ONE.0, self.0 % Rate::ONE.0);
        let fraction = format!("{fraction:012}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            fraction => write!(f, "{whole}.{fraction}"),
        }
    }
}

impl TransferMethod {
    /// All of them.
    pub const ALL: [TransferMethod; 5] = [
        TransferMethod::Eip3009,
        TransferMethod::Permit2,
        TransferMethod::Tip20,
        TransferMethod::Spl,
        TransferMethod::Token2022,
    ];

    /// On which kind of chain.
    pub const fn rail(self) -> Rail {
        match self {
            TransferMethod::Eip3009 | TransferMethod::Permit2 | TransferMethod::Tip20 => Rail::Evm,
            TransferMethod::Spl | TransferMethod::Token2022 => Rail::Solana,
        }
    }

    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            TransferMethod::Eip3009 => "eip3009",
            TransferMethod::Permit2 => "permit2",
            TransferMethod::Tip20 => "tip20",
            TransferMethod::Spl => "spl",
            TransferMethod::Token2022 => "token2022",
        }
    }
}

impl Asset {
    /// On which network.
    pub fn network(&self) -> &Network {
        self.account.network()
    }

    /// What an amount counts for, rounded up to the micro-dollar; `None` when it is more than money can be.
    pub fn usd(&self, amount: Amount) -> Option<Usd> {
        // amount / 10^decimals units, at rate / 10^12 dollars each, in 10^-6 dollars.
        let divisor = U256::from(10).checked_pow(U256::from(self.decimals as u64 + 6))?;
        let micros = amount.0.checked_mul(U256::from(self.usd.0))?.div_ceil(divisor);
        u64::try_from(micros).ok().map(Usd).filter(|usd| *usd <= Usd::MAX)
    }

    /// How much of an asset that counts 1:1 a sum of dollars is.
    pub fn amount_of(&self, usd: Usd) -> Option<Amount> {
        let scale = U256::from(10).checked_pow(U256::from(self.decimals))?;
        let amount = U256::from(usd.0).checked_mul(scale)? / U256::from(1_000_000);
        Some(Amount(amount))
    }

    /// An amount that a person writes in whole units, exactly.
    pub fn amount(&self, units: &str) -> Result<Amount, NotDecimal> {
        decimal(units, u32::from(self.decimals)).map(|atomic| Amount(U256::from(atomic)))
    }

    /// An amount in whole units, exactly: `10000` of a 6-decimal asset is `0.01`.
    pub fn units(&self, amount: Amount) -> String {
        let digits = format!("{:0>width$}", amount.0.to_string(), width = self.decimals as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.decimals as usize);
        match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        }
    }
}

impl Assets {
    /// The owner's rows come first: they may correct the built-in table, never the other way round.
    pub fn with(own: Vec<Asset>) -> Assets {
        let (own, mut rows) = (own.len(), own);
        rows.extend(built_in());
        Assets { rows, own }
    }

    /// The owner's rows.
    pub fn own(&self) -> &[Asset] {
        self.rows.get(..self.own).unwrap_or_default()
    }

    /// The asset of an account, if the table has it.
    pub fn known(&self, account: &Account) -> Option<&Asset> {
        self.rows.iter().find(|asset| asset.account == *account)
    }

    /// Every network an asset is known on.
    pub fn networks(&self) -> Vec<Network> {
        let mut networks: Vec<Network> = self.rows.iter().map(|asset| asset.network().clone()).collect();
        networks.sort();
        networks.dedup();
        networks
    }

    /// Every asset of a network.
    pub fn on(&self, network: &Network) -> impl Iterator<Item = &Asset> {
        self.rows.iter().filter(move |asset| asset.network() == network)
    }
}

impl Default for Assets {
    fn default() -> Assets {
        Assets::with(Vec::new())
    }
}

/// A decimal text in units of 10^-`places`, exactly.
fn decimal(text: &str, places: u32) -> Result<u128, NotDecimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(NotDecimal::Shape);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > places as usize {
        return Err(NotDecimal::TooFine(places));
    }
    format!("{whole}{fraction:0<width$}", width = places as usize).parse().map_err(|_| NotDecimal::TooLarge)
}

/// Stablecoins bursar knows: what a 402 may say about them is compared with this, never believed.
fn built_in() -> Vec<Asset> {
    const USDC: &str = "USDC";
    let row = |chain, address, symbol: &str, name: &str, version: &str, decimals, transfer| Asset {
        account: Account::evm(&Network::eip155(chain), address),
        symbol: symbol.to_owned(),
        decimals,
        eip712_name: name.to_owned(),
        eip712_version: version.to_owned(),
        usd: Rate::ONE,
        transfer,
    };
    let usdc = |chain, address, name| row(chain, address, USDC, name, "2", 6, TransferMethod::Eip3009);
    let coin =
        |chain, address, symbol, name, version| row(chain, address, symbol, name, version, 6, TransferMethod::Eip3009);
    let permit = |chain, address, symbol, name, version, decimals| {
        row(chain, address, symbol, name, version, decimals, TransferMethod::Permit2)
    };
    let mint = |cluster: &Network, mint: &str, symbol: &str, transfer| Asset {
        account: Account::solana(cluster, account::solana_key(mint).unwrap_or_default()),
        symbol: symbol.to_owned(),
        decimals: 6,
        eip712_name: String::new(),
        eip712_version: String::new(),
        usd: Rate::ONE,
        transfer,
    };
    let [mainnet, devnet] =
        ["solana", "solana-devnet"].map(|name| Network::of_v1(name).unwrap_or_else(|| Network::new(name)));
    let tip20 = |chain, address, symbol| row(chain, address, symbol, "", "", 6, TransferMethod::Tip20);
    vec![
        usdc(8453, address!("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), "USD Coin"),
        usdc(84532, address!("036CbD53842c5426634e7929541eC2318f3dCF7e"), USDC),
        usdc(1, address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USD Coin"),
        usdc(10, address!("0b2C639c533813f4Aa9D7837CAf62653d097Ff85"), "USD Coin"),
        usdc(137, address!("3c499c542cEF5E3811e1192ce70d8cC03d5c3359"), "USD Coin"),
        usdc(42161, address!("af88d065e77c8cC2239327C5EDb3A432268e5831"), "USD Coin"),
        usdc(421614, address!("75faf114eafb1BDbe2F0316DF893fd58CE46AA4d"), "USD Coin"),
        usdc(43114, address!("B97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E"), "USD Coin"),
        usdc(43113, address!("5425890298aed601595a70AB815c96711a31Bc65"), "USD Coin"),
        usdc(11155111, address!("1c7D4B196Cb0C7B01d743Fbc6116a902379C7238"), USDC),
        usdc(143, address!("754704Bc059F8C67012fEd69BC8A327a5aafb603"), USDC),
        usdc(42220, address!("cebA9300f2b948710d2653dD7B07f33A8B32118C"), USDC),
        usdc(11142220, address!("01C5C0122039549AD1493B8220cABEdD739BC44E"), USDC),
        usdc(1329, address!("e15fC38F6D8c56aF07bbCBe3BAf5708A2Bf42392"), USDC),
        usdc(50, address!("fA2958CB79b0491CC627c1557F441eF849Ca8eb1"), USDC),
        usdc(51, address!("b5AB69F7bBada22B28e79C8FFAECe55eF1c771D4"), USDC),
        coin(36900, address!("9cb8142aEBBcdc60AF7c97Af897A67A8f3CA71C2"), "USDC.e", "USDC.e", "2"),
        coin(190415, address!("401eCb1D350407f13ba348573E5630B83638E30D"), "USDC.e", "Bridged USDC", "2"),
        coin(181228, address!("401eCb1D350407f13ba348573E5630B83638E30D"), "USDC.e", "Bridged USDC", "2"),
        coin(988, address!("779Ded0c9e1022225f8E0630b35a9b54bE713736"), "USDT0", "USDT0", "1"),
        coin(2201, address!("78Cf24370174180738C5B8E352B6D14c83a6c9A9"), "USDT0", "USDT0", "1"),
        coin(14, address!("e7cd86e13AC4309349F30B3435a9d337750fC82D"), "USDT0", "USD\u{20AE}0", "1"),
        permit(4326, address!("FAfDdbb3FC7688494971a79cc65DCa3EF82079E7"), "MegaUSD", "MegaUSD", "1", 18),
        permit(31611, address!("118917a40FAF1CD7a13dB0Ef56C86De7973Ac503"), "mUSD", "Mezo USD", "1", 18),
        permit(31612, address!("dD468A1DDc392dcdbEf6db6e34E89AA338F9F186"), "mUSD", "Mezo USD", "1", 18),
        permit(723487, address!("33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb"), "SBC", "Stable Coin", "1", 6),
        permit(72344, address!("33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb"), "SBC", "Stable Coin", "1", 6),
        permit(38833, address!("A5b8BF902b2844dA17d4506cc827F7F1681735E7"), USDC, USDC, "1", 6),
        tip20(4217, address!("20C000000000000000000000b9537d11c60E8b50"), "USDC.e"),
        tip20(4217, address!("20c0000000000000000000000000000000000000"), "pathUSD"),
        tip20(42431, address!("20c0000000000000000000000000000000000000"), "pathUSD"),
        mint(&mainnet, "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", USDC, TransferMethod::Spl),
        mint(&mainnet, "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", "USDT", TransferMethod::Spl),
        mint(&mainnet, "2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo", "PYUSD", TransferMethod::Token2022),
        mint(&mainnet, "2u1tszSeqZ3qBWF3uNGPFc8TzMk2tdiwknnRMWGWjGWH", "USDG", TransferMethod::Token2022),
        mint(&mainnet, "CASHx9KJUStyftLFWGvEVf59SGeG9sh5FfcnZMVPCASH", "CASH", TransferMethod::Token2022),
        mint(&devnet, "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", USDC, TransferMethod::Spl),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(decimals: u8, rate: &str) -> Asset {
        Asset { decimals, usd: Rate::parse(rate).unwrap(), ..built_in().remove(0) }
    }

    #[test]
    fn dollars_are_read_and_written_exactly() {
        for (text, micros, shown) in [
            ("0", 0, "0.00"),
            ("0.01", 10_000, "0.01"),
            ("1", 1_000_000, "1.00"),
            ("0.000001", 1, "0.000001"),
            ("12.3400000000", 12_340_000, "12.34"),
        ] {
            let usd: Usd = text.parse().unwrap();
            assert_eq!((usd.as_micros(), usd.to_string().as_str()), (micros, shown), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_not_dollars() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "0x10", "1,000", " 1", "1 ", "٣", "0.0000001", "NaN"] {
            assert!(text.parse::<Usd>().is_err(), "{text:?}");
        }
        assert_eq!("9223372036855".parse::<Usd>(), Err(NotDecimal::TooLarge));
        assert_eq!("9".repeat(60).parse::<Usd>(), Err(NotDecimal::TooLarge));
    }

    #[test]
    fn an_amount_counts_for_dollars_rounded_up_to_the_micro_dollar() {
        let usd = |asset: &Asset, n: &str| asset.usd(Amount::parse(n).unwrap());
        assert_eq!(usd(&asset(6, "1"), "10000"), Some(Usd::micros(10_000)));
        assert_eq!(usd(&asset(18, "1"), "1"), Some(Usd::micros(1)));
        assert_eq!(usd(&asset(18, "1"), "1000000000000000001"), Some(Usd::micros(1_000_001)));
        assert_eq!(usd(&asset(6, "1.1"), "1000000"), Some(Usd::micros(1_100_000)));
        assert_eq!(usd(&asset(0, "0.0000001"), "1"), Some(Usd::micros(1)));
        assert_eq!(usd(&asset(6, "1"), &U256::MAX.to_string()), None);
    }

    #[test]
    fn amounts_are_digits_and_nothing_else() {
        for text in ["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "٣", &"9".repeat(79)] {
            assert_eq!(Amount::parse(text), None, "{text:?}");
        }
        assert_eq!(Amount::parse("007"), Some(Amount(U256::from(7))));
    }

    #[test]
    fn units_are_shown_exactly() {
        let shown = |decimals, n: &str| asset(decimals, "1").units(Amount::parse(n).unwrap());
        assert_eq!(shown(6, "10000"), "0.01");
        assert_eq!(shown(6, "1"), "0.000001");
        assert_eq!(shown(0, "12"), "12");
        assert_eq!(shown(18, "1500000000000000000"), "1.5");
    }

    #[test]
    fn a_chain_has_one_spelling() {
        assert_eq!(Network::new("eip155:8453").chain_id(), Some(8453));
        for name in ["eip155:08453", "eip155:+8453", "eip155:", "base", "solana:x"] {
            assert_eq!(Network::new(name).chain_id(), None, "{name}");
        }
    }

    #[test]
    fn a_rate_is_written_as_it_is_read() {
        for text in ["1", "0.001", "1.000000000001", "12.5", "0"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_asset_moves_in_a_way_that_its_chain_has() {
        for asset in built_in() {
            assert_eq!(asset.network().rail(), Some(asset.transfer.rail()), "{}", asset.account);
            assert!(!asset.account.is_nobodys(), "{}", asset.symbol);
        }
    }

    #[test]
    fn the_owners_row_comes_before_the_built_in_one() {
        let own = Asset { eip712_name: "Mine".into(), ..built_in().remove(1) };
        let assets = Assets::with(vec![own.clone()]);
        assert_eq!(assets.known(&own.account), Some(&own));
    }
}
