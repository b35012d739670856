//! The lever on an account's own picture.

use crate::Phone;
use crate::groups::Refusal;
use crate::pictures::{self, Form, NewPicture, Owner};
use crate::state::{AccountId, State};

impl Phone {
    /// Gives the account this picture, a JPEG, and tells its devices and everybody who shares a group with it.
    ///
    /// # Panics
    /// If there is no such account, or this is no JPEG.
    pub fn sets_picture(&self, jpeg: &[u8]) {
        let full = jpeg.to_vec().into();
        self.changes_picture(Some(NewPicture { full, preview: None }));
    }

    /// Takes the account's picture away, if it has one.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn removes_picture(&self) {
        self.changes_picture(None);
    }

    /// The account's picture.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn picture(&self) -> Option<Vec<u8>> {
        let (state, account) = self.known();
        let picture = state.pictures.of(&Owner::Account(account));
        picture.map(|picture| picture.bytes(Form::Full).into())
    }

    fn changes_picture(&self, new: Option<NewPicture>) {
        let (mut state, account) = self.known();
        if let Err(refusal) = set_picture(&mut state, account, &Owner::Account(account), new) {
            drop(state);
            panic!("the picture of `{}`: {} {refusal}", self.name, refusal.code());
        }
    }
}

/// Sets or removes a picture in the name of an account, and tells who is to hear of it.
pub(crate) fn set_picture(
    state: &mut State,
    author: AccountId,
    owner: &Owner,
    new: Option<NewPicture>,
) -> Result<(), Refusal> {
    let (_, pushes) = pictures::change(state, author, None, owner, new)?;
    state.push_all(pushes);
    Ok(())
}
