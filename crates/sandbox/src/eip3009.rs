//! The EIP-3009 message as a facilitator sees it: what was signed, and who signed it.
//!
//! Written apart from the wallet's signing code on purpose: when both agree, and the contract with them, they are right.

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolStruct, sol};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

use super::chain::{DOLLAR, PlayAsset, Transfer};

sol! {
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    struct CancelAuthorization {
        address authorizer;
        bytes32 nonce;
    }
}

/// The 32 bytes a payer of dollars signs.
pub fn signing_hash(transfer: &Transfer) -> B256 {
    signing_hash_in(&DOLLAR, transfer)
}

/// The 32 bytes a payer of any play asset signs.
pub fn signing_hash_in(asset: &PlayAsset, transfer: &Transfer) -> B256 {
    let message = TransferWithAuthorization {
        from: transfer.from,
        to: transfer.to,
        value: transfer.value,
        validAfter: transfer.valid_after,
        validBefore: transfer.valid_before,
        nonce: transfer.nonce,
    };
    message.eip712_signing_hash(&asset.domain())
}

/// The 32 bytes a payer signs to make an authorization worthless.
pub fn cancellation_hash(asset: &PlayAsset, authorizer: Address, nonce: B256) -> B256 {
    CancelAuthorization { authorizer, nonce }.eip712_signing_hash(&asset.domain())
}

/// Who made a 65-byte `r s v` signature over a hash, if anyone. High `s` and a `v` other than 27 or 28 are nobody's.
pub fn signer(hash: B256, signature: &[u8]) -> Option<Address> {
    let (rs, v) = (signature.get(..64)?, signature.get(64..)?);
    let [v @ 27..=28] = v else { return None };
    let recovery = RecoveryId::from_byte(v - 27)?;
    let signature = Signature::from_slice(rs).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(hash.as_slice(), &signature, recovery).ok()?;
    Some(address_of(&key))
}

/// The address of a public key.
pub fn address_of(key: &VerifyingKey) -> Address {
    Address::from_raw_public_key(&key.to_encoded_point(false).as_bytes()[1..])
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256, hex};

    use super::*;
    use crate::payer::Payer;

    #[test]
    fn the_published_vector_hashes_and_signs_as_published() {
        let payer = Payer::well_known();
        let transfer = payer.vector();
        assert_eq!(signing_hash(&transfer), b256!("50708d3bf7216e1aeabe7bf22081b9f36c7c287530f92510318f13a03d89dc86"));
        assert_eq!(
            hex::encode(payer.sign(&transfer)),
            "dc53a4a579de989368a0fae2ef2172ff2f474b4297013f865d171239f17ef4c3\
             157b4b4030f1bebc53d55ace15c2377dff501a60e1e56c291f1000d6e78f082f1b"
        );
    }

    #[test]
    fn the_published_cancellation_hashes_and_signs_as_published() {
        let payer = Payer::well_known();
        let hash = cancellation_hash(&DOLLAR, payer.address, payer.vector().nonce);
        assert_eq!(hash, b256!("45e97d47031ec4364bfe4ecea623d633bb70474f2a5578deb04c1b0c1b177352"));
        assert_eq!(
            hex::encode(payer.key.sign(hash)),
            "ea4cb0d5a213d4f2b4d43322696c95e6354101b9720ed9a7d22cedf382d2f3ad\
             531ff00b5c7a027b0385d4f31d49a7c79127c998ddb7ae9bd879f1967b8c739c1c"
        );
    }

    #[test]
    fn the_specification_s_example_recovers_to_its_payer() {
        let from = address!("857b06519E91e3A54538791bDbb0E22373e36b66");
        let transfer = Transfer { from, ..Payer::well_known().vector() };
        let signature = hex!(
            "2d6a7588d6acca505cbf0d9a4a227e0c52c6c34008c8e8986a1283259764173608a2ce6496642e377d6da8dbbf5836e9bd15092f9ecab05ded3d6293af148b571c"
        );
        assert_eq!(signer(signing_hash(&transfer), &signature), Some(from));
    }

    #[test]
    fn a_signature_of_a_strange_shape_is_nobody_s() {
        let payer = Payer::well_known();
        let hash = signing_hash(&payer.vector());
        let good = payer.sign(&payer.vector());
        let mut strange_v = good.clone();
        strange_v[64] = 29;
        for bad in [&good[..64], &[], &strange_v, &[good.as_slice(), &[0]].concat()] {
            assert_eq!(signer(hash, bad), None);
        }
    }

    #[test]
    fn the_mirror_image_with_a_high_s_is_nobody_s() {
        let payer = Payer::well_known();
        let mirrored = mirror(&payer.sign(&payer.vector()));
        assert_eq!(signer(signing_hash(&payer.vector()), &mirrored), None);
    }

    fn mirror(signature: &[u8]) -> Vec<u8> {
        let (r, s) = Signature::from_slice(&signature[..64]).expect("r and s").split_scalars();
        let high = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).expect("mirrored");
        [&high.to_bytes()[..], &[55 - signature[64]]].concat()
    }
}
