//! A disk in memory that can be full, and of which every write is remembered.

use std::{
    io::{self, ErrorKind},
    sync::{Arc, Mutex},
};

use redb::StorageBackend;

use super::*;

/// What was done to the disk.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Length(usize),
    Write(usize, Vec<u8>),
    Sync,
}

impl Action {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(at, data) => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
            Self::Sync => {}
        }
    }
}

/// The disk; what opens it anew finds what was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Medium(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    bytes: Mutex<Vec<u8>>,
    actions: Mutex<Vec<Action>>,
    /// Where the last byte may be written; none: anywhere.
    end: Mutex<Option<usize>>,
}

impl Medium {
    /// One that holds these bytes.
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Parts { bytes: Mutex::new(bytes), ..Parts::default() }))
    }

    /// Leaves no room beyond what was written so far. As on a real disk, what is there can be written over.
    pub(super) fn fill_up(&self) {
        let end = |action: &Action| match action {
            Action::Write(at, data) => at + data.len(),
            _ => 0,
        };
        let used = self.0.actions.lock().unwrap().iter().map(end).max();
        *self.0.end.lock().unwrap() = used;
    }

    /// Takes no write at all any more.
    pub(super) fn break_down(&self) {
        *self.0.end.lock().unwrap() = Some(0);
    }

    /// Takes writes again.
    pub(super) fn make_room(&self) {
        *self.0.end.lock().unwrap() = None;
    }

    /// How much was done to it.
    pub(super) fn actions(&self) -> usize {
        self.0.actions.lock().unwrap().len()
    }

    /// All that was done to it.
    pub(super) fn history(&self) -> Vec<Action> {
        self.0.actions.lock().unwrap().clone()
    }

    /// Changes what it holds, behind everybody's back.
    pub(super) fn change(&self, work: impl FnOnce(&mut Vec<u8>)) {
        work(&mut self.0.bytes.lock().unwrap());
    }

    /// A store on it, with so much memory for pages.
    pub(super) fn store(&self, cache: usize, patience: Patience) -> Result<Store> {
        let medium = self.clone();
        let open = move || {
            let database =
                Builder::new().set_cache_size(cache).create_with_backend(medium.clone())?;
            schema::bring_up_to_date(&database)?;
            Ok(database)
        };
        Store::start(open()?, Vault::plain(), Box::new(open), Path::new("medium"), patience)
    }

    fn act(&self, action: Action) {
        action.apply(&mut self.0.bytes.lock().unwrap());
        self.0.actions.lock().unwrap().push(action);
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Medium {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let bytes = self.0.bytes.lock().unwrap();
        let found = bytes.get(place(offset)..place(offset) + out.len());
        let found = found.ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        self.act(Action::Length(place(length)));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.act(Action::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let end = place(offset) + data.len();
        if self.0.end.lock().unwrap().is_some_and(|last| end > last) {
            return Err(ErrorKind::StorageFull.into());
        }
        self.act(Action::Write(place(offset), data.to_vec()));
        Ok(())
    }
}
