//! What tells the owner's passphrase from a wrong one. It opens nothing; whoever has it can only guess, slowly.

use alloy_primitives::hex;
use serde::{Deserialize, Serialize};

use super::WalletError;
use super::cost::{COST, Cost};

/// Tells the owner's passphrase, slowly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifier {
    argon2id: Cost,
    salt: String,
    hash: String,
}

impl Verifier {
    /// Takes a moment, on purpose: not to be called where others wait.
    pub fn of(passphrase: &str) -> Result<Verifier, WalletError> {
        Verifier::at(passphrase, COST)
    }

    fn at(passphrase: &str, cost: Cost) -> Result<Verifier, WalletError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| WalletError::NoRandomness)?;
        let hash = cost.derive(passphrase, &salt).map_err(damaged)?;
        Ok(Verifier { argon2id: cost, salt: hex::encode(salt), hash: hex::encode(hash.as_slice()) })
    }

    /// As slow as making it.
    pub fn fits(&self, passphrase: &str) -> Result<bool, WalletError> {
        let field = |_| damaged("a field of it is not what it should be");
        let (mut salt, mut hash) = ([0; 16], [0; 32]);
        hex::decode_to_slice(&self.salt, &mut salt).map_err(field)?;
        hex::decode_to_slice(&self.hash, &mut hash).map_err(field)?;
        let derived = self.argon2id.derive(passphrase, &salt).map_err(damaged)?;
        let differing = derived.iter().zip(hash).fold(0, |differing, (one, other)| differing | (one ^ other));
        Ok(differing == 0)
    }
}

fn damaged(cause: &str) -> WalletError {
    WalletError::VerifierDamaged { cause: cause.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::cost::CHEAPEST;
    use super::*;

    #[test]
    fn a_passphrase_fits_its_own_verifier_and_no_other_does() {
        let verifier = Verifier::at("open sesame", CHEAPEST).unwrap();
        assert_eq!(verifier.fits("open sesame"), Ok(true));
        for wrong in ["", "open sesam", "open sesame ", "Open sesame"] {
            assert_eq!(verifier.fits(wrong), Ok(false), "{wrong:?}");
        }
        assert_ne!(verifier, Verifier::at("open sesame", CHEAPEST).unwrap());
    }

    #[test]
    fn a_damaged_verifier_fits_nothing() {
        let verifier = Verifier::at("open sesame", CHEAPEST).unwrap();
        let short = Verifier { hash: String::new(), ..verifier.clone() };
        assert!(short.fits("").is_err() && short.fits("open sesame").is_err());
        assert!(Verifier { salt: "zz".to_owned(), ..verifier }.fits("open sesame").is_err());
    }
}
