//! A file sealed under a passphrase of its own: what a backup lies in.
//!
//! A line that says how it was sealed, then pieces. Argon2id makes a key of the passphrase; XChaCha20-Poly1305 seals each
//! piece under its number and whether it is the last, with the line as associated data. So a piece that is changed, moved,
//! left out or cut off does not open, and neither does anything under another line.

use std::io::{BufRead, Read, Write};

use alloy_primitives::hex;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::RailKey;
use super::cost::{COST, Cost};
use crate::money::Rail;

/// What is read and held at a time.
const PIECE: usize = 64 * 1024;
const TAG: usize = 16;
const FORMAT: u32 = 1;
/// The line is some two hundred bytes.
const LINE: u64 = 1024;
const KEY: u64 = 32;

/// What is wrong with a sealed file.
#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    #[error("it is not a backup of bursar's")]
    NotOurs,
    #[error("it was made by a newer bursar (its format is {found}, this program knows {FORMAT})")]
    Newer { found: u64 },
    #[error("it is cut off: {found} of {whole} bytes are there")]
    CutOff { found: u64, whole: u64 },
    #[error("the passphrase does not open it")]
    WrongPassphrase,
    #[error("it was changed or damaged after it was made")]
    Altered,
    #[error("opening it would take more of this machine than bursar gives")]
    TooDear,
    #[error("the system gave no randomness")]
    NoRandomness,
    #[error("{0}")]
    Io(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedLine {
    bursar_backup: u32,
    argon2id: Cost,
    salt: String,
    /// Of everything behind the line, so that a file that is cut off is known before anybody types a passphrase.
    bytes: u64,
}

/// Seals what is written into it.
pub struct SealedWriter<W: Write> {
    out: W,
    sealing: Sealing,
    piece: Zeroizing<Vec<u8>>,
}

/// Opens what was sealed, from its beginning to its end.
pub struct SealedReader<R: BufRead> {
    from: R,
    sealing: Sealing,
    piece: Zeroizing<Vec<u8>>,
    /// How much of the piece was handed out.
    given: usize,
    is_last: bool,
}

/// The cipher, and which piece is next.
struct Sealing {
    cipher: XChaCha20Poly1305,
    line: Vec<u8>,
    next: u64,
}

/// The line of a sealed file, read and not yet believed.
pub struct SealedHead {
    line: SealedLine,
    text: Vec<u8>,
}

/// How long what is sealed is behind its line, for so much plain text.
fn sealed_length(plain: u64) -> u64 {
    let pieces = plain.div_ceil(PIECE as u64).max(1);
    // And the piece that tells a wrong passphrase.
    plain + (pieces + 1) * TAG as u64
}

impl<W: Write> SealedWriter<W> {
    /// Begins a file for exactly so many bytes of plain text.
    pub fn begin(mut out: W, passphrase: &str, plain: u64) -> Result<SealedWriter<W>, SealedError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| SealedError::NoRandomness)?;
        let line =
            SealedLine { bursar_backup: FORMAT, argon2id: COST, salt: hex::encode(salt), bytes: sealed_length(plain) };
        let mut text = serde_json::to_vec(&line).map_err(|cause| SealedError::Io(cause.to_string()))?;
        text.push(b'\n');
        out.write_all(&text).map_err(failed)?;
        let mut sealing = Sealing::new(passphrase, &line, text)?;
        out.write_all(&sealing.seal(b"", false)?).map_err(failed)?;
        Ok(SealedWriter { out, sealing, piece: Zeroizing::new(Vec::with_capacity(PIECE)) })
    }

    /// Takes in bytes.
    pub fn put(&mut self, mut bytes: &[u8]) -> Result<(), SealedError> {
        while !bytes.is_empty() {
            if self.piece.len() == PIECE {
                self.flush(false)?;
            }
            let some = bytes.len().min(PIECE - self.piece.len());
            self.piece.extend_from_slice(&bytes[..some]);
            bytes = &bytes[some..];
        }
        Ok(())
    }

    /// Takes in a key: [`SealedReader::key`] gives it back.
    pub fn put_key(&mut self, key: &RailKey) -> Result<(), SealedError> {
        self.put(key.to_bytes().as_slice())
    }

    /// Takes in all that is read.
    pub fn put_all(&mut self, from: &mut dyn Read) -> Result<(), SealedError> {
        let mut some = Zeroizing::new(vec![0; PIECE]);
        loop {
            match from.read(&mut some).map_err(failed)? {
                0 => return Ok(()),
                read => self.put(&some[..read])?,
            }
        }
    }

    /// Ends the file. Without it nothing of it opens.
    pub fn finish(mut self) -> Result<W, SealedError> {
        self.flush(true)?;
        Ok(self.out)
    }

    fn flush(&mut self, is_last: bool) -> Result<(), SealedError> {
        let sealed = self.sealing.seal(&self.piece, is_last)?;
        self.piece.clear();
        self.out.write_all(&sealed).map_err(failed)
    }
}

