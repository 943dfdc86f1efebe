//! RLP, as EVM chains write what they are sent: strings, and lists of them.

use alloy_primitives::U256;

/// A number is a string without zeros in front.
pub(super) fn number(out: &mut Vec<u8>, number: U256) {
    string(out, &number.to_be_bytes_trimmed_vec());
}

pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    if let [only @ 0..0x80] = bytes {
        return out.push(*only);
    }
    length(out, 0x80, bytes.len());
    out.extend_from_slice(bytes);
}

pub(super) fn list(out: &mut Vec<u8>, fields: &[u8]) {
    length(out, 0xc0, fields.len());
    out.extend_from_slice(fields);
}

fn length(out: &mut Vec<u8>, kind: u8, length: usize) {
    if length < 56 {
        return out.push(kind + length as u8);
    }
    let digits = U256::from(length).to_be_bytes_trimmed_vec();
    out.push(kind + 55 + digits.len() as u8);
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_strings_have_their_own_lengths() {
        let written = |bytes: &[u8]| {
            let mut out = Vec::new();
            string(&mut out, bytes);
            out
        };
        assert_eq!(written(&[]), [0x80]);
        assert_eq!(written(&[0x7f]), [0x7f]);
        assert_eq!(written(&[0x80]), [0x81, 0x80]);
        assert_eq!(written(&[1; 55])[0], 0x80 + 55);
        assert_eq!(written(&[1; 56])[..2], [0xb8, 56]);
        assert_eq!(written(&[1; 300])[..3], [0xb9, 1, 44]);
    }
}
