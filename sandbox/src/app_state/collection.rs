//! One collection: its newest patches, and what the older ones have come to.

use std::collections::{BTreeMap, VecDeque};

use buffa::{DecodeError, Message as _, MessageField};
use serde::{Deserialize, Serialize};
use wacore::download::MediaType;
use waproto::whatsapp::{
    ExternalBlobReference, KeyId, SyncdMutations, SyncdPatch, SyncdRecord, SyncdSnapshot,
    SyncdVersion,
};

use super::patch;
use super::stanza::Page;
use crate::blob::{self, Blob};
use crate::data::form::bytes;
use crate::media::Store;

/// Patches that are kept apart; beyond that the oldest are folded.
const KEPT: usize = 200;

/// Patches in one answer. A device that begins anew gets a snapshot if there are more.
const PAGED: usize = 20;

/// Bytes that a patch may have to be in the answer itself; the mutations of a larger one are in a file.
const INLINE: usize = 64 * 1024;

/// The patches of one collection; the version is how many were ever taken.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Collection {
    pub(super) version: u64,
    folded: Fold,
    /// Those after the folded ones, oldest first.
    patches: VecDeque<Patch>,
    snapshot: Option<(u64, Blob)>,
}

/// A patch as it is handed out.
#[derive(Debug, Serialize, Deserialize)]
struct Patch {
    #[serde(with = "bytes")]
    bytes: Vec<u8>,
    /// Where its mutations are, if it is large.
    file: Option<Blob>,
}

/// What all patches up to a version have come to: the records that are there, by the code of their index. The code of
/// the whole and the key that it was made with are those of the last patch, so nobody needs the key to fold
/// (wacore-appstate `hash.rs`: both are `generate_snapshot_mac`).
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(try_from = "Bytes", into = "Bytes")]
struct Fold {
    version: u64,
    records: BTreeMap<Vec<u8>, SyncdRecord>,
    code: Option<Vec<u8>>,
    key: MessageField<KeyId>,
}

