//! What a directory is asked, by its kind.

use url::Url;

use super::{Directory, DirectoryKind};

impl Directory {
    /// Where it is asked for what fits these words. It may search badly or not at all: what it answers is searched again.
    pub fn question(&self, words: &str) -> Url {
        match self.kind {
            DirectoryKind::Bazaar => with(self.under("/discovery/search"), &[("query", words), ("limit", "20")]),
            DirectoryKind::Mpp => self.under("/api/services"),
            DirectoryKind::Index402 => with(self.under("/api/v1/services"), &[("q", words), ("limit", "100")]),
            DirectoryKind::Openapi => self.under("/openapi.json"),
        }
    }

    /// What it is asked in place of that, where it does not know the question.
    pub fn question_instead(&self) -> Option<Url> {
        match self.kind {
            DirectoryKind::Bazaar => Some(with(self.under("/discovery/resources"), &[("limit", "100")])),
            DirectoryKind::Mpp | DirectoryKind::Index402 | DirectoryKind::Openapi => None,
        }
    }

    fn under(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }
}

fn with(mut url: Url, pairs: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(pairs);
    url
}
