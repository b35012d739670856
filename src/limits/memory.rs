//! How much memory the system lets the process have.

use std::{fs, path::Path};

/// Where control groups are, of the version that has one tree for all.
const GROUPS: &str = "/sys/fs/cgroup";

/// The least that the process's control group, or one around it, may occupy, in bytes; none where nothing limits it.
pub(super) fn allowed_by_the_system() -> Option<u64> {
    allowed(Path::new(GROUPS), &fs::read_to_string("/proc/self/cgroup").ok()?)
}

/// The same for a process with this list of groups, in the tree at `groups`.
fn allowed(groups: &Path, list: &str) -> Option<u64> {
    let own = list.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let around = Path::new(own).ancestors();
    let limits = around.filter_map(|group| {
        // A group without a limit says `max`.
        fs::read_to_string(groups.join(group).join("memory.max")).ok()?.trim().parse().ok()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_group_around_the_process_decides() {
        let groups = tempfile::tempdir().unwrap();
        let inner = groups.path().join("outer/inner");
        fs::create_dir_all(&inner).unwrap();
        let list = "4:memory:/elsewhere\n0::/outer/inner\n";
        let allowed = || allowed(groups.path(), list);
        assert_eq!(allowed(), None);
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(allowed(), None);
        fs::write(groups.path().join("outer/memory.max"), "2000\n").unwrap();
        assert_eq!(allowed(), Some(2_000));
        fs::write(inner.join("memory.max"), "3000\n").unwrap();
        assert_eq!(allowed(), Some(2_000));
        fs::write(inner.join("memory.max"), "1000\n").unwrap();
        assert_eq!(allowed(), Some(1_000));
    }

    #[test]
    fn in_a_container_the_root_is_the_processs_own_group() {
        let groups = tempfile::tempdir().unwrap();
        fs::write(groups.path().join("memory.max"), "1000\n").unwrap();
        assert_eq!(allowed(groups.path(), "0::/\n"), Some(1_000));
        assert_eq!(allowed(groups.path(), "4:memory:/\n"), None);
    }
}