/// A fold as it is kept: the snapshot that it would be.
#[derive(Serialize, Deserialize)]
struct Bytes(#[serde(with = "bytes")] Vec<u8>);

impl From<Fold> for Bytes {
    fn from(fold: Fold) -> Self {
        Self(fold.snapshot().encode_to_vec())
    }
}

impl TryFrom<Bytes> for Fold {
    type Error = DecodeError;

    fn try_from(Bytes(bytes): Bytes) -> Result<Self, DecodeError> {
        let snapshot = SyncdSnapshot::decode_from_slice(&bytes)?;
        let index = |record: &SyncdRecord| record.index.as_option()?.blob.clone();
        let records =
            snapshot.records.into_iter().filter_map(|record| Some((index(&record)?, record)));
        Ok(Self {
            version: snapshot.version.as_option().and_then(|it| it.version).unwrap_or_default(),
            records: records.collect(),
            code: snapshot.mac,
            key: snapshot.key_id,
        })
    }
}

impl Fold {
    fn add(&mut self, bytes: &[u8]) {
        self.version += 1;
        // It was read when it was taken.
        let Ok(patch) = SyncdPatch::decode_from_slice(bytes) else { return };
        for mutation in patch.mutations.iter().filter(|mutation| patch::removes(mutation)) {
            patch::index(mutation).map(|index| self.records.remove(index));
        }
        // A record that is removed and set in one patch is there afterwards (wacore-appstate `hash.rs`, `update_hash`).
        for mutation in patch.mutations.iter().filter(|mutation| !patch::removes(mutation)) {
            let record = mutation.record.as_option().cloned();
            if let (Some(index), Some(record)) = (patch::index(mutation), record) {
                self.records.insert(index.to_vec(), record);
            }
        }
        self.code = patch.snapshot_mac;
        self.key = patch.key_id;
    }

    fn snapshot(self) -> SyncdSnapshot {
        SyncdSnapshot {
            version: MessageField::some(SyncdVersion { version: Some(self.version) }),
            records: self.records.into_values().collect(),
            mac: self.code,
            key_id: self.key,
        }
    }
}

impl Collection {
    /// Adds a patch that has been read.
    pub(super) fn append(&mut self, patch: &SyncdPatch) {
        self.version += 1;
        self.patches.push_back(Patch { bytes: patch.encode_to_vec(), file: None });
        if self.patches.len() > KEPT {
            self.fold();
        }
    }

    /// Folds every patch; says how many there were.
    pub(super) fn fold_all(&mut self) -> usize {
        let count = self.patches.len();
        (0..count).for_each(|_| self.fold());
        count
    }

    /// What a device lacks that has version `at`: patches, or a snapshot if those are folded, or if it begins anew and
    /// there are many.
    pub(super) fn page(&mut self, at: u64, anew: bool, media: &mut Store) -> Page {
        let lacks = self.version.saturating_sub(at);
        if at < self.folded.version || (anew && lacks > PAGED as u64) {
            let snapshot = Some(self.snapshot(media));
            return Page { version: self.version, snapshot, ..Page::default() };
        }
        let known = usize::try_from(at - self.folded.version).unwrap_or(usize::MAX);
        let patches = self.patches.iter_mut().skip(known).take(PAGED);
        let patches: Vec<Vec<u8>> = patches.map(|patch| patch.handed_out(media)).collect();
        let more = lacks > patches.len() as u64;
        Page { version: self.version, snapshot: None, patches, more }
    }

    fn fold(&mut self) {
        if let Some(patch) = self.patches.pop_front() {
            self.folded.add(&patch.bytes);
        }
    }

    /// A reference to the newest snapshot, which is made if there is none of this version.
    fn snapshot(&mut self, media: &mut Store) -> Vec<u8> {
        if let Some((version, blob)) = &self.snapshot
            && *version == self.version
            && blob.is_in(media)
        {
            return reference(blob).encode_to_vec();
        }
        let mut fold = self.folded.clone();
        self.patches.iter().for_each(|patch| fold.add(&patch.bytes));
        let blob = blob::put(media, MediaType::AppState, &fold.snapshot().encode_to_vec());
        let bytes = reference(&blob).encode_to_vec();
        self.snapshot = Some((self.version, blob));
        bytes
    }
}

impl Patch {
    /// The patch, with its mutations in a file if they are large.
    fn handed_out(&mut self, media: &mut Store) -> Vec<u8> {
        if self.bytes.len() <= INLINE {
            return self.bytes.clone();
        }
        let Ok(mut patch) = SyncdPatch::decode_from_slice(&self.bytes) else {
            return self.bytes.clone();
        };
        let mutations = SyncdMutations { mutations: std::mem::take(&mut patch.mutations) };
        if self.file.as_ref().is_none_or(|file| !file.is_in(media)) {
            let bytes = mutations.encode_to_vec();
            self.file = Some(blob::put(media, MediaType::AppState, &bytes));
        }
        patch.external_mutations = self.file.as_ref().map(reference).into();
        patch.encode_to_vec()
    }
}

fn reference(blob: &Blob) -> ExternalBlobReference {
    ExternalBlobReference {
        media_key: Some(blob.media_key.to_vec()),
        direct_path: Some(blob.direct_path.clone()),
        handle: None,
        file_size_bytes: Some(blob.length),
        file_sha256: Some(blob.sha256.to_vec()),
        file_enc_sha256: Some(blob.sealed_sha256.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use waproto::whatsapp::syncd_mutation::SyncdOperation::{REMOVE, SET};

    use super::super::patch::tests::{mutation, patch as made};
    use super::*;
    use crate::media::{Limits, Store};

    fn store() -> Store {
        let mut store = Store::default();
        store.open("media.test".to_owned(), Limits { room: 1 << 20, largest: 1 << 20 });
        store
    }

    fn filled(count: u8) -> Collection {
        let mut collection = Collection::default();
        for number in 1..=count {
            collection.append(&made(vec![mutation(SET, number % 7, number)], number));
        }
        collection
    }

    /// Index, value and code of what a snapshot holds, by the byte that each is made of.
    fn opened(page: &Page, store: &Store) -> (Vec<(u8, u8)>, u8, u64) {
        let reference = page.snapshot.as_deref().expect("a snapshot");
        let reference = ExternalBlobReference::decode_from_slice(reference).expect("a reference");
        let file = blob::open(store, MediaType::AppState, &(&reference).into()).expect("a file");
        let snapshot = SyncdSnapshot::decode_from_slice(&file).expect("a snapshot");
        let byte =
            |bytes: &Option<Vec<u8>>| bytes.as_ref().and_then(|bytes| bytes.first().copied());
        let records = snapshot.records.iter().map(|record| {
            let index = byte(&record.index.as_option().expect("an index").blob);
            let value = byte(&record.value.as_option().expect("a value").blob);
            (index.expect("bytes"), value.expect("bytes"))
        });
        let version = snapshot.version.as_option().and_then(|version| version.version);
        (records.collect(), byte(&snapshot.mac).expect("a code"), version.expect("a version"))
    }

    #[test]
    fn patches_come_page_by_page() {
        let (mut collection, mut store) = (filled(25), store());
        let first = collection.page(0, false, &mut store);
        assert_eq!((first.patches.len(), first.more, first.version), (PAGED, true, 25));
        let rest = collection.page(20, false, &mut store);
        assert_eq!((rest.patches.len(), rest.more), (5, false));
        let none = collection.page(25, false, &mut store);
        assert!(none.patches.is_empty() && !none.more && none.snapshot.is_none());
        assert!(collection.page(99, false, &mut store).patches.is_empty());
    }

    #[test]
    fn who_begins_anew_gets_a_snapshot_if_there_is_much() {
        let mut store = store();
        assert!(filled(20).page(0, true, &mut store).snapshot.is_none());
        let mut collection = filled(21);
        let page = collection.page(0, true, &mut store);
        assert!(page.patches.is_empty() && !page.more);
        let (records, code, version) = opened(&page, &store);
        let newest = (0..7).map(|index| (index, if index == 0 { 21 } else { 14 + index }));
        assert_eq!((records, code, version), (newest.collect(), 21, 21));
        assert_eq!(collection.page(0, true, &mut store).snapshot, page.snapshot, "made once");
    }

    #[test]
    fn folded_patches_are_gone_and_their_records_stay() {
        let (mut collection, mut store) = (filled(3), store());
        collection.append(&made(vec![mutation(REMOVE, 2, 9), mutation(SET, 8, 4)], 4));
        collection.append(&made(vec![mutation(SET, 3, 5), mutation(REMOVE, 3, 9)], 5));
        assert_eq!(collection.fold_all(), 5);
        let page = collection.page(4, false, &mut store);
        assert_eq!(opened(&page, &store), (vec![(1, 1), (3, 5), (8, 4)], 5, 5));
        assert!(collection.page(5, false, &mut store).snapshot.is_none());
        for _ in 0..=KEPT {
            collection.append(&made(vec![mutation(SET, 1, 1)], 1));
        }
        assert_eq!((collection.patches.len(), collection.folded.version), (KEPT, 6));
    }

    #[test]
    fn a_snapshot_that_the_media_have_lost_is_made_again() {
        let mut collection = filled(1);
        collection.fold_all();
        let mut media = store();
        let lost = collection.page(0, true, &mut media);
        let mut media = store();
        let again = collection.page(0, true, &mut media);
        assert_ne!(lost.snapshot, again.snapshot);
        assert_eq!(opened(&again, &media).0, [(1, 1)]);
    }

    #[test]
    fn the_mutations_of_a_large_patch_are_in_a_file() {
        let mut store = store();
        let mut collection = Collection::default();
        let many: Vec<_> = (0..=255).map(|index| mutation(SET, index, 1)).collect();
        let many: Vec<_> = many.iter().cycle().take(600).cloned().collect();
        collection.append(&made(many.clone(), 1));
        let page = collection.page(0, false, &mut store);
        let patch = SyncdPatch::decode_from_slice(&page.patches[0]).expect("a patch");
        let reference = patch.external_mutations.as_option().expect("a reference");
        assert!(patch.mutations.is_empty());
        let file = blob::open(&store, MediaType::AppState, &reference.into()).expect("a file");
        let mutations = SyncdMutations::decode_from_slice(&file).expect("mutations");
        assert_eq!(mutations.mutations, many);
        let whole = patch::read(&page.patches[0], 1, &store).expect("as it was uploaded");
        assert_eq!(whole.mutations, many);
    }
}
