//! A chain transaction of ours that lets somebody move so much of an asset: ERC-20 `approve`, as EIP-1559 writes it. It
//! says who may move money, and moves none.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

use super::rlp::{list, number, string};
use super::{Fact, Ground, Signature};
use crate::money::{Account, Amount, Asset};

sol! {
    function approve(address spender, uint256 amount) external returns (bool);
}

/// What an approval costs at the most; what is left of it is not taken.
const GAS: u64 = 70_000;
/// What the block's maker gets of it, in wei a unit.
const TIP: u64 = 100_000_000;

/// An approval, ready to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erc20Approval {
    /// The number of the chain.
    pub chain: u64,
    /// The how manieth chain transaction of our account it is.
    pub nth: u64,
    /// What a unit of gas may cost at the most, in wei.
    pub max_fee: u64,
    /// The asset's contract.
    pub asset: Address,
    /// Who may move it.
    pub spender: Address,
    /// How much of it, and never more.
    pub amount: U256,
}

impl Erc20Approval {
    /// What must be known before one is drafted.
    pub fn needs(from: &Account) -> [Fact; 2] {
        [Fact::Sent(from.clone()), Fact::GasPrice(from.network().clone())]
    }

    /// One for exactly this amount; none where what must be known is not.
    pub fn draft(
        asset: &Asset,
        spender: Address,
        amount: Amount,
        from: &Account,
        ground: &Ground,
    ) -> Option<Erc20Approval> {
        let [sent, price] = Erc20Approval::needs(from).map(|fact| ground.number(&fact));
        let price = u64::try_from(price?).ok()?;
        Some(Erc20Approval {
            chain: asset.network().chain_id()?,
            nth: u64::try_from(sent?).ok()?,
            // Prices of gas move: twice as much as now lasts for some blocks.
            max_fee: price.checked_mul(2)?.max(TIP * 2),
            asset: asset.account.as_evm()?,
            spender,
            amount: amount.0,
        })
    }

    /// What it costs at the most, in whole units of the chain's own coin.
    pub fn costs_at_most(&self) -> String {
        let wei = u128::from(GAS) * u128::from(self.max_fee);
        let text = format!("{}.{:018}", wei / 1_000_000_000_000_000_000, wei % 1_000_000_000_000_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// What is signed.
    pub fn digest(&self) -> B256 {
        keccak256(self.written(None))
    }

    /// As a node takes it.
    pub fn signed(&self, signature: &Signature) -> Bytes {
        self.written(Some(signature)).into()
    }

    fn written(&self, signature: Option<&Signature>) -> Vec<u8> {
        let mut fields = Vec::new();
        number(&mut fields, U256::from(self.chain));
        number(&mut fields, U256::from(self.nth));
        number(&mut fields, U256::from(TIP.min(self.max_fee)));
        number(&mut fields, U256::from(self.max_fee));
        number(&mut fields, U256::from(GAS));
        string(&mut fields, self.asset.as_slice());
        number(&mut fields, U256::ZERO);
        string(&mut fields, &approveCall { spender: self.spender, amount: self.amount }.abi_encode());
        list(&mut fields, &[]);
        if let Some(Signature::Evm(bytes)) = signature {
            number(&mut fields, U256::from(bytes[64].saturating_sub(27)));
            number(&mut fields, U256::from_be_slice(&bytes[..32]));
            number(&mut fields, U256::from_be_slice(&bytes[32..64]));
        }
        let mut written = vec![2];
        list(&mut written, &fields);
        written
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;

    fn approval() -> Erc20Approval {
        Erc20Approval {
            chain: 84532,
            nth: 7,
            max_fee: 2_000_000_000,
            asset: address!("036CbD53842c5426634e7929541eC2318f3dCF7e"),
            spender: address!("000000000022D473030F116dDEE9F6B43aC78BA3"),
            amount: U256::from(10_000),
        }
    }

    /// By the first account of every development chain.
    const SIGNATURE: &str = "0xb270a3a71b98ab528a3a930a8b63b050b0f5ff395eebc5f391a5ca01a01626ae\
        2c35cadced098792336c195af8954e386a08a2d109d6b4637681208a852ea2a31b";
    const SENT: &str = "0x02f8b383014a34078405f5e10084773594008301117094036cbd53842c5426634e7929541ec2318f3dcf7e80\
        b844095ea7b3000000000000000000000000000000000022d473030f116ddee9f6b43ac78ba3\
        0000000000000000000000000000000000000000000000000000000000002710\
        c080a0b270a3a71b98ab528a3a930a8b63b050b0f5ff395eebc5f391a5ca01a01626ae\
        a02c35cadced098792336c195af8954e386a08a2d109d6b4637681208a852ea2a3";

    #[test]
    fn it_is_written_as_an_independent_implementation_writes_it() {
        let digest = b256!("ebe344a1465cf72aecd295fbbc11a1063d384f6a81196ec1165c1a70874b5e42");
        assert_eq!(approval().digest(), digest);
        assert_eq!(approval().signed(&SIGNATURE.parse().unwrap()).to_string(), SENT);
    }
}