impl SealedHead {
    /// Reads the line, and holds the length against what there is. `length` is the whole file's.
    pub fn read(from: &mut impl BufRead, length: u64) -> Result<SealedHead, SealedError> {
        let mut text = Vec::new();
        from.take(LINE).read_until(b'\n', &mut text).map_err(failed)?;
        let said: serde_json::Value = serde_json::from_slice(&text).map_err(|_| SealedError::NotOurs)?;
        match said["bursar_backup"].as_u64() {
            None => return Err(SealedError::NotOurs),
            Some(found) if found > u64::from(FORMAT) => return Err(SealedError::Newer { found }),
            Some(_) => {}
        }
        let line: SealedLine = serde_json::from_slice(&text).map_err(|_| SealedError::Altered)?;
        let whole = line.bytes.saturating_add(text.len() as u64);
        match length.cmp(&whole) {
            std::cmp::Ordering::Less => Err(SealedError::CutOff { found: length, whole }),
            std::cmp::Ordering::Equal => Ok(SealedHead { line, text }),
            std::cmp::Ordering::Greater => Err(SealedError::Altered),
        }
    }

    /// Where what is sealed begins.
    pub fn length(&self) -> u64 {
        self.text.len() as u64
    }

    /// Opens what is behind the line.
    pub fn open<R: BufRead>(&self, mut from: R, passphrase: &str) -> Result<SealedReader<R>, SealedError> {
        let mut sealing = Sealing::new(passphrase, &self.line, self.text.clone())?;
        let mut check = [0; TAG];
        from.read_exact(&mut check).map_err(failed)?;
        sealing.open(&check, false).map_err(|_| SealedError::WrongPassphrase)?;
        Ok(SealedReader { from, sealing, piece: Zeroizing::new(Vec::new()), given: 0, is_last: false })
    }
}

impl<R: BufRead> SealedReader<R> {
    /// The next so many bytes, handed on.
    pub fn take_into(&mut self, mut count: u64, into: &mut dyn Write) -> Result<(), SealedError> {
        while count > 0 {
            if self.given == self.piece.len() {
                self.next_piece()?;
            }
            let left = self.piece.len() - self.given;
            let some = left.min(usize::try_from(count).unwrap_or(usize::MAX));
            into.write_all(&self.piece[self.given..self.given + some]).map_err(failed)?;
            self.given += some;
            count -= some as u64;
        }
        Ok(())
    }

    /// The next so many bytes, of which there may be no more than `most`.
    pub fn take(&mut self, count: u64, most: u64) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        if count > most {
            return Err(SealedError::Altered);
        }
        // Room for all of it at once: a growing buffer would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(count as usize));
        self.take_into(count, &mut *bytes)?;
        Ok(bytes)
    }

    /// The key that [`SealedWriter::put_key`] took in.
    pub fn key(&mut self, rail: Rail) -> Result<RailKey, SealedError> {
        RailKey::from_bytes(rail, &self.take(KEY, KEY)?).ok_or(SealedError::Altered)
    }

    /// Makes sure that the end is the end.
    pub fn finish(mut self) -> Result<(), SealedError> {
        if !self.is_last && self.given == self.piece.len() {
            self.next_piece()?;
        }
        match self.is_last && self.given == self.piece.len() {
            true => Ok(()),
            false => Err(SealedError::Altered),
        }
    }

    fn next_piece(&mut self) -> Result<(), SealedError> {
        if self.is_last {
            return Err(SealedError::Altered);
        }
        let mut sealed = Vec::with_capacity(PIECE + TAG);
        (&mut self.from).take((PIECE + TAG) as u64).read_to_end(&mut sealed).map_err(failed)?;
        self.is_last = self.from.fill_buf().map_err(failed)?.is_empty();
        self.piece = self.sealing.open(&sealed, self.is_last)?;
        self.given = 0;
        // An empty piece stands for an empty file, and nowhere else.
        match self.piece.is_empty() && !self.is_last {
            true => Err(SealedError::Altered),
            false => Ok(()),
        }
    }
}

impl Sealing {
    fn new(passphrase: &str, line: &SealedLine, text: Vec<u8>) -> Result<Sealing, SealedError> {
        let mut salt = [0; 16];
        hex::decode_to_slice(&line.salt, &mut salt).map_err(|_| SealedError::Altered)?;
        let key = line.argon2id.derive(passphrase, &salt).map_err(|_| SealedError::TooDear)?;
        Ok(Sealing { cipher: XChaCha20Poly1305::new((&*key).into()), line: text, next: 0 })
    }

    fn seal(&mut self, piece: &[u8], is_last: bool) -> Result<Vec<u8>, SealedError> {
        let nonce = self.nonce(is_last);
        let payload = Payload { msg: piece, aad: &self.line };
        self.cipher.encrypt(&nonce, payload).map_err(|_| SealedError::Io("it could not be sealed".to_owned()))
    }

