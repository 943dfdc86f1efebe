//! The owner's second factor: codes of six digits by the time (TOTP, RFC 6238), as any authenticator app makes them.
//!
//! What makes them lies locked under the owner's passphrase. So whoever reads bursar's files has neither, and whoever
//! writes them cannot put a factor of their own there without the passphrase.

use ring::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::WalletError;
use super::cost::{COST, Cost};
use super::locked::{Locked, Unopened};
use crate::random;
use crate::time::Time;

const WHAT: &[u8] = b"bursar second factor";
/// How long a code stands, in seconds.
const STEP: i64 = 30;
const DIGITS: usize = 6;
/// As long as what the codes are made with: SHA-1 is what every app knows, and is sound for this.
const SECRET: usize = 20;

/// What makes the codes, locked away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecondFactor(Locked);

/// What makes the codes.
#[derive(Clone)]
pub struct CodeSecret(Zeroizing<[u8; SECRET]>);

impl SecondFactor {
    /// Takes a moment, on purpose.
    pub fn lock(secret: &CodeSecret, passphrase: &str) -> Result<SecondFactor, WalletError> {
        SecondFactor::at(secret, passphrase, COST)
    }

    fn at(secret: &CodeSecret, passphrase: &str, cost: Cost) -> Result<SecondFactor, WalletError> {
        Locked::away(secret.0.as_slice(), WHAT, passphrase, cost).map(SecondFactor).map_err(unopened)
    }

    /// As slow as locking it. None: by another passphrase.
    pub fn open(&self, passphrase: &str) -> Result<Option<CodeSecret>, WalletError> {
        let opened = match self.0.open(WHAT, passphrase) {
            Err(Unopened::WrongPassphrase) => return Ok(None),
            opened => opened.map_err(unopened)?,
        };
        let bytes = opened.as_slice().try_into();
        let bytes = bytes.map_err(|_| unopened(Unopened::Damaged("the second factor is cut off".to_owned())))?;
        Ok(Some(CodeSecret(Zeroizing::new(bytes))))
    }
}

fn unopened(why: Unopened) -> WalletError {
    match why {
        Unopened::NoRandomness => WalletError::NoRandomness,
        Unopened::Damaged(cause) => WalletError::VerifierDamaged { cause },
        Unopened::WrongPassphrase => WalletError::VerifierDamaged { cause: "another passphrase locked it".to_owned() },
    }
}

impl CodeSecret {
    /// A new one.
    pub fn random() -> Result<CodeSecret, WalletError> {
        random::bytes().map(|bytes| CodeSecret(Zeroizing::new(bytes))).map_err(|_| WalletError::NoRandomness)
    }

    /// As an app is told it by hand.
    pub fn spelt(&self) -> Zeroizing<String> {
        Zeroizing::new(base32(self.0.as_slice()))
    }

    /// As an app reads it from a QR code; `whose` tells this entry from others there.
    pub fn uri(&self, whose: &str) -> Zeroizing<String> {
        let whose: String = url::form_urlencoded::byte_serialize(whose.as_bytes()).collect();
        Zeroizing::new(format!("otpauth://totp/bursar:{whose}?secret={}&issuer=bursar", self.spelt().as_str()))
    }

    /// In which step of time this code stands, if it is the one of now, of just before or of just after: clocks differ.
    /// A step is to be used once.
    pub fn step_of(&self, code: &str, now: Time) -> Option<u64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let at = u64::try_from(now.secs().div_euclid(STEP)).ok()?;
        [at, at.saturating_sub(1), at + 1].into_iter().find(|step| self.code(*step) == code)
    }

    fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_slice());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let from = usize::from(tag[tag.len() - 1] & 15);
        let number = tag[from..from + 4].iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        let number = (number & 0x7fff_ffff) % 10_u32.pow(DIGITS as u32);
        format!("{number:0DIGITS$}")
    }
}

/// RFC 4648, of whole groups of five bytes.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let group = |five: &[u8]| five.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    let letters = |bits: u64| (0..8).rev().map(move |at| char::from(LETTERS[(bits >> (at * 5)) as usize & 31]));
    bytes.chunks_exact(5).flat_map(|five| letters(group(five))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cost::CHEAPEST;
    use super::*;

    /// The secret of RFC 6238's own examples.
    fn secret() -> CodeSecret {
        CodeSecret(Zeroizing::new(*b"12345678901234567890"))
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // Its appendix B has eight digits; the last six are these.
        for (secs, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().code(secs / 30), code, "{secs}");
        }
    }

    #[test]
    fn a_code_stands_for_its_step_and_the_ones_beside_it() {
        let at = |secs| secret().step_of("005 924", Time::from_secs(secs));
        let begins = 1_234_567_890 / 30 * 30;
        assert_eq!(at(begins), Some(1_234_567_890 / 30));
        assert_eq!((at(begins - 30), at(begins + 59)), (at(begins), at(begins)));
        assert_eq!((at(begins - 31), at(begins + 60)), (None, None));
        for wrong in ["", "0", "005925", "5924", "0005924"] {
            assert_eq!(secret().step_of(wrong, Time::from_secs(begins)), None, "{wrong}");
        }
    }

    #[test]
    fn apps_are_told_it_as_they_expect() {
        assert_eq!(secret().spelt().as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            secret().uri("0xaa").as_str(),
            "otpauth://totp/bursar:0xaa?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=bursar"
        );
    }

    #[test]
    fn it_opens_by_its_own_passphrase_and_lies_in_no_file() {
        let locked = SecondFactor::at(&secret(), "open sesame", CHEAPEST).unwrap();
        assert_eq!(*locked.open("open sesame").unwrap().unwrap().0, *secret().0);
        assert!(locked.open("open barley").unwrap().is_none());
        let text = serde_json::to_string(&locked).unwrap();
        assert!(
            !text.contains(secret().spelt().as_str()) && !text.contains(&alloy_primitives::hex::encode(*secret().0))
        );
        let cut: SecondFactor = serde_json::from_str(&text.replace("\"nonce\":\"", "\"nonce\":\"zz")).unwrap();
        assert!(cut.open("open sesame").is_err());
    }
}
