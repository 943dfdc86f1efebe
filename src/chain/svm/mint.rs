//! What the chain says of an asset of Solana's, held against what the table says of it.

use super::reply::AccountData;
use crate::authorization::TokenProgram;

/// How many decimals stand where.
const DECIMALS_AT: usize = 44;
/// Where the extensions of the newer program begin.
const EXTENSIONS_AT: usize = 166;
const TRANSFER_FEE: u16 = 1;
const NON_TRANSFERABLE: u16 = 9;
const TRANSFER_HOOK: u16 = 14;

/// Why nothing should be paid with it, if there is a reason.
pub fn trouble(program: TokenProgram, decimals: u8, found: &AccountData) -> Option<&'static str> {
    if found.program != program.key().to_string() {
        return Some("is moved by another program than the table says");
    }
    if found.data.get(DECIMALS_AT) != Some(&decimals) {
        return Some("has other decimals than the table says");
    }
    extensions(&found.data).find_map(|(kind, data)| match kind {
        TRANSFER_FEE => {
            takes_a_fee(data).then_some("takes a fee of each payment, so the payee gets less than was agreed")
        }
        TRANSFER_HOOK => has_program(data)
            .then_some("runs a program of somebody else's at each payment, which bursar does not sign for"),
        NON_TRANSFERABLE => Some("cannot be moved at all"),
        _ => None,
    })
}

/// Each by its kind, one after the other.
fn extensions(data: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = data.get(EXTENSIONS_AT..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_at_checked(4)?;
        let [kind, length] = [&head[..2], &head[2..]].map(|two| u16::from_le_bytes([two[0], two[1]]));
        let (data, behind) = behind.split_at_checked(usize::from(length))?;
        rest = behind;
        (kind != 0).then_some((kind, data))
    })
}

/// Of the fee that is in force and of the one that will be: what part of a payment it is stands at the end of each.
fn takes_a_fee(data: &[u8]) -> bool {
    const FEES_AT: usize = 72;
    const FEE: usize = 18;
    let fees = data.get(FEES_AT..).unwrap_or_default();
    fees.chunks_exact(FEE).any(|fee| fee[16..18] != [0, 0]) || fees.len() < 2 * FEE
}

/// Who may set it, and then what is run.
fn has_program(data: &[u8]) -> bool {
    data.get(32..64).is_none_or(|program| program.iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(program: TokenProgram, extensions: &[(u16, Vec<u8>)]) -> AccountData {
        let mut data = vec![0; EXTENSIONS_AT];
        data[DECIMALS_AT] = 6;
        for (kind, bytes) in extensions {
            data.extend([kind.to_le_bytes(), (bytes.len() as u16).to_le_bytes()].concat());
            data.extend(bytes);
        }
        AccountData { program: program.key().to_string(), data }
    }

    fn fee(now: u16, then: u16) -> (u16, Vec<u8>) {
        let one = |points: u16| [&[0; 16][..], &points.to_le_bytes()].concat();
        (TRANSFER_FEE, [vec![7; 72], one(now), one(then)].concat())
    }

    fn hook(program: u8) -> (u16, Vec<u8>) {
        (TRANSFER_HOOK, [vec![7; 32], vec![program; 32]].concat())
    }

    fn is_fine(extensions: &[(u16, Vec<u8>)]) -> bool {
        trouble(TokenProgram::Token2022, 6, &mint(TokenProgram::Token2022, extensions)).is_none()
    }

    #[test]
    fn an_asset_that_takes_nothing_and_runs_nothing_is_fine() {
        assert!(is_fine(&[]) && is_fine(&[(12, vec![7; 32]), fee(0, 0), hook(0)]));
        let plain =
            AccountData { data: mint(TokenProgram::Spl, &[]).data[..82].to_vec(), ..mint(TokenProgram::Spl, &[]) };
        assert_eq!(trouble(TokenProgram::Spl, 6, &plain), None);
    }

    #[test]
    fn an_asset_that_takes_a_fee_or_runs_a_hook_is_not() {
        for extensions in [vec![fee(100, 0)], vec![fee(0, 1)], vec![(TRANSFER_FEE, vec![0; 80])], vec![hook(1)]] {
            assert!(!is_fine(&extensions), "{extensions:?}");
            assert!(!is_fine(&[vec![(3, vec![1; 33])], extensions].concat()), "behind another one");
        }
        assert!(!is_fine(&[(NON_TRANSFERABLE, vec![])]));
    }

    #[test]
    fn another_program_or_other_decimals_are_told() {
        let found = mint(TokenProgram::Spl, &[]);
        assert!(trouble(TokenProgram::Token2022, 6, &found).is_some());
        assert!(trouble(TokenProgram::Spl, 9, &found).is_some());
    }
}
