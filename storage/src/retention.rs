//! What has been kept long enough, in a log of which each organization has its own part.

use std::ops::Bound;

use redb::{ReadableTable, Value};

use crate::{
    Result,
    tables::{FIRST_ID, Id, LAST_ID},
};

/// Up to `limit` rows of `log` below `bound`, organization after organization, each in the order of its ids; `pick` takes
/// what is needed of a row.
pub(crate) fn oldest<V: Value + 'static, T>(
    log: &impl ReadableTable<(&'static str, Id), V>,
    bound: Id,
    limit: usize,
    pick: impl Fn(V::SelfType<'_>) -> T,
) -> Result<Vec<(String, Id, T)>> {
    let mut found = Vec::new();
    let mut next = log.first()?.map(|(key, _)| key.value().0.to_owned());
    while let Some(organization) = next {
        let name = organization.as_str();
        for row in log.range((name, FIRST_ID)..(name, bound))? {
            if found.len() == limit {
                return Ok(found);
            }
            let (key, value) = row?;
            found.push((organization.clone(), key.value().1, pick(value.value())));
        }
        let above = (Bound::Excluded((name, LAST_ID)), Bound::Unbounded);
        let following = log.range::<(&str, Id)>(above)?.next().transpose()?;
        next = following.map(|(key, _)| key.value().0.to_owned());
    }
    Ok(found)
}
