//! The list of an account's devices, signed by its phone once for each change.

use base64::Engine;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::form::bytes;
use crate::state::Account;

/// What the phone last signed.
#[derive(Serialize, Deserialize)]
pub(crate) struct SignedList {
    /// When, in epoch seconds.
    pub(crate) at: i64,
    /// An `ADVSignedKeyIndexList`: whatsapp-rust `usync.rs` skips an account whose companions come without it.
    #[serde(with = "bytes")]
    pub(crate) signed: Vec<u8>,
    /// Names this list: a client that has it is not told again (whatsapp-rust `usync.rs`, `device_hash`). Clients only
    /// compare it, so what it is made of is the server's own affair; the form is that of a participant hash.
    pub(crate) hash: String,
}

impl Account {
    /// The signed list. The phone signs it when it is asked for the first time after a change.
    pub(crate) fn device_list(&mut self, now: i64) -> &SignedList {
        let list = self.list.take().unwrap_or_else(|| self.sign_list(now));
        self.list.insert(list)
    }

    /// The devices have changed: the list has to be signed again.
    pub(crate) fn relist(&mut self) {
        self.list = None;
    }

    fn sign_list(&self, now: i64) -> SignedList {
        let indexes: Vec<u32> = self.devices.iter().map(|linked| linked.key_index).collect();
        let mut hash = Sha256::new_with_prefix(self.keys.raw_id.to_be_bytes());
        for device in &self.devices {
            hash.update(device.id.to_be_bytes());
            hash.update(device.key_index.to_be_bytes());
        }
        let short = &hash.finalize()[..6];
        SignedList {
            at: now,
            signed: self.keys.key_index_list(self.key_index, &indexes, now),
            hash: format!("2:{}", base64::prelude::BASE64_STANDARD_NO_PAD.encode(short)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::phone::Keys;
    use crate::random::Stream;
    use crate::state::{Device, State};

    #[test]
    fn a_list_is_signed_once_and_its_hash_names_devices_and_identity() {
        let mut state = State::default();
        let id = state.accounts.add("shop").expect("a free name");
        let account = state.accounts.get_mut(id).expect("just made");
        let (signed, alone) =
            (account.device_list(7).signed.clone(), account.device_list(7).hash.clone());
        assert_eq!(account.device_list(7).signed, signed);

        account.devices.push(Device::new(1, 1, 7));
        assert_eq!(account.device_list(7).hash, alone);
        account.relist();
        let first = account.device_list(7).hash.clone();
        account.devices[0].key_index = 2;
        account.relist();
        let again = account.device_list(7).hash.clone();
        account.devices.clear();
        account.keys = Keys::generate(&mut Stream::default());
        account.relist();
        let anew = account.device_list(7).hash.clone();
        assert!([&first, &again, &anew].iter().all(|hash| **hash != alone && hash.len() == 10));
        assert!(first != again && again != anew);
    }
}
