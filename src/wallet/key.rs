//! A private key in memory: it can sign an authorization or a sign-in, and nothing else. No Debug, Display, Clone or Serialize;
//! its bytes are zeroized when it is dropped.

use std::io::Read;

use alloy_primitives::{Address, hex};
use k256::ecdsa::SigningKey;
use zeroize::Zeroizing;

use super::WalletError;
use crate::authorization::{Authorization, Erc20Approval, Message, Signature, Signatures, address_of};
use crate::sign_in::SignIn;

/// A private key. It leaves this room only as signatures.
pub struct Key {
    /// Boxed, so that moving a `Key` leaves no copy of it behind.
    signing: Box<SigningKey>,
    address: Address,
}

impl Key {
    /// A key as its owner hands it over: hex, with or without `0x`, in as many lines as it likes.
    pub fn read(from: impl Read) -> Result<Key, WalletError> {
        // Room for all of it at once: a growing buffer would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(AT_MOST + 1));
        from.take(AT_MOST as u64).read_to_end(&mut bytes).map_err(|_| WalletError::NotAKey)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| WalletError::NotAKey)?;
        let mut digits = Zeroizing::new(String::with_capacity(bytes.len()));
        digits.extend(text.chars().filter(|c| !c.is_whitespace()));
        Key::from_hex(&digits).ok_or(WalletError::NotAKey)
    }

    /// The address it signs for.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs what is rebuilt from the fields of a typed authorization, from this very address, and makes sure that the
    /// result is this key's.
    pub fn sign(&self, authorization: &Authorization) -> Result<Signatures, WalletError> {
        if authorization.facts().from.as_evm() != Some(self.address) {
            return Err(WalletError::NotOurs { ours: self.address.into() });
        }
        authorization.messages().iter().map(|message| self.sign_one(message)).collect::<Result<_, _>>().map(Signatures)
    }

    /// Signs an approval, the only kind of chain transaction there is.
    pub fn sign_approval(&self, approval: &Erc20Approval) -> Result<Signature, WalletError> {
        self.sign_one(&Message::Evm(approval.digest()))
    }

    /// Signs in: a text built from fields that were checked, in the name of this very address.
    pub fn sign_in(&self, sign_in: &SignIn) -> Result<Signature, WalletError> {
        if sign_in.address() != self.address {
            return Err(WalletError::NotOurs { ours: self.address.into() });
        }
        self.sign_one(&Message::Evm(sign_in.digest()))
    }

    fn sign_one(&self, message: &Message) -> Result<Signature, WalletError> {
        let Message::Evm(digest) = message else { return Err(WalletError::NotOurs { ours: self.address.into() }) };
        let signed = self.signing.sign_prehash_recoverable(digest.as_slice());
        let (pair, recovery) = signed.map_err(|_| WalletError::BadSignature)?;
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&pair.to_bytes());
        bytes[64] = 27 + recovery.to_byte();
        let signature = Signature::Evm(bytes);
        match signature.is_by(self.signing.verifying_key(), *digest) {
            true => Ok(signature),
            false => Err(WalletError::BadSignature),
        }
    }

    pub(super) fn random() -> Result<Key, WalletError> {
        let mut bytes = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(bytes.as_mut_slice()).map_err(|_| WalletError::NoRandomness)?;
            // Out of range once in 2^128.
            if let Some(key) = Key::from_bytes(bytes.as_slice()) {
                return Ok(key);
            }
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let signing = Box::new(SigningKey::from_slice(bytes).ok().filter(|_| bytes.len() == 32)?);
        let address = address_of(signing.verifying_key());
        Some(Key { signing, address })
    }

    pub(super) fn from_hex(text: &str) -> Option<Key> {
        Key::from_bytes(Key::bytes_of_hex(text)?.as_slice())
    }

    pub(super) fn bytes_of_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
        let mut bytes = Zeroizing::new([0; 32]);
        let digits = text.strip_prefix("0x").unwrap_or(text);
        // Told apart from what the decoder would strip itself: `0x0x…` is no key.
        let all_hex = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        hex::decode_to_slice(digits, bytes.as_mut_slice()).ok().filter(|()| all_hex)?;
        Some(bytes)
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing.to_bytes().into())
    }

    pub(super) fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode_prefixed(self.to_bytes().as_slice()))
    }
}

/// 66 characters are a key; the rest is room for blanks.
const AT_MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, U256, address, b256};

    use super::*;
    use crate::authorization::Eip3009;
    use crate::money::Network;

    /// The first account of every development chain.
    const ANVIL: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    fn authorization(from: Address) -> Eip3009 {
        Eip3009 {
            network: Network::new("eip155:84532"),
            asset: address!("036CbD53842c5426634e7929541eC2318f3dCF7e"),
            asset_name: "USDC".into(),
            asset_version: "2".into(),
            from,
            to: address!("209693Bc6afc0C5328bA36FaF03C514EF312287C"),
            value: U256::from(10_000),
            valid_after: 1740672089,
            valid_before: 1740672154,
            nonce: b256!("f3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480"),
        }
    }

    #[test]
    fn a_signature_is_byte_for_byte_that_of_an_independent_implementation() {
        let key = Key::from_hex(ANVIL).unwrap();
        assert_eq!(key.address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        let signature = key.sign(&Authorization::Eip3009(authorization(key.address()))).unwrap();
        assert_eq!(
            signature.to_string(),
            "0xdc53a4a579de989368a0fae2ef2172ff2f474b4297013f865d171239f17ef4c3157b4b4030f1bebc53d55ace15c2377dff501a60e1e56c291f1000d6e78f082f1b"
        );
    }

    #[test]
    fn many_signatures_all_recover_to_their_key() {
        let key = Key::random().unwrap();
        for n in 0..64 {
            let signed = Eip3009 { nonce: B256::repeat_byte(n), ..authorization(key.address()) };
            let signed = Authorization::Eip3009(signed);
            assert!(signed.is_signed(&key.sign(&signed).unwrap()));
        }
    }

    #[test]
    fn an_authorization_from_someone_else_is_not_signed() {
        let key = Key::from_hex(ANVIL).unwrap();
        let foreign = Authorization::Eip3009(authorization(Address::repeat_byte(1)));
        assert_eq!(key.sign(&foreign), Err(WalletError::NotOurs { ours: key.address().into() }));
    }

    #[test]
    fn a_key_is_read_as_people_paste_it() {
        let expected = Key::from_hex(ANVIL).unwrap().address();
        let (front, back) = ANVIL.split_at(32);
        for text in [ANVIL, &format!("0x{ANVIL}\n"), &format!("  {front}\r\n\t{back}\n"), &ANVIL.to_uppercase()] {
            assert_eq!(Key::read(text.as_bytes()).map(|key| key.address()), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_key_in_range_is_not_imported() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let (zero, long) = ("0".repeat(64), format!("{ANVIL}00"));
        for text in ["", "0x", &zero, order, &ANVIL[1..], &long, &format!("0x0x{}", &ANVIL[4..]), &"1".repeat(5_000)] {
            assert_eq!(Key::read(text.as_bytes()).err(), Some(WalletError::NotAKey), "{text}");
        }
        assert!(Key::read(&[0xff; 64][..]).is_err());
    }

    #[test]
    fn a_key_goes_through_its_text_unchanged() {
        let key = Key::random().unwrap();
        assert_eq!(Key::from_hex(&key.to_hex()).unwrap().to_bytes(), key.to_bytes());
    }
}
