//! A group whose last admin has gone. The app makes a member admin then; reports differ on whom, so the server takes the
//! one who has been in the group for the longest.

use wacore_binary::Jid;

use crate::groups::change::{Change, Refusal};
use crate::groups::group::{Group, Member, Person};
use crate::groups::registry::{Groups, Notice};
use crate::journal::Journal;

impl Groups {
    /// Makes a change that is allowed, and somebody an admin if it leaves nobody who is one.
    pub(super) fn carry_out(
        &mut self,
        journal: &mut Journal,
        gid: &Jid,
        author: &Person,
        change: &Change,
        at_ms: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        let mut notices = vec![self.make(journal, gid, author, change, at_ms)?];
        if matches!(change, Change::Leave | Change::Remove(_))
            && let Some(successor) = successor(self.find(gid)?)
        {
            let rise = Change::Promote(vec![successor.person.name.clone()]);
            notices.push(self.make(journal, gid, author, &rise, at_ms)?);
        }
        Ok(notices)
    }
}

/// Who is to be the admin of a group that has none.
fn successor(group: &Group) -> Option<&Member> {
    let headless = group.members.iter().all(|member| !member.role.is_admin());
    group.members.first().filter(|_| headless)
}
