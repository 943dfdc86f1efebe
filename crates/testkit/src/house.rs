//! A house with all its handles: what a test calls on it, it calls as its owner, or as the agent it names.

use std::ops::Deref;

use bursar::house::House;
use bursar::owner::Owner;

/// A house, as its owner has it.
#[derive(Clone)]
pub struct Open {
    house: House,
    owner: Owner,
}

impl From<House> for Open {
    fn from(house: House) -> Open {
        Open { owner: house.owner(), house }
    }
}

impl Deref for Open {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl Open {
    /// Leaves in peace.
    pub async fn drain(&self) {
        self.house.keeper().drain().await;
    }

    /// Shows questions on this from now on.
    pub fn house(&self) -> &House {
        &self.house
    }

    /// Whether anything beside this holds the house.
    pub fn is_held_elsewhere(&self) -> bool {
        self.house.handles() > 2
    }
}
