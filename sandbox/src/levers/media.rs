//! The levers of the media: files that are there or expire, and the authorization for them.

use crate::media::Kind;
use crate::state;
use crate::{Sandbox, StoredMedia};

impl Sandbox {
    /// The address of the media host, without a slash at the end; it is always `https://`.
    pub fn media_url(&self) -> String {
        format!("https://{}", state::lock(self.state()).media.host())
    }

    /// Stores a file as if somebody had uploaded it; whoever knows the direct path can fetch it. Types are those of
    /// clients: `image`, `video`, `audio`, `document`, `sticker`, `md-app-state`, `md-msg-hist`, `ppic` and others.
    ///
    /// # Panics
    /// If there is no such type.
    pub fn stores_media(&self, kind: &str, bytes: &[u8]) -> StoredMedia {
        let kind = Kind::named(kind).unwrap_or_else(|| {
            panic!("there is no type of media `{kind}`: it is one of {:?}", Kind::NAMES)
        });
        state::lock(self.state()).media.put(kind, bytes.to_vec())
    }

    /// The bytes of a file as they are stored, expired or not; `None` if there is no such file (any more).
    pub fn media(&self, direct_path: &str) -> Option<Vec<u8>> {
        state::lock(self.state()).media.read(direct_path).map(Into::into)
    }

    /// How many files can be fetched.
    pub fn media_files(&self) -> usize {
        state::lock(self.state()).media.len()
    }

    /// How many uploads went on where an earlier one had broken off.
    pub fn resumed_uploads(&self) -> u64 {
        state::lock(self.state()).media.resumed
    }

    /// Ends a file's time: who fetches it gets 410. Says whether there was such a file.
    pub fn expires_media(&self, direct_path: &str) -> bool {
        state::lock(self.state()).media.expire(direct_path)
    }

    /// Stores an expired file once more, as a phone does that is asked for it: under another path. `None` if its bytes
    /// are not here any more.
    pub fn restores_media(&self, direct_path: &str) -> Option<StoredMedia> {
        state::lock(self.state()).media.restore(direct_path)
    }

    /// Ends every authorization that clients have for the media: whoever uses one gets 401 and has to ask for another.
    pub fn expires_media_auth(&self) {
        state::lock(self.state()).media.revoke();
    }
}
