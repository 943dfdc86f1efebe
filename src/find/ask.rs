//! Asking directories, all at once. One that is slow, down or lying costs its own results and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use url::Url;

use super::sought::Sought;
use crate::limits;
use crate::listing::{self, Directory, DirectoryKind, Listing};
use crate::outward;
use crate::parts::Parts;
use crate::policy::Policy;
use crate::ports::{DirectoryReply, Egress, Progress};
use crate::request::Request;

/// What came of asking one.
pub struct DirectoryHeard {
    /// Its host.
    pub name: String,
    /// What it lists, now or lately.
    pub listing: Option<Arc<Listing>>,
    /// How old that is, where it was not asked anew.
    pub age: Option<Duration>,
    /// What went wrong.
    pub problem: Option<String>,
}

/// How one is asked. A server that the query names is a stranger's, and is asked as any seller is.
enum Door<'a> {
    Owners,
    Guarded(&'a Policy),
}

/// The owner's directories; and the server that is named, if one is.
pub async fn all(house: &Parts, policy: &Policy, sought: &Sought) -> Vec<DirectoryHeard> {
    let named = sought.server.as_ref().map(of_server);
    let owners = house.directories.all().iter().map(|directory| (directory.clone(), Door::Owners));
    let all = owners.chain(named.map(|directory| (directory, Door::Guarded(policy))));
    join_all(all.map(|(directory, door)| one(house, directory, door, &sought.words))).await
}

fn of_server(server: &Url) -> Directory {
    let mut base = server.clone();
    base.set_path("");
    base.set_query(None);
    base.set_fragment(None);
    Directory { kind: DirectoryKind::Openapi, base }
}

async fn one(house: &Parts, directory: Directory, door: Door<'_>, words: &str) -> DirectoryHeard {
    let (name, question) = (outward::name(&directory.base), directory.question(words));
    let known = house.listings.recall(question.as_str(), house.now());
    if let Some((age, listing)) = known.as_ref().filter(|(age, _)| *age < limits::LISTING_KEPT) {
        return DirectoryHeard { name, listing: Some(listing.clone()), age: Some(*age), problem: None };
    }
    let late = || format!("it did not answer within {} s", limits::DIRECTORY_WAIT.as_secs());
    let asked = timeout(limits::DIRECTORY_WAIT, listed(house, &directory, &door, &question));
    match asked.await.unwrap_or_else(|_| Err(late())) {
        Ok(listing) => {
            let listing = Arc::new(listing);
            house.listings.note(question.as_str(), listing.clone(), house.now());
            DirectoryHeard { name, listing: Some(listing), age: None, problem: None }
        }
        Err(problem) => {
            let stale = known.filter(|(age, _)| *age <= limits::LISTING_STALE);
            let (age, listing) = stale.unzip();
            DirectoryHeard { name, listing, age, problem: Some(problem) }
        }
    }
}

async fn listed(house: &Parts, directory: &Directory, door: &Door<'_>, question: &Url) -> Result<Listing, String> {
    let mut reply = fetch(house, door, question).await?;
    if let (404 | 405 | 501, Some(instead)) = (reply.status, directory.question_instead()) {
        reply = fetch(house, door, &instead).await?;
    }
    match reply.status {
        200..=299 => listing::read(directory, &reply.body, &house.assets).map_err(|cause| cause.to_string()),
        status => Err(format!("it answered with HTTP {status}")),
    }
}

async fn fetch(house: &Parts, door: &Door<'_>, url: &Url) -> Result<DirectoryReply, String> {
    let Door::Guarded(policy) = door else { return house.directories.fetch(url).await };
    let request = Request { method: "GET".to_owned(), url: url.clone(), headers: Vec::new(), body: Vec::new() };
    let asked = house.seller.ask(&request, Egress { allow: &policy.egress }, &Progress::unheard()).await;
    let reply = asked.map_err(|cause| cause.to_string())?;
    // A long body lies in a file by now, and no such document is worth reading it back.
    match reply.cut.is_some() || reply.body_len() > reply.body.len() as u64 {
        true => Err(format!("its answer is longer than {} bytes", limits::HELD_BODY_BYTES)),
        false => Ok(DirectoryReply { status: reply.status, body: reply.body }),
    }
}
