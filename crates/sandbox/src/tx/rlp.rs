//! As much of RLP as a chain transaction needs: one list of strings and numbers, read in its only legal form.

use alloy_primitives::U256;

/// What a string's and a list's first byte start from.
const STRING: u8 = 0x80;
const LIST: u8 = 0xc0;
/// The most bytes whose count fits into the first byte; beyond it the count has bytes of its own.
const SHORT: usize = 55;

/// Fields, written one after another.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn string(&mut self, bytes: &[u8]) {
        match bytes {
            [byte] if *byte < STRING => self.0.push(*byte),
            _ => {
                self.0.extend(head(STRING, bytes.len()));
                self.0.extend_from_slice(bytes);
            }
        }
    }

    pub(super) fn number(&mut self, number: U256) {
        self.string(&number.to_be_bytes_trimmed_vec());
    }

    pub(super) fn empty_list(&mut self) {
        self.0.push(LIST);
    }

    /// The fields as one list.
    pub(super) fn list(self) -> Vec<u8> {
        [head(LIST, self.0.len()), self.0].concat()
    }
}

fn head(kind: u8, length: usize) -> Vec<u8> {
    if length <= SHORT {
        return vec![kind + length as u8];
    }
    let count = U256::from(length).to_be_bytes_trimmed_vec();
    [vec![kind + SHORT as u8 + count.len() as u8], count].concat()
}

/// The fields of a list, read one after another.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Of bytes that are a list and nothing more.
    pub(super) fn of_list(bytes: &'a [u8]) -> Option<Self> {
        match item(bytes)? {
            (Item::List(fields), []) => Some(Self(fields)),
            _ => None,
        }
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        match self.next()? {
            Item::String(bytes) => Some(bytes),
            Item::List(_) => None,
        }
    }

    /// Without zeros in front; zero itself is the empty string.
    pub(super) fn number(&mut self) -> Option<U256> {
        let bytes = self.string()?;
        if bytes.first() == Some(&0) {
            return None;
        }
        U256::try_from_be_slice(bytes)
    }

    pub(super) fn empty_list(&mut self) -> Option<()> {
        matches!(self.next()?, Item::List([])).then_some(())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn next(&mut self) -> Option<Item<'a>> {
        let (item, rest) = item(self.0)?;
        self.0 = rest;
        Some(item)
    }
}

enum Item<'a> {
    String(&'a [u8]),
    List(&'a [u8]),
}

/// The first item and what is behind it.
fn item(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (&first, behind) = bytes.split_first()?;
    match first {
        ..STRING => Some((Item::String(&bytes[..1]), behind)),
        STRING..LIST => match counted(first - STRING, behind)? {
            // A small byte stands for itself.
            ([byte], _) if *byte < STRING => None,
            (string, rest) => Some((Item::String(string), rest)),
        },
        LIST.. => counted(first - LIST, behind).map(|(list, rest)| (Item::List(list), rest)),
    }
}

/// What a count, or a count of the bytes of the count, measures off.
fn counted(said: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let said = usize::from(said);
    if said <= SHORT {
        return bytes.split_at_checked(said);
    }
    let (count, bytes) = bytes.split_at_checked(said - SHORT)?;
    if count.first() == Some(&0) {
        return None;
    }
    let count = usize::try_from(U256::try_from_be_slice(count)?).ok()?;
    (count > SHORT).then(|| bytes.split_at_checked(count)).flatten()
}
