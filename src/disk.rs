//! The room on the disk of the data: measured now and then, so that what would make the store grow is refused before the
//! disk is full. Reads and running sessions go on.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::MissedTickBehavior;

use crate::{config, error::ApiError, server};

/// How often the room is measured.
const RHYTHM: Duration = Duration::from_secs(5);
/// What stands for a figure that is not known.
const UNKNOWN: u64 = u64::MAX;

/// How the disk is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is enough.
    Ample,
    /// It is time to do something.
    Low,
    /// Nothing new is taken.
    Exhausted,
}

impl Room {
    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ample => "ample",
            Self::Low => "low",
            Self::Exhausted => "exhausted",
        }
    }
}

/// What is known of the disk; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Known>);

#[derive(Debug)]
struct Known {
    limits: config::Disk,
    free: AtomicU64,
    store: AtomicU64,
}

impl Disk {
    /// Nothing is known yet, so there is room.
    pub(crate) fn new(limits: config::Disk) -> Self {
        Self(Arc::new(Known {
            limits,
            free: AtomicU64::new(UNKNOWN),
            store: AtomicU64::new(UNKNOWN),
        }))
    }

    /// Bytes that are free, once that is known.
    pub(crate) fn free(&self) -> Option<u64> {
        known(&self.0.free)
    }

    /// Bytes of the store's file, once that is known.
    pub(crate) fn store(&self) -> Option<u64> {
        known(&self.0.store)
    }

    /// How the disk was doing when it was last measured.
    pub(crate) fn room(&self) -> Room {
        let limits = self.0.limits;
        match self.free() {
            Some(free) if free < limits.disk_refuse => Room::Exhausted,
            Some(free) if free < limits.disk_warn => Room::Low,
            _ => Room::Ample,
        }
    }

    /// Lets through what makes the store grow, while there is room for it.
    pub(crate) fn admit(&self) -> Result<(), ApiError> {
        match self.room() {
            Room::Ample | Room::Low => Ok(()),
            Room::Exhausted => Err(ApiError::no_room(RHYTHM)),
        }
    }

    /// Measures once.
    pub(crate) fn measure(&self, data: &Path) {
        let before = self.room();
        match rustix::fs::statvfs(data) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                self.0.free.store(free, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::warn!(
                    "the room on the disk of `{}` is not known: {error}",
                    data.display()
                );
                self.0.free.store(UNKNOWN, Ordering::Relaxed);
            }
        }
        let size = std::fs::metadata(server::store_in(data)).map_or(UNKNOWN, |file| file.len());
        self.0.store.store(size, Ordering::Relaxed);
        let (now, free) = (self.room(), self.free().unwrap_or_default());
        if now == before {
            return;
        }
        let (data, refuse) = (data.display(), self.0.limits.disk_refuse);
        match now {
            Room::Ample => tracing::info!("the disk of `{data}` has room again: {free} bytes free"),
            Room::Low => tracing::warn!(
                "the disk of `{data}` is filling up: {free} bytes free; below {refuse} nothing new is taken"
            ),
            Room::Exhausted => tracing::error!(
                "the disk of `{data}` is nearly full: {free} bytes free, so nothing new is taken until there are {refuse}"
            ),
        }
    }

    /// Measures for as long as it is polled.
    pub(crate) async fn watch(&self, data: &Path) {
        let mut rhythm = tokio::time::interval(RHYTHM);
        rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rhythm.tick().await;
            let (disk, data): (Self, PathBuf) = (self.clone(), data.to_owned());
            // A disk may be one of the network's.
            if tokio::task::spawn_blocking(move || disk.measure(&data)).await.is_err() {
                tracing::error!("the room on the disk could not be measured");
            }
        }
    }
}

fn known(figure: &AtomicU64) -> Option<u64> {
    let figure = figure.load(Ordering::Relaxed);
    (figure != UNKNOWN).then_some(figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_the_thresholds_make_of_what_is_free() {
        let folder = tempfile::tempdir().unwrap();
        for (disk_warn, disk_refuse, room) in
            [(0, 0, Room::Ample), (u64::MAX, 0, Room::Low), (u64::MAX, u64::MAX, Room::Exhausted)]
        {
            let disk = Disk::new(config::Disk { disk_warn, disk_refuse });
            assert_eq!((disk.room(), disk.free()), (Room::Ample, None));
            disk.measure(folder.path());
            assert_eq!(disk.room(), room);
            assert_eq!(disk.admit().is_err(), room == Room::Exhausted);
            assert!(disk.free().is_some() && disk.store().is_none());
        }
    }
}
