//! A backup of the whole home, made while others go on.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::passphrase::is_long_enough;
use super::{Owner, nothing};
use crate::answer::Refusal;
use crate::backup::{self, BackupError, BackupList, Packing};
use crate::config::Home;
use crate::parts::wallet_reason;

/// Goes with whoever made it, however that ends.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Owner {
    /// Writes everything of this home into one file, sealed under `seal_with`. The key is in it, so where the owner's
    /// passphrase is set, this has to be it.
    pub async fn back_up(
        &self,
        home: &Home,
        to: &Path,
        seal_with: Zeroizing<String>,
        passphrase: Option<&str>,
    ) -> Result<BackupList, Refusal> {
        is_long_enough(&seal_with)?;
        let wallet = self.parts.wallet.as_ref().ok_or_else(|| nothing("there is no wallet yet"))?;
        self.is_the_owner(passphrase).await?;
        let unread = |cause| Refusal { reasons: vec![wallet_reason(&cause)], next: "nothing was written".to_owned() };
        let keys = wallet.unlock().await.map_err(unread)?;
        // Beside the ledger, where nobody else may look: it is not sealed yet.
        let copy = Aside(home.dir().join(format!("ledger.copy.{}", std::process::id())));
        let about = self.parts.ledger.copy_to(&copy.0).await?;
        let (home, to, made_at) = (home.clone(), to.to_owned(), self.parts.now().secs());
        let packed = tokio::task::spawn_blocking(move || {
            let packing = Packing { home: &home, keys: &keys, ledger: (&copy.0, about), made_at };
            backup::pack(&packing, &to, &seal_with)
        });
        let packed = packed.await.map_err(|cause| Refusal::of("internal_fault", cause, "try again"))?;
        packed.map_err(|cause: BackupError| Refusal::of(cause.code(), &cause, cause.next()))
    }
}
