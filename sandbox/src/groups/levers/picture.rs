//! The lever on a group's picture.

use wacore_binary::Jid;

use super::{GroupLever, spokesperson};
use crate::groups::Refusal;
use crate::levers;
use crate::pictures::{Form, NewPicture, Owner};
use crate::state::{self, Shared};

/// Sets or removes a group's picture in the name of `by`, or of its creator, under the rules that clients are under.
pub(crate) fn set_picture_as(
    shared: &Shared,
    gid: &Jid,
    by: Option<&str>,
    new: Option<NewPicture>,
) -> Result<(), Refusal> {
    let mut state = state::lock(shared);
    let group = state.groups.find(gid)?;
    let owner = Owner::Group(group.jid());
    let author = by.map_or_else(|| spokesperson(group).name, str::to_owned);
    let author = state.accounts.by_name(&author).ok_or(Refusal::Forbidden)?.id;
    levers::set_picture(&mut state, author, &owner, new)
}

impl GroupLever {
    /// Gives the group this picture, a JPEG.
    pub fn sets_picture(&self, jpeg: &[u8]) {
        let full = jpeg.to_vec().into();
        self.changes_picture(Some(NewPicture { full, preview: None }));
    }

    /// Takes the group's picture away, if it has one.
    pub fn removes_picture(&self) {
        self.changes_picture(None);
    }

    /// The group's picture.
    pub fn picture(&self) -> Option<Vec<u8>> {
        let state = state::lock(&self.shared);
        let picture = state.pictures.of(&Owner::Group(self.gid.clone()));
        picture.map(|picture| picture.bytes(Form::Full).into())
    }

    fn changes_picture(&self, new: Option<NewPicture>) {
        let changed = set_picture_as(&self.shared, &self.gid, self.author.as_deref(), new);
        if let Err(refusal) = changed {
            panic!("group `{}`: {} {refusal}", self.gid, refusal.code());
        }
    }
}
