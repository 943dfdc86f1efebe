//! A body as it grows: the beginning of it in memory, and once it is long all of it in a file, a stretch at a time.

use std::path::Path;
use std::sync::Arc;

use crate::limits;
use crate::ports::Rest;
use crate::spill::Spill;

/// So much is gathered before it is written: on a thread that may block.
const STRETCH_BYTES: usize = 256 * 1024;

pub struct Growing {
    pub len: usize,
    beginning: Vec<u8>,
    gathered: Vec<u8>,
    spilled: Spilled,
    store: Arc<Path>,
}

enum Spilled {
    /// All of it is in memory.
    NotYet,
    Into(Spill),
    /// The disk is full, say. What it is called and how long it is goes on being found out.
    Failed,
}

impl Growing {
    pub fn in_store(store: &Arc<Path>) -> Growing {
        let (beginning, gathered, spilled) = (Vec::new(), Vec::new(), Spilled::NotYet);
        Growing { len: 0, beginning, gathered, spilled, store: store.clone() }
    }

    pub async fn take(&mut self, chunk: &[u8]) {
        self.len += chunk.len();
        if matches!(self.spilled, Spilled::NotYet) {
            if self.len <= limits::HELD_BODY_BYTES {
                return self.beginning.extend_from_slice(chunk);
            }
            self.gathered = self.beginning.clone();
            let begun = Spill::begin(&self.store);
            self.spilled = begun.map_or(Spilled::Failed, Spilled::Into);
        }
        if let Spilled::Into(_) = self.spilled {
            self.gathered.extend_from_slice(chunk);
            if self.gathered.len() >= STRETCH_BYTES {
                self.write().await;
            }
        }
    }

    pub async fn whole(mut self) -> (Vec<u8>, Rest) {
        self.write().await;
        let rest = match self.spilled {
            Spilled::NotYet => Rest::None,
            Spilled::Into(file) => Rest::Filed(Arc::new(file)),
            Spilled::Failed => Rest::Lost(self.len as u64),
        };
        (self.beginning, rest)
    }

    async fn write(&mut self) {
        let mut file = match std::mem::replace(&mut self.spilled, Spilled::Failed) {
            Spilled::Into(file) => file,
            other => return self.spilled = other,
        };
        let mut stretch = std::mem::take(&mut self.gathered);
        let written = tokio::task::spawn_blocking(move || {
            file.write(&stretch)?;
            stretch.clear();
            std::io::Result::Ok((file, stretch))
        });
        if let Ok(Ok((file, emptied))) = written.await {
            (self.spilled, self.gathered) = (Spilled::Into(file), emptied);
        }
    }
}
