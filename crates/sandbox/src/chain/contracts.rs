//! The contracts of the play chain: where each lives, its code, what can be asked of it, and what its errors are called.
//!
//! They stand where the real ones do, so everything that knows those addresses finds somebody in.

use alloy_primitives::{Address, Bytes, address, hex};
use alloy_sol_types::{Eip712Domain, Revert, SolError, eip712_domain, sol};

use super::CHAIN_ID;

/// Where USDC lives on Base Sepolia, and the play dollar lives here.
pub const ASSET: Address = address!("036CbD53842c5426634e7929541eC2318f3dCF7e");
/// Where the other play dollar lives, the one that counts the nonces of authorizations.
pub const SEQUENCE_ASSET: Address = address!("5e90e9ce00000000000000000000000000000001");
/// Where Permit2 lives on every chain.
pub const PERMIT2: Address = address!("000000000022D473030F116dDEE9F6B43aC78BA3");
/// The spender that x402 names for `exact` payments by Permit2.
pub const EXACT_PROXY: Address = address!("402085c248EeA27D92E8b30b2C58ed07f9E20001");
/// The spender that x402 names for `upto` payments.
pub const UPTO_PROXY: Address = address!("4020A4f3b7b90ccA423B9fabCc0CE57C6C240002");

/// A play asset as a seller names it: where it lives, and the words of its signing domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayAsset {
    pub address: Address,
    pub name: &'static str,
    pub version: &'static str,
}

/// The play dollar.
pub const DOLLAR: PlayAsset = PlayAsset { address: ASSET, name: "USDC", version: "2" };
/// The play dollar whose authorizations have 192 bits for a queue and 64 for the place in it as their nonce.
pub const SEQUENCE_DOLLAR: PlayAsset = PlayAsset { address: SEQUENCE_ASSET, name: "Sequence Dollar", version: "1" };

impl PlayAsset {
    /// What signatures over this asset are bound to.
    pub fn domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: self.name,
            version: self.version,
            chain_id: CHAIN_ID,
            verifying_contract: self.address,
        }
    }

    /// The play asset at an address.
    pub fn at(address: Address) -> Option<Self> {
        [DOLLAR, SEQUENCE_DOLLAR].into_iter().find(|asset| asset.address == address)
    }
}

/// Every contract with its runtime code in hex.
const CODES: [(Address, &str); 5] = [
    (ASSET, include_str!("../../contracts/PlayDollar.hex")),
    (SEQUENCE_ASSET, include_str!("../../contracts/PlaySequenceDollar.hex")),
    (PERMIT2, include_str!("../../contracts/PlayPermit2.hex")),
    (EXACT_PROXY, include_str!("../../contracts/PlayExactProxy.hex")),
    (UPTO_PROXY, include_str!("../../contracts/PlayUptoProxy.hex")),
];

/// The contracts, each with its code.
pub(super) fn all() -> impl Iterator<Item = (Address, Bytes)> {
    CODES.into_iter().map(|(address, code)| (address, decoded(code)))
}

/// The code at an address; none where no contract is.
pub(super) fn code_at(address: Address) -> Bytes {
    let found = CODES.into_iter().find(|(at, _)| *at == address);
    found.map(|(_, code)| decoded(code)).unwrap_or_default()
}

fn decoded(code: &str) -> Bytes {
    hex::decode(code.trim()).unwrap_or_default().into()
}

sol! {
    interface PlayDollar {
        function mint(address to, uint256 value);
        function transfer(address to, uint256 value) returns (bool);
        function approve(address spender, uint256 value) returns (bool);
        function allowance(address owner, address spender) returns (uint256);
        function nonces(address owner) returns (uint256);
        function balanceOf(address owner) returns (uint256);
        function permit(
            address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s
        );
        function authorizationState(address authorizer, bytes32 nonce) returns (bool);
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce,
            bytes signature
        );
        function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s);
    }

    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct Permit2612 {
        uint256 value;
        uint256 deadline;
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    interface PlayPermit2 {
        error SignatureExpired(uint256 signatureDeadline);
        error InvalidAmount(uint256 maxAmount);
        error InvalidNonce();
        error InvalidSignatureLength();
        error InvalidSignature();
        error InvalidSigner();

        function nonceBitmap(address owner, uint256 word) returns (uint256);
        function invalidateUnorderedNonces(uint256 wordPos, uint256 mask);
    }

    interface PlayExactProxy {
        error InvalidDestination();
        error InvalidOwner();
        error InvalidAmount();
        error PaymentTooEarly();
        error Permit2612AmountMismatch();

        struct Witness {
            address to;
            uint256 validAfter;
        }

        function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature);
        function settleWithPermit(
            Permit2612 permit2612, PermitTransferFrom permit, address owner, Witness witness, bytes signature
        );
    }

    interface PlayUptoProxy {
        error UnauthorizedFacilitator();
        error AmountExceedsPermitted();

        struct Witness {
            address to;
            address facilitator;
            uint256 validAfter;
        }

        function settle(
            PermitTransferFrom permit, uint256 amount, address owner, Witness witness, bytes signature
        );
        function settleWithPermit(
            Permit2612 permit2612, PermitTransferFrom permit, uint256 amount, address owner, Witness witness,
            bytes signature
        );
    }
}

/// The errors that have a name instead of a sentence.
const NAMED: [([u8; 4], &str); 13] = [
    (PlayPermit2::SignatureExpired::SELECTOR, "SignatureExpired"),
    (PlayPermit2::InvalidAmount::SELECTOR, "InvalidAmount"),
    (PlayPermit2::InvalidNonce::SELECTOR, "InvalidNonce"),
    (PlayPermit2::InvalidSignatureLength::SELECTOR, "InvalidSignatureLength"),
    (PlayPermit2::InvalidSignature::SELECTOR, "InvalidSignature"),
    (PlayPermit2::InvalidSigner::SELECTOR, "InvalidSigner"),
    (PlayExactProxy::InvalidDestination::SELECTOR, "InvalidDestination"),
    (PlayExactProxy::InvalidOwner::SELECTOR, "InvalidOwner"),
    (PlayExactProxy::InvalidAmount::SELECTOR, "InvalidAmount"),
    (PlayExactProxy::PaymentTooEarly::SELECTOR, "PaymentTooEarly"),
    (PlayExactProxy::Permit2612AmountMismatch::SELECTOR, "Permit2612AmountMismatch"),
    (PlayUptoProxy::UnauthorizedFacilitator::SELECTOR, "UnauthorizedFacilitator"),
    (PlayUptoProxy::AmountExceedsPermitted::SELECTOR, "AmountExceedsPermitted"),
];

/// What a contract said when it reverted: its sentence, or the name of its error.
pub(super) fn reason(output: &[u8]) -> String {
    if let Ok(revert) = Revert::abi_decode(output) {
        return revert.reason;
    }
    let named = NAMED.iter().find(|(selector, _)| output.starts_with(selector));
    named.map_or("reverted without a reason", |(_, name)| name).to_owned()
}