    fn open(&mut self, sealed: &[u8], is_last: bool) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let nonce = self.nonce(is_last);
        let payload = Payload { msg: sealed, aad: &self.line };
        self.cipher.decrypt(&nonce, payload).map(Zeroizing::new).map_err(|_| SealedError::Altered)
    }

    /// The salt is fresh, and so is the key: a number is used once under it.
    fn nonce(&mut self, is_last: bool) -> XNonce {
        let mut nonce = [0; 24];
        nonce[15..23].copy_from_slice(&self.next.to_be_bytes());
        nonce[23] = u8::from(is_last);
        self.next += 1;
        XNonce::from(nonce)
    }
}

fn failed(cause: std::io::Error) -> SealedError {
    SealedError::Io(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut writer = SealedWriter::begin(Vec::new(), "open sesame", plain.len() as u64).unwrap();
        writer.put(plain).unwrap();
        writer.finish().unwrap()
    }

    fn opened(sealed: &[u8], passphrase: &str, count: usize) -> Result<Vec<u8>, SealedError> {
        let mut from = sealed;
        let head = SealedHead::read(&mut from, sealed.len() as u64)?;
        let mut reader = head.open(from, passphrase)?;
        let plain = reader.take(count as u64, u64::MAX)?.to_vec();
        reader.finish().map(|()| plain)
    }

    #[test]
    fn what_was_sealed_opens_whatever_its_length() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let plain: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert_eq!(opened(&sealed(&plain), "open sesame", length).unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn another_passphrase_opens_nothing() {
        assert_eq!(opened(&sealed(b"gold"), "open barley", 4), Err(SealedError::WrongPassphrase));
    }

    #[test]
    fn whatever_is_changed_cut_off_or_added_is_noticed() {
        let plain = vec![7; 2 * PIECE + 5];
        let good = sealed(&plain);
        let line = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let altered = |bytes: Vec<u8>| opened(&bytes, "open sesame", plain.len()).unwrap_err();
        for at in [line + TAG, line + TAG + PIECE, good.len() - 1] {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert_eq!(altered(changed), SealedError::Altered, "{at}");
        }
        assert!(matches!(altered(good[..good.len() - 1].to_vec()), SealedError::CutOff { .. }));
        assert_eq!(altered([&good[..], b"x"].concat()), SealedError::Altered);
        // Two pieces that changed places, and a piece that is left out of a file that says so.
        let (first, second) = (line + TAG..line + 2 * TAG + PIECE, line + 2 * TAG + PIECE..line + 3 * TAG + 2 * PIECE);
        let swapped = [&good[..first.start], &good[second.clone()], &good[first.clone()], &good[second.end..]].concat();
        assert_eq!(altered(swapped), SealedError::Altered);
        let text = String::from_utf8(good[..line].to_vec()).unwrap();
        let bytes = sealed_length(plain.len() as u64);
        let shorter = text.replace(&bytes.to_string(), &(bytes - (PIECE + TAG) as u64).to_string());
        assert_eq!(
            altered([shorter.as_bytes(), &good[line..first.start], &good[first.end..]].concat()),
            SealedError::WrongPassphrase
        );
    }

    #[test]
    fn what_is_no_backup_or_a_newer_one_is_told_apart() {
        for text in ["", "{}", "not json\n", "{\"bursar_wallet\":1}\n"] {
            assert_eq!(opened(text.as_bytes(), "x", 0), Err(SealedError::NotOurs), "{text}");
        }
        assert_eq!(opened(b"{\"bursar_backup\":2,\"more\":1}\n", "x", 0), Err(SealedError::Newer { found: 2 }));
    }

    #[test]
    fn a_file_that_asks_for_all_of_this_machine_is_not_opened() {
        let dear =
            format!("{{\"bursar_backup\":1,\"argon2id\":{{\"memory_kib\":{},\"passes\":3,\"lanes\":1}},", u32::MAX);
        let line = format!("{dear}\"salt\":\"{}\",\"bytes\":32}}\n", "00".repeat(16));
        let file = [line.as_bytes(), &[0; 32]].concat();
        assert_eq!(opened(&file, "x", 0), Err(SealedError::TooDear));
    }

    #[test]
    fn a_key_goes_through_unchanged_and_is_not_in_the_file() {
        let key = RailKey::random(Rail::Solana).unwrap();
        let mut writer = SealedWriter::begin(Vec::new(), "open sesame", KEY).unwrap();
        writer.put_key(&key).unwrap();
        let file = writer.finish().unwrap();
        assert!(!file.windows(32).any(|window| window == key.to_bytes().as_slice()));
        let mut from = &file[..];
        let head = SealedHead::read(&mut from, file.len() as u64).unwrap();
        let mut reader = head.open(from, "open sesame").unwrap();
        assert_eq!(reader.key(Rail::Solana).unwrap().to_bytes(), key.to_bytes());
        assert_eq!(reader.finish(), Ok(()));
    }
}
