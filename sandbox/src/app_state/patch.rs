//! What a device uploads: a `SyncdPatch`, whose records the server cannot read.

use buffa::{Message as _, MessageField};
use wacore::download::MediaType;
use waproto::whatsapp::{
    SyncdMutation, SyncdMutations, SyncdPatch, SyncdVersion, syncd_mutation::SyncdOperation,
};

use super::Refusal;
use crate::blob;
use crate::media::Store;

/// Bytes of a code (HMAC-SHA256).
const CODE: usize = 32;

/// The least that a value has: an initialization vector, one block, and a code.
const VALUE: usize = 16 + 16 + CODE;

/// Reads a patch that becomes this version of its collection, and writes the version into it: devices leave it out
/// (wacore `appstate_sync.rs`, `build_patch`) and want it in what they get. Mutations in a file of their own are put in
/// place. Refused is what no device could apply.
pub(super) fn read(bytes: &[u8], version: u64, media: &Store) -> Result<SyncdPatch, Refusal> {
    let patch = SyncdPatch::decode_from_slice(bytes);
    let mut patch = patch.map_err(|_| Refusal::Invalid("it does not parse"))?;
    let claimed = patch.version.as_option().and_then(|version| version.version);
    if claimed.is_some_and(|claimed| claimed != version) {
        return Err(Refusal::Invalid("it claims another version"));
    }
    let coded = |code: &Option<Vec<u8>>| code.as_ref().is_some_and(|code| code.len() == CODE);
    if !coded(&patch.snapshot_mac) || !coded(&patch.patch_mac) {
        return Err(Refusal::Invalid("its codes are missing"));
    }
    if patch.key_id.as_option().is_none_or(|key| key.id.is_none()) {
        return Err(Refusal::Invalid("it names no key"));
    }
    if let Some(reference) = patch.external_mutations.as_option() {
        let file = blob::open(media, MediaType::AppState, &reference.into());
        let mutations = file.and_then(|file| SyncdMutations::decode_from_slice(&file).ok());
        let mutations = mutations.ok_or(Refusal::Invalid("its mutations are not to be had"))?;
        patch.mutations = mutations.mutations;
        patch.external_mutations = MessageField::none();
    }
    if patch.mutations.is_empty() {
        return Err(Refusal::Invalid("it changes nothing"));
    }
    if !patch.mutations.iter().all(is_whole) {
        return Err(Refusal::Invalid("one of its mutations is broken"));
    }
    patch.version = MessageField::some(SyncdVersion { version: Some(version) });
    Ok(patch)
}

/// Whether a mutation removes something.
pub(super) fn removes(mutation: &SyncdMutation) -> bool {
    mutation.operation.is_some_and(|operation| operation == SyncdOperation::REMOVE)
}

/// The code of the index, by which records are told apart.
pub(super) fn index(mutation: &SyncdMutation) -> Option<&[u8]> {
    mutation.record.as_option()?.index.as_option()?.blob.as_deref()
}

fn is_whole(mutation: &SyncdMutation) -> bool {
    let known = mutation.operation.is_none_or(|operation| operation.as_known().is_some());
    let Some(record) = mutation.record.as_option() else { return false };
    let value = record.value.as_option().and_then(|value| value.blob.as_ref());
    known
        && index(mutation).is_some_and(|index| index.len() == CODE)
        && value.is_some_and(|value| value.len() >= VALUE)
        && record.key_id.as_option().is_some_and(|key| key.id.is_some())
}

#[cfg(test)]
pub(super) mod tests {
    use waproto::whatsapp::{ExternalBlobReference, KeyId, SyncdIndex, SyncdRecord, SyncdValue};

    use super::*;

    /// A mutation of the record with this index, whose value and its code are made of one byte.
    pub(in super::super) fn mutation(
        operation: SyncdOperation,
        index: u8,
        value: u8,
    ) -> SyncdMutation {
        let record = SyncdRecord {
            index: MessageField::some(SyncdIndex { blob: Some(vec![index; CODE]) }),
            value: MessageField::some(SyncdValue { blob: Some(vec![value; VALUE]) }),
            key_id: MessageField::some(KeyId { id: Some(vec![1; 6]) }),
        };
        SyncdMutation { operation: Some(operation.into()), record: MessageField::some(record) }
    }

    /// A patch as a device makes it; the code of the whole collection is made of one byte.
    pub(in super::super) fn patch(mutations: Vec<SyncdMutation>, code: u8) -> SyncdPatch {
        SyncdPatch {
            mutations,
            snapshot_mac: Some(vec![code; CODE]),
            patch_mac: Some(vec![code; CODE]),
            key_id: MessageField::some(KeyId { id: Some(vec![1; 6]) }),
            ..Default::default()
        }
    }

    fn sets() -> SyncdPatch {
        patch(vec![mutation(SyncdOperation::SET, 1, 2)], 3)
    }

    fn read_it(patch: &SyncdPatch) -> Result<SyncdPatch, Refusal> {
        read(&patch.encode_to_vec(), 5, &Store::default())
    }

    #[test]
    fn a_patch_is_stamped_with_its_version() {
        let read = read_it(&sets()).expect("a good patch");
        assert_eq!(read.version.as_option().and_then(|version| version.version), Some(5));
        assert_eq!(read.mutations, sets().mutations);
    }

    #[test]
    fn what_no_device_could_apply_is_refused() {
        let mut cases = Vec::new();
        let mut case = |change: fn(&mut SyncdPatch)| {
            let mut patch = sets();
            change(&mut patch);
            cases.push(patch);
        };
        case(|patch| patch.mutations.clear());
        case(|patch| patch.snapshot_mac = None);
        case(|patch| patch.patch_mac = Some(vec![0; 31]));
        case(|patch| patch.key_id = MessageField::none());
        case(|patch| {
            patch.version = MessageField::some(SyncdVersion { version: Some(4) });
        });
        case(|patch| {
            patch.external_mutations = MessageField::some(ExternalBlobReference::default());
        });
        case(|patch| patch.mutations[0].record = MessageField::none());
        case(|patch| {
            let record = patch.mutations[0].record.as_option_mut().expect("a record");
            record.value = MessageField::some(SyncdValue { blob: Some(vec![0; VALUE - 1]) });
        });
        for patch in cases {
            assert!(matches!(read_it(&patch), Err(Refusal::Invalid(_))), "{patch:?}");
        }
        let garbage = read(b"\xFF\xFF", 5, &Store::default());
        assert!(matches!(garbage, Err(Refusal::Invalid(_))));
    }
}
