//! How much room the disk shall have.

use clap::Args;

use super::size;
use crate::server::{Error, Result};

/// A GiB.
const WARN: u64 = 1 << 30;
/// A quarter of it.
pub(super) const REFUSE: u64 = 256 << 20;

/// Options about the room on the disk of the data.
#[derive(Debug, Clone, Copy, Args)]
pub struct Disk {
    /// Room on the disk of the data below which the log warns.
    #[arg(long, env = "WHARF_DISK_WARN", value_name = "SIZE", default_value_t = WARN, value_parser = size)]
    pub disk_warn: u64,
    /// Room on the disk of the data below which whatever makes the store grow is refused with 503; 0: never.
    #[arg(long, env = "WHARF_DISK_REFUSE", value_name = "SIZE", default_value_t = REFUSE, value_parser = size)]
    pub disk_refuse: u64,
}

impl Disk {
    pub(super) fn check(&self) -> Result<()> {
        if self.disk_warn < self.disk_refuse {
            return Err(Error::Config(format!(
                "`--disk-warn` ({}) must not be less than `--disk-refuse` ({})",
                self.disk_warn, self.disk_refuse
            )));
        }
        Ok(())
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self { disk_warn: WARN, disk_refuse: REFUSE }
    }
}
