//! The files, by their content: the newest are kept, as many bytes of them as there is room for.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kind::Kind;
use super::seal::Seals;
use crate::random::Source;
use crate::state::AccountId;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of all files together; the oldest go first.
    pub(crate) room: usize,
    /// Bytes of one upload.
    pub(crate) largest: usize,
}

/// None: until they are set, a phone that goes on after a restart keeps files, and nothing is dropped for them.
impl Default for Limits {
    fn default() -> Self {
        Self { room: usize::MAX, largest: usize::MAX }
    }
}

/// A file as messages and other stanzas name it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMedia {
    /// What follows the host in its address, the signature included.
    pub direct_path: String,
    /// The whole address.
    pub url: String,
    /// SHA-256 of the bytes as they are stored: of the ciphertext, if they are sealed.
    pub sha256: [u8; 32],
}

/// What identifies a file: its type and the SHA-256 of its bytes.
pub(crate) type Content = (Kind, [u8; 32]);

/// A file that can be fetched.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) sha256: [u8; 32],
    pub(super) bytes: Bytes,
}

/// Why a file cannot be fetched.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// There never was one at this path.
    Unknown,
    /// The path lacks the signature that it was given out with.
    Unsigned,
    /// It has expired, or was dropped for want of room.
    Gone,
}

/// How far an upload has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing is there.
    Nothing,
    /// So many bytes, the first ones.
    Part(usize),
    /// The whole file.
    Complete(StoredMedia),
}

#[derive(Serialize, Deserialize)]
struct File {
    content: Content,
    #[serde(skip)]
    bytes: Bytes,
    path: String,
    expired: bool,
}

/// Every file, and the beginnings of uploads that broke off.
#[derive(Serialize, Deserialize)]
pub(crate) struct Store {
    #[serde(skip)]
    host: String,
    #[serde(skip)]
    limits: Limits,
    seals: Seals,
    made: u64,
    /// Bytes of files and beginnings.
    #[serde(skip)]
    held: usize,
    /// By number: in the order in which they came.
    files: BTreeMap<u64, File>,
    #[serde(skip)]
    by_path: HashMap<String, u64>,
    /// Those that have not expired.
    #[serde(skip)]
    by_content: HashMap<Content, u64>,
    #[serde(skip)]
    begun: VecDeque<(Content, Vec<u8>)>,
    /// How many uploads went on where an earlier one had broken off.
    #[serde(skip)]
    pub(crate) resumed: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(Source::default())
    }
}

impl Store {
    /// A store that nobody reaches yet, without limits.
    pub(crate) fn new(source: Source) -> Self {
        Self {
            host: String::new(),
            limits: Limits::default(),
            seals: Seals::new(source.stream("media", b"")),
            made: 0,
            held: 0,
            files: BTreeMap::new(),
            by_path: HashMap::new(),
            by_content: HashMap::new(),
            begun: VecDeque::new(),
            resumed: 0,
        }
    }

    /// Opens the store to clients, at this host: a name or an address, and a port.
    pub(crate) fn open(&mut self, host: String, limits: Limits) {
        self.host = host;
        self.limits = limits;
    }

