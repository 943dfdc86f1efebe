//! Finding what is for sale. Directories list it; what fits is put in order by what the words match, what the policy would
//! say today, and what this wallet has had of the seller. Nothing is paid, and nothing that a directory says is kept as
//! something that is: the price and the payee come from the seller's own 402.

mod ask;
mod merge;
mod rank;
mod sought;
mod weigh;

use std::sync::Arc;

use crate::answer::{DirectoryTold, FindQuery, Found, Refusal};
use crate::limits;
use crate::listing::{ListedThing, Listing};
use crate::money::Usd;
use crate::parts::Parts;
use ask::DirectoryHeard;
use merge::Fitting;
use sought::Sought;

/// Looks for what these words mean, for an agent that pays at most `ceiling` at a time.
pub(crate) async fn find(house: &Parts, agent: &str, ceiling: Option<Usd>, query: FindQuery) -> Result<Found, Refusal> {
    let sought = Sought::read(&query)?;
    let policy = house
        .policy()
        .map_err(|reason| Refusal::of("policy_invalid", reason.message, "its owner has to correct it"))?;
    let heard = ask::all(house, &policy, &sought).await;
    let (fitting, directories) = fitting(&heard, &sought, &policy.egress);
    let mut candidates = merge::merged(fitting, &policy);
    candidates.retain(|candidate| sought.is_cheap_enough(candidate.price.as_ref().and_then(|price| price.usd)));
    rank::by_words(&mut candidates);
    candidates.truncate(limits::WEIGHED);
    let mut weighed = weigh::all(house, agent, ceiling, &policy, candidates).await?;
    rank::by_worth(&mut weighed);
    weighed.truncate(sought.limit);
    let results: Vec<_> = weighed.into_iter().map(|weighed| weighed.found).collect();
    let next = next(results.is_empty(), &directories).to_owned();
    Ok(Found { results, directories, next })
}

/// Of what each directory lists, what fits, with how well and who says so; and what came of asking it.
fn fitting(heard: &[DirectoryHeard], sought: &Sought, egress: &[String]) -> (Vec<Fitting>, Vec<DirectoryTold>) {
    let (mut all, mut told) = (Vec::new(), Vec::new());
    for DirectoryHeard { name, listing, age, problem } in heard {
        let things = listing.iter().flat_map(|listing| listing.things.iter());
        let fits = |thing: &ListedThing| {
            Some(Fitting { matched: sought.matches(thing)?, thing: thing.clone(), by: name.clone() })
        };
        let of_it: Vec<Fitting> = things.filter(|thing| thing.may_be_asked(egress)).filter_map(fits).collect();
        told.push(DirectoryTold {
            name: name.clone(),
            ok: listing.is_some() && problem.is_none(),
            results: of_it.len(),
            age_s: age.map(|age| age.as_secs()),
            problem: problem.clone().or_else(|| listing.as_ref().and_then(not_read)),
        });
        all.extend(of_it);
    }
    (all, told)
}

/// What of an answer is not among the results, whatever is looked for.
fn not_read(listing: &Arc<Listing>) -> Option<String> {
    let Listing { unusable, unread, .. } = **listing;
    match (unusable, unread) {
        (0, 0) => None,
        (unusable, 0) => Some(format!("{unusable} of its entries lead nowhere")),
        (0, unread) => Some(format!("{unread} of its entries were not read")),
        (unusable, unread) => Some(format!("{unusable} of its entries lead nowhere, and {unread} more were not read")),
    }
}

fn next(is_nothing: bool, directories: &[DirectoryTold]) -> &'static str {
    match is_nothing {
        true if directories.is_empty() => "the owner has every directory switched off: say so",
        true if directories.iter().all(|directory| !directory.ok) => "no directory could be asked: try again later",
        true => "nothing that is listed fits: use other words, or leave out kind and max_price",
        false => "quote says what one of them really costs; these prices are claims, and nothing was paid",
    }
}
