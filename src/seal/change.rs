//! A change of the owner's passphrase, or of what it put into force, in an order in which the program may stop anywhere.
//!
//! What is to be is planned in a file, sealed beside the key, and written; then the plan is forgotten. The seal alone
//! decides: before it changes the old one counts, and once it has, the plan that fits it is carried out by whoever looks
//! next. A plan that somebody else wrote fits no seal.

use std::fs::File;

use super::{mark_of, put_owner, sealed_owner};
use crate::answer::Refusal;
use crate::config::Guarded;
use crate::crash;
use crate::parts::Parts;

/// Puts another owner's file in the place of the one that was there.
pub(crate) async fn change_owner(
    house: &Parts,
    before: Option<&Guarded>,
    after: Option<&Guarded>,
) -> Result<(), Refusal> {
    let _turn = turn(house).await?;
    let found = house.owner_file.read();
    if found.map_err(|cause| unplanned(&cause.in_one_line()))?.as_ref() != before {
        return Err(Refusal::of(
            "owner_changed",
            "owner.json was changed meanwhile",
            "look again; nothing was changed",
        ));
    }
    house.owner_file.plan(after).map_err(|cause| unplanned(&cause))?;
    crash::point("owner_planned");
    put_owner(house, after.map(mark_of)).await?;
    crash::point("owner_sealed");
    carry_out(house, after)
}

/// Carries out what was planned, if it was sealed.
pub(crate) async fn finish_change(house: &Parts) -> Result<(), Refusal> {
    let _turn = turn(house).await?;
    let (Some(sealed), Some(planned)) = (sealed_owner(house).await?, house.owner_file.planned()) else {
        return Ok(());
    };
    match sealed == planned.as_ref().map(mark_of) {
        true => carry_out(house, planned.as_ref()),
        false => Ok(()),
    }
}

fn carry_out(house: &Parts, after: Option<&Guarded>) -> Result<(), Refusal> {
    let written = match after {
        Some(guarded) => house.owner_file.write(guarded),
        None => house.owner_file.remove(),
    };
    written.map_err(|cause| unfinished(&cause))?;
    crash::point("owner_written");
    if let Err(cause) = house.owner_file.forget_plan() {
        tracing::warn!("owner.next.json could not be removed, and does no harm: {cause}");
    }
    crash::point("owner_changed");
    Ok(())
}

async fn turn(house: &Parts) -> Result<File, Refusal> {
    let file = house.owner_file.clone();
    let taken = tokio::task::spawn_blocking(move || file.take_turn()).await;
    taken.map_err(|cause| unplanned(&cause))?.map_err(|cause| unplanned(&cause))
}

fn unplanned(cause: &dyn std::fmt::Display) -> Refusal {
    Refusal::of("not_written", format!("owner.json could not be changed: {cause}"), "nothing was changed")
}

fn unfinished(cause: &dyn std::fmt::Display) -> Refusal {
    let message = format!("it counts from now on, and owner.json could not be written: {cause}");
    Refusal::of("not_written", message, "free the disk; the next command or payment writes it")
}
