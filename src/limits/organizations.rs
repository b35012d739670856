//! How many requests of each organization are under way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use dashmap::DashMap;

use crate::error::ApiError;

/// From how many organizations on it is looked which of them are idle.
const FEW: usize = 1_024;

/// Places for requests, as many for each organization.
#[derive(Debug)]
pub(crate) struct Organizations {
    most: usize,
    /// What is under way of each that was seen. Idle ones stay for a while: making an entry costs more than finding it.
    under_way: DashMap<String, Arc<AtomicUsize>>,
    /// How many entries there may be before the idle ones go.
    room: AtomicUsize,
}

impl Organizations {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, under_way: DashMap::new(), room: AtomicUsize::new(FEW) }
    }

    /// A place for a request of the organization, kept until it is dropped.
    ///
    /// # Errors
    /// 503 when too many of its requests are under way.
    pub(crate) fn enter(&self, organization: &str) -> Result<Place, ApiError> {
        let place = Place(self.count(organization));
        if place.0.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(ApiError::overloaded(
                "too many requests of this organization are under way",
            ));
        }
        Ok(place)
    }

    fn count(&self, organization: &str) -> Arc<AtomicUsize> {
        if let Some(count) = self.under_way.get(organization) {
            return Arc::clone(&count);
        }
        if self.under_way.len() >= self.room.load(Ordering::Relaxed) {
            // Nobody but the table holds the count of one that is idle, and its shard is locked meanwhile.
            self.under_way.retain(|_, count| Arc::strong_count(count) > 1);
            self.room.store((2 * self.under_way.len()).max(FEW), Ordering::Relaxed);
        }
        Arc::clone(&self.under_way.entry(organization.to_owned()).or_default())
    }
}

/// The place of a request.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_floods_is_refused_until_a_place_is_free_and_the_others_are_served() {
        let organizations = Organizations::new(3);
        let mut places: Vec<_> = (0..3).map(|_| organizations.enter("one").unwrap()).collect();
        assert!(organizations.enter("one").is_err() && organizations.enter("one").is_err());
        assert!(organizations.enter("two").is_ok());
        places.pop();
        let _place = organizations.enter("one").unwrap();
        assert!(organizations.enter("one").is_err());
    }

    #[test]
    fn idle_organizations_are_forgotten_and_busy_ones_are_not() {
        let organizations = Organizations::new(1);
        let _busy = organizations.enter("busy").unwrap();
        for number in 0..10 * FEW {
            drop(organizations.enter(&number.to_string()).unwrap());
        }
        assert!(organizations.under_way.len() <= FEW + 1);
        assert!(organizations.enter("busy").is_err());
    }
}