    /// Every file's bytes, by their SHA-256.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = ([u8; 32], Bytes)> {
        self.files.values().map(|file| (file.content.1, file.bytes.clone()))
    }

    /// Gives every file its bytes, in a store that was read without them.
    pub(crate) fn fill<E>(
        &mut self,
        mut read: impl FnMut([u8; 32]) -> Result<Bytes, E>,
    ) -> Result<(), E> {
        for (number, file) in &mut self.files {
            file.bytes = read(file.content.1)?;
            self.held += file.bytes.len();
            self.by_path.insert(file.path.clone(), *number);
            if !file.expired {
                self.by_content.insert(file.content, *number);
            }
        }
        Ok(())
    }

    /// Host and port that clients reach it at.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// How many files can be fetched.
    pub(crate) fn len(&self) -> usize {
        self.by_content.len()
    }

    /// Bytes that are held, those of expired files and of broken uploads among them.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Keeps a file and says where it is fetched; the same bytes of the same type are kept once. The bytes are
    /// hashed here, so large ones belong into [`Store::keep`].
    pub(crate) fn put(&mut self, kind: Kind, bytes: impl Into<Bytes>) -> StoredMedia {
        let bytes = bytes.into();
        let sha256 = Sha256::digest(&bytes).into();
        self.keep((kind, sha256), bytes)
    }

    /// Keeps a file whose hash is known.
    pub(crate) fn keep(&mut self, content: Content, bytes: Bytes) -> StoredMedia {
        if let Some(number) = self.by_content.get(&content)
            && let Some(file) = self.files.get(number)
        {
            return self.stored(file);
        }
        self.made += 1;
        let number = self.made;
        let nonce = self.seals.nonce();
        let path = format!("{}/{number}_{nonce}_n.enc", content.0.shelf());
        let file = File { content, bytes, path: path.clone(), expired: false };
        let stored = self.stored(&file);
        self.held += file.bytes.len();
        self.files.insert(number, file);
        self.by_path.insert(path, number);
        self.by_content.insert(content, number);
        self.make_room();
        stored
    }

    /// The file at this path, for who has its signature.
    pub(super) fn find(&self, path: &str, signature: &str) -> Result<Found, Missing> {
        let signed = self.seals.sign(path) == signature;
        match self.by_path.get(path).and_then(|number| self.files.get(number)) {
            Some(_) if !signed => Err(Missing::Unsigned),
            Some(file) if !file.expired => {
                let (kind, sha256) = file.content;
                Ok(Found { kind, sha256, bytes: file.bytes.clone() })
            }
            // Only this store has signed it, so there was a file.
            _ if signed => Err(Missing::Gone),
            _ => Err(Missing::Unknown),
        }
    }

    /// The bytes of a file, expired or not, by its direct path.
    pub(crate) fn read(&self, direct_path: &str) -> Option<Bytes> {
        let number = self.by_direct_path(direct_path)?;
        self.files.get(&number).map(|file| file.bytes.clone())
    }

    /// Whether the file at this direct path can be fetched.
    pub(crate) fn has(&self, direct_path: &str) -> bool {
        let number = self.by_direct_path(direct_path);
        number.and_then(|number| self.files.get(&number)).is_some_and(|file| !file.expired)
    }

    /// Ends a file's time: it is gone for who fetches it. Its bytes are kept while there is room, for
    /// [`Store::restore`]. Says whether there was such a file.
    pub(crate) fn expire(&mut self, direct_path: &str) -> bool {
        let Some(number) = self.by_direct_path(direct_path) else { return false };
        let Some(file) = self.files.get_mut(&number) else { return false };
        file.expired = true;
        // The same bytes may be there once more, at another path.
        if self.by_content.get(&file.content) == Some(&number) {
            self.by_content.remove(&file.content);
        }
        true
    }

    /// Uploads an expired file once more, as a phone does that is asked to: it has another path then. `None` if the
    /// bytes are not here any more.
    pub(crate) fn restore(&mut self, direct_path: &str) -> Option<StoredMedia> {
        let number = self.by_direct_path(direct_path)?;
        let file = self.files.get(&number)?;
        let (content, bytes) = (file.content, file.bytes.clone());
        Some(self.keep(content, bytes))
    }

    /// How far the upload of this content has come.
    pub(super) fn progress(&self, content: &Content) -> Progress {
        if let Some(file) = self.by_content.get(content).and_then(|number| self.files.get(number)) {
            return Progress::Complete(self.stored(file));
        }
        let begun = self.begun.iter().find(|(known, _)| known == content);
        begun.map_or(Progress::Nothing, |(_, bytes)| Progress::Part(bytes.len()))
    }

    /// Takes the first `offset` bytes of an upload that broke off; `None` if fewer are here.
    pub(super) fn resume(&mut self, content: &Content, offset: usize) -> Option<Vec<u8>> {
        let begun = |(known, bytes): &(Content, Vec<u8>)| known == content && bytes.len() >= offset;
        let position = self.begun.iter().position(begun)?;
        let (_, mut bytes) = self.begun.remove(position)?;
        self.held -= bytes.len();
        bytes.truncate(offset);
        self.resumed += 1;
        Some(bytes)
    }

    /// Keeps what came of an upload before it broke off.
    pub(super) fn interrupt(&mut self, content: Content, bytes: Vec<u8>) {
        self.forget(&content);
        self.held += bytes.len();
        self.begun.push_back((content, bytes));
        self.make_room();
    }

    /// Forgets what came of an upload.
    pub(super) fn forget(&mut self, content: &Content) {
        let held = &mut self.held;
        self.begun.retain(|(known, bytes)| {
            let other = known != content;
            if !other {
                *held -= bytes.len();
            }
            other
        });
    }

    /// A new authorization for an account.
    pub(super) fn authorize(&mut self, account: AccountId, now: i64) -> String {
        self.seals.authorize(account, now)
    }

    /// Whose authorization this is, good or expired.
    pub(super) fn owner(&self, auth: &str) -> Option<AccountId> {
        self.seals.owner(auth)
    }

    /// Whether this authorization is good.
    pub(super) fn admits(&self, auth: &str, now: i64) -> bool {
        self.seals.admits(auth, now)
    }

    /// No authorization that was given so far is good any more.
    pub(crate) fn revoke(&mut self) {
        self.seals.revoke();
    }

    fn by_direct_path(&self, direct_path: &str) -> Option<u64> {
        let path = direct_path.split_once('?').map_or(direct_path, |(path, _)| path);
        self.by_path.get(path).copied()
    }

    /// whatsmeow `download.go` joins its own parameters with `&`: a direct path has some already.
    fn stored(&self, file: &File) -> StoredMedia {
        let signature = self.seals.sign(&file.path);
        let direct_path = format!("{}?ccb=11-4&oh={signature}", file.path);
        let url = format!("https://{}{direct_path}&mms3=true", self.host);
        StoredMedia { direct_path, url, sha256: file.content.1 }
    }

    /// Drops beginnings, then the oldest files; the newest file stays whatever its size.
    fn make_room(&mut self) {
        while self.held > self.limits.room {
            if let Some((_, bytes)) = self.begun.pop_front() {
                self.held -= bytes.len();
            } else if self.files.len() > 1
                && let Some((number, file)) = self.files.pop_first()
            {
                self.held -= file.bytes.len();
                self.by_path.remove(&file.path);
                if self.by_content.get(&file.content) == Some(&number) {
                    self.by_content.remove(&file.content);
                }
            } else {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
