//! An authenticator app: what is typed into it, and the codes it shows (RFC 6238).

use ring::hmac;

/// The code that the app shows at this second, by what was typed into it.
pub fn code(typed: &str, at: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes(typed));
    let tag = hmac::sign(&key, &(at / 30).to_be_bytes());
    let tag = tag.as_ref();
    let from = usize::from(tag[19] & 0xf);
    let number = u32::from_be_bytes(tag[from..from + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn bytes(typed: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = typed.chars().flat_map(|letter| {
        let value = LETTERS.find(letter).expect("a letter of Base32");
        (0..5).rev().map(move |at| (value >> at & 1) as u8)
    });
    let bits: Vec<u8> = bits.collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}
