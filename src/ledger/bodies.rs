//! Stored bodies: what was bought. A small one lies in the ledger, beside its row; a large one is a file of its own.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::engine::{Conn, named};
use super::{Ledger, LedgerError};
use crate::limits;
use crate::spill::{DRAFT, Spill};

/// The folder they lie in.
#[derive(Clone, Debug)]
pub struct Bodies {
    dir: PathBuf,
    /// How much was kept since room was made.
    since_swept: Arc<AtomicU64>,
}

/// What was free can be had again, so it is kept for less long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Money was paid.
    Paid,
    /// Of an answer that cost nothing.
    Free,
}

const FREE: &str = "free";
/// What the small ones leave to the files.
const FILES_BYTES: u64 = limits::STORED_BODIES_BYTES - (limits::SMALL_BODIES * limits::SMALL_BODY_BYTES) as u64;

/// Files a small body with its row. Where what came this time is no small one, an earlier one is not taken for it.
pub(super) fn put(conn: &dyn Conn, row: i64, body: Option<&[u8]>) -> Result<(), LedgerError> {
    match body {
        Some(body) => conn.note(
            "INSERT INTO body (purchase, bytes) VALUES (:row, :bytes)
             ON CONFLICT (purchase) DO UPDATE SET bytes = excluded.bytes",
            named! { ":row": row, ":bytes": body },
        ),
        None => conn.note("DELETE FROM body WHERE purchase = :row", named! { ":row": row }),
    }
}

/// The oldest of the small ones go: rows are numbered as they came.
pub(super) fn sweep(conn: &dyn Conn) -> Result<(), LedgerError> {
    conn.note(
        "DELETE FROM body WHERE purchase <= (SELECT max(purchase) FROM body) - :kept",
        named! { ":kept": limits::SMALL_BODIES as i64 },
    )?;
    Ok(())
}

impl Ledger {
    /// The body that was filed with this row, if it was a small one.
    pub async fn small_body(&self, row: i64) -> Result<Option<Vec<u8>>, LedgerError> {
        self.peek(move |conn| {
            let found = "SELECT bytes FROM body WHERE purchase = :row";
            conn.find(found, named! { ":row": row }, |row| row.get(0))
        })
        .await
    }
}

impl Bodies {
    /// In this folder.
    pub fn at(dir: &Path) -> Bodies {
        Bodies { dir: dir.to_owned(), since_swept: Arc::default() }
    }

    /// Keeps a body. A reader sees the whole of it or nothing.
    pub fn keep(&self, agent: &str, purchase_id: &str, worth: Worth, body: &[u8]) -> io::Result<()> {
        let mut file = Spill::begin(&self.dir)?;
        file.write(body)?;
        self.keep_file(agent, purchase_id, worth, &file)
    }

    /// Keeps a body that is in a file already.
    pub fn keep_file(&self, agent: &str, purchase_id: &str, worth: Worth, body: &Spill) -> io::Result<()> {
        let kept = body.keep_as(&self.path(agent, purchase_id, worth));
        let since_swept = self.since_swept.fetch_add(body.len(), Ordering::Relaxed);
        if since_swept > FILES_BYTES / 8
            && let Err(cause) = self.sweep(SystemTime::now())
        {
            tracing::warn!("no room was made for bodies: {cause}");
        }
        kept
    }

    /// At most `most` bytes from `offset` on of a body of `total`. A file of another length is not that body: what was
    /// kept a moment before the power went may be there in part, or empty.
    pub fn read(&self, agent: &str, purchase_id: &str, total: u64, offset: u64, most: u64) -> io::Result<Vec<u8>> {
        let paid = fs::File::open(self.path(agent, purchase_id, Worth::Paid));
        let mut file = paid.or_else(|_| fs::File::open(self.path(agent, purchase_id, Worth::Free)))?;
        if file.metadata()?.len() != total {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut body = Vec::new();
        file.take(most).read_to_end(&mut body)?;
        Ok(body)
    }

    /// Makes room: what was free and is old goes, then the oldest, what was free first, until all of them together are
    /// within the bound.
    pub fn sweep(&self, now: SystemTime) -> io::Result<()> {
        self.since_swept.store(0, Ordering::Relaxed);
        let mut files: Vec<(bool, SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            // Another process may be making room too.
            let Ok(meta) = fs::metadata(&path) else { continue };
            let at = meta.modified()?;
            let age = now.duration_since(at).unwrap_or_default();
            // What nobody kept for so long is of a process that is no more.
            let is_brief = path.extension().is_some_and(|extension| extension == FREE || extension == DRAFT);
            match is_brief && age > limits::FREE_BODY_KEPT {
                true => drop_file(&path)?,
                false => files.push((!is_brief, at, meta.len(), path)),
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, _, len, _)| len).sum();
        for (_, _, len, path) in files {
            if total <= FILES_BYTES {
                break;
            }
            drop_file(&path)?;
            total -= len;
        }
        Ok(())
    }

    /// Ids are the agents' own choice, so the file is named by a fingerprint of them.
    fn path(&self, agent: &str, purchase_id: &str, worth: Worth) -> PathBuf {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        hash.update((agent.len() as u64).to_be_bytes());
        hash.update(agent);
        hash.update(purchase_id);
        let name = alloy_primitives::hex::encode(&hash.finalize()[..16]);
        match worth {
            Worth::Paid => self.dir.join(name),
            Worth::Free => self.dir.join(name).with_extension(FREE),
        }
    }
}

fn drop_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
