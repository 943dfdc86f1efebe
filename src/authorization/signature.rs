//! A signature in the one form that each kind of key has here.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, hex, keccak256};
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{self, RecoveryId, VerifyingKey};

/// Whoever holds it can take the money, so it has no Debug of its bytes; Display is for the payment header and the ledger.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// By a key of an EVM chain: r, s, v (27 or 28), s in the lower half.
    Evm([u8; 65]),
    /// By a key of Solana's.
    Ed25519([u8; 64]),
}

/// One for each message of an authorization, in their order: the authorization's own comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures(pub Vec<Signature>);

impl Signatures {
    /// The authorization's own; nobody's where there is none.
    pub fn of_authorization(&self) -> Signature {
        self.0.first().copied().unwrap_or(Signature::Evm([0; 65]))
    }
}

/// Not a signature in the one form that is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature is 0x and 130 hex digits, or 128 on Solana")]
pub struct NotASignature;

impl Signature {
    /// Whose it is over this digest. High-s twins and other values of v are nobody's.
    pub(crate) fn recovers(&self, digest: B256) -> Option<Address> {
        let (pair, v) = self.parts()?;
        VerifyingKey::recover_from_prehash(digest.as_slice(), &pair, v).ok().map(|key| address_of(&key))
    }

    /// Whether this key made it, whose owner need not find out whose it is.
    pub(crate) fn is_by(&self, key: &VerifyingKey, digest: B256) -> bool {
        self.parts().is_some_and(|(pair, _)| key.verify_prehash(digest.as_slice(), &pair).is_ok())
    }

    /// Whether the owner of this account of Solana's signed these very bytes. Keys and signatures of the kind that fits
    /// more than one message are nobody's.
    pub(crate) fn is_of(&self, key: &[u8; 32], message: &[u8]) -> bool {
        let Signature::Ed25519(bytes) = self else { return false };
        let signature = ed25519_dalek::Signature::from_bytes(bytes);
        let key = ed25519_dalek::VerifyingKey::from_bytes(key);
        key.is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// As they are.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Signature::Evm(bytes) => bytes,
            Signature::Ed25519(bytes) => bytes,
        }
    }

    fn parts(&self) -> Option<(ecdsa::Signature, RecoveryId)> {
        let Signature::Evm(bytes) = self else { return None };
        let v = RecoveryId::from_byte(bytes[64].checked_sub(27).filter(|v| *v < 2)?)?;
        let pair = ecdsa::Signature::from_slice(&bytes[..64]).ok()?;
        pair.normalize_s().is_none().then_some((pair, v))
    }
}

/// The last 20 bytes of the Keccak hash of the public key.
pub fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_encoded_point(false);
    Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..])
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.bytes()))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// With a space between two of them.
impl fmt::Display for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Signature::to_string).collect();
        f.write_str(&texts.join(" "))
    }
}

impl FromStr for Signatures {
    type Err = NotASignature;

    fn from_str(text: &str) -> Result<Signatures, NotASignature> {
        text.split(' ').map(str::parse).collect::<Result<_, _>>().map(Signatures)
    }
}

impl FromStr for Signature {
    type Err = NotASignature;

    fn from_str(text: &str) -> Result<Signature, NotASignature> {
        let digits = text.strip_prefix("0x").ok_or(NotASignature)?;
        // The decoder would strip another `0x`.
        let bytes = hex::decode(digits).ok().filter(|_| !digits.starts_with("0x")).ok_or(NotASignature)?;
        let evm = || bytes.as_slice().try_into().map(Signature::Evm);
        bytes.as_slice().try_into().map(Signature::Ed25519).or_else(|_| evm()).map_err(|_| NotASignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: B256 = alloy_primitives::b256!("50708d3bf7216e1aeabe7bf22081b9f36c7c287530f92510318f13a03d89dc86");
    const TEXT: &str = "0xdc53a4a579de989368a0fae2ef2172ff2f474b4297013f865d171239f17ef4c3157b4b4030f1bebc53d55ace15c2377dff501a60e1e56c291f1000d6e78f082f1b";

    #[test]
    fn a_signature_is_read_and_written_as_hex() {
        let signature: Signature = TEXT.parse().unwrap();
        assert_eq!(signature.to_string(), TEXT);
        let of_solana: Signature = TEXT[..130].parse().unwrap();
        assert_eq!((of_solana.to_string().as_str(), of_solana.bytes().len()), (&TEXT[..130], 64));
        for text in ["", "0x", &TEXT[2..], &TEXT[..128], &format!("{TEXT}00"), &format!("0x0x{}", &TEXT[4..])] {
            assert_eq!(text.parse::<Signature>(), Err(NotASignature), "{text}");
        }
    }

    #[test]
    fn only_the_canonical_form_recovers() {
        let Signature::Evm(good) = TEXT.parse().unwrap() else { panic!("of another kind") };
        assert!(Signature::Evm(good).recovers(DIGEST).is_some());
        for v in [0, 1, 26, 29, 255] {
            let mut other = good;
            other[64] = v;
            assert_eq!(Signature::Evm(other).recovers(DIGEST), None, "v = {v}");
        }
        assert_eq!(Signature::Evm([0; 65]).recovers(DIGEST), None);
        assert_eq!(Signature::Evm([255; 65]).recovers(DIGEST), None);
        assert_eq!(TEXT[..130].parse::<Signature>().unwrap().recovers(DIGEST), None);
    }

    #[test]
    fn the_high_s_twin_of_a_signature_is_nobodys() {
        let Signature::Evm(mut twin) = TEXT.parse().unwrap() else { panic!("of another kind") };
        let order = alloy_primitives::U256::from_str_radix(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            16,
        )
        .unwrap();
        let s = alloy_primitives::U256::from_be_slice(&twin[32..64]);
        twin[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        twin[64] = 28;
        assert_eq!(Signature::Evm(twin).recovers(DIGEST), None);
    }

    #[test]
    fn a_signature_of_solanas_is_its_owners_over_these_bytes_alone() {
        use ed25519_dalek::{Signer, SigningKey};
        let key = SigningKey::from_bytes(&[7; 32]);
        let (by, signature) = (key.verifying_key().to_bytes(), Signature::Ed25519(key.sign(b"message").to_bytes()));
        assert!(signature.is_of(&by, b"message"));
        assert!(!signature.is_of(&by, b"another"));
        assert!(!signature.is_of(&SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes(), b"message"));
        assert!(!TEXT.parse::<Signature>().unwrap().is_of(&by, b"message"));
        // The point of order one, under which a signature of zeros fits any message.
        let mut small = [0; 32];
        small[0] = 1;
        let mut zeros = [0; 64];
        zeros[0] = 1;
        assert!(!Signature::Ed25519(zeros).is_of(&small, b"message"));
    }

    #[test]
    fn debug_does_not_show_what_can_be_spent() {
        let signature: Signature = TEXT.parse().unwrap();
        assert_eq!(format!("{signature:?}"), "Signature(..)");
    }
}
