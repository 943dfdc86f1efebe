//! A chain transaction as anybody signs one and sends it as bytes: the kind of EIP-1559, without an access list.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};

use self::rlp::{Fields, Writer};
use super::eip3009;
use super::key::Key;

mod rlp;

/// The byte before the fields that says which kind this is.
const KIND: u8 = 2;

/// What is signed. Nobody on the play chain has ether, so only a value of zero can be sent; fees are read and not paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tx {
    pub chain_id: u64,
    /// How many its sender has sent before.
    pub nonce: u64,
    pub max_priority_fee_per_gas: U256,
    pub max_fee_per_gas: U256,
    pub gas_limit: u64,
    pub to: Address,
    pub value: U256,
    pub data: Bytes,
}

/// One that somebody signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    pub tx: Tx,
    pub from: Address,
    /// What the chain knows it by.
    pub hash: B256,
}

impl Tx {
    /// The bytes as `eth_sendRawTransaction` takes them.
    pub fn signed_by(&self, key: &Key) -> Bytes {
        let signature = key.sign(self.signing_hash());
        let mut fields = self.fields();
        fields.number(U256::from(signature[64] - 27));
        fields.number(U256::from_be_slice(&signature[..32]));
        fields.number(U256::from_be_slice(&signature[32..64]));
        [&[KIND], fields.list().as_slice()].concat().into()
    }

    fn signing_hash(&self) -> B256 {
        keccak256([&[KIND], self.fields().list().as_slice()].concat())
    }

    fn fields(&self) -> Writer {
        let mut fields = Writer::default();
        fields.number(U256::from(self.chain_id));
        fields.number(U256::from(self.nonce));
        fields.number(self.max_priority_fee_per_gas);
        fields.number(self.max_fee_per_gas);
        fields.number(U256::from(self.gas_limit));
        fields.string(self.to.as_slice());
        fields.number(self.value);
        fields.string(&self.data);
        fields.empty_list();
        fields
    }
}

impl SignedTx {
    /// Reads the bytes; none where they are not the one form this chain transaction has, or signed by nobody.
    pub fn read(raw: &[u8]) -> Option<Self> {
        let (&KIND, list) = raw.split_first()? else { return None };
        let mut fields = Fields::of_list(list)?;
        let tx = Tx {
            chain_id: fields.number()?.try_into().ok()?,
            nonce: fields.number()?.try_into().ok()?,
            max_priority_fee_per_gas: fields.number()?,
            max_fee_per_gas: fields.number()?,
            gas_limit: fields.number()?.try_into().ok()?,
            to: Address::try_from(fields.string()?).ok()?,
            value: fields.number()?,
            data: fields.string()?.to_vec().into(),
        };
        fields.empty_list()?;
        let from = eip3009::signer(tx.signing_hash(), &signature(&mut fields)?)?;
        fields.is_at_end().then(|| Self { tx, from, hash: keccak256(raw) })
    }
}

fn signature(fields: &mut Fields) -> Option<[u8; 65]> {
    let parity: u8 = fields.number()?.try_into().ok()?;
    let mut signature = [0; 65];
    signature[..32].copy_from_slice(&fields.number()?.to_be_bytes::<32>());
    signature[32..64].copy_from_slice(&fields.number()?.to_be_bytes::<32>());
    signature[64] = parity.checked_add(27)?;
    Some(signature)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, hex};

    use super::*;
    use crate::chain::{ASSET, CHAIN_ID};
    use crate::key::WELL_KNOWN;

    fn tx() -> Tx {
        Tx {
            chain_id: CHAIN_ID,
            nonce: 0,
            max_priority_fee_per_gas: U256::from(100_000_000),
            max_fee_per_gas: U256::from(1_000_000_000),
            gas_limit: 70_000,
            to: ASSET,
            value: U256::ZERO,
            data: Bytes::from(hex!("095ea7b3")),
        }
    }

    #[test]
    fn what_was_written_is_read_and_its_signer_found() {
        let key = Key::new(&WELL_KNOWN).expect("a key");
        for nonce in [0, 1, 127, 128, 255, 256, u64::MAX] {
            let long = Bytes::from(vec![7; nonce as usize % 1_000]);
            let tx = Tx { nonce, data: long, ..tx() };
            let raw = tx.signed_by(&key);
            let read = SignedTx::read(&raw).expect("read");
            assert_eq!((read.tx, read.from, read.hash), (tx, key.address, keccak256(&raw)));
        }
    }

    /// Computed once by another library for this key.
    #[test]
    fn a_known_one_is_written_byte_for_byte() {
        let key = Key::new(&WELL_KNOWN).expect("a key");
        let to = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
        let raw = Tx { to, data: Bytes::new(), gas_limit: 21_000, ..tx() }.signed_by(&key);
        assert_eq!(hex::encode(&raw), KNOWN);
    }

    const KNOWN: &str = "02f86d83014a34808405f5e100843b9aca008252089470997970c51812dc3a010c7d01b50e0d17dc79c88080c0\
        01a00f2590c4bf11f157b4c3a8333a2a98706ff85352650dfab677b49ca9c5ec4ef5\
        a061fd66df86baf00a7addbf5f734bdcb4e96ecc189f54ad141abc2f7a86b0504c";

    #[test]
    fn bytes_in_any_other_form_are_nobody_s() {
        let key = Key::new(&WELL_KNOWN).expect("a key");
        let good = tx().signed_by(&key).to_vec();
        let other_kind = [&[1], &good[1..]].concat();
        let longer = [&good[..], &[0]].concat();
        let shorter = &good[..good.len() - 1];
        for bad in [&[][..], &[2], &[2, 0xc0], &other_kind, &longer, shorter] {
            assert_eq!(SignedTx::read(bad), None);
        }
    }

    #[test]
    fn no_byte_can_be_cut_or_changed_and_leave_the_signer() {
        let key = Key::new(&WELL_KNOWN).expect("a key");
        let good = tx().signed_by(&key).to_vec();
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            assert!(SignedTx::read(&bad).is_none_or(|read| read.from != key.address), "byte {place}");
            assert_eq!(SignedTx::read(&good[..place]), None);
        }
    }
}
