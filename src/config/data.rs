//! Commands on the data as a whole.

use std::path::PathBuf;

use clap::Args;

use super::{disk::REFUSE, size};

/// Options of `backup`.
#[derive(Debug, Clone, Args)]
pub struct Backup {
    /// File to write the copy to. A running gateway writes it itself, so it must be a place that the gateway may write.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace the file if there is one.
    #[arg(long)]
    pub force: bool,
    /// Room that must stay free on the disk of the data when the copy is made there too. A running gateway leaves its own
    /// `--disk-refuse` free in any case.
    #[arg(long, env = "WHARF_DISK_REFUSE", value_name = "SIZE", default_value_t = REFUSE, value_parser = size)]
    pub disk_refuse: u64,
    /// What is copied.
    #[command(flatten)]
    pub data: Data,
}

/// Options of `restore`.
#[derive(Debug, Clone, Args)]
pub struct Restore {
    /// The copy that shall be put back; it stays as it is.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Move what is there aside.
    #[arg(long)]
    pub force: bool,
    /// Folder of everything that is stored; made if absent.
    #[arg(long, env = "WHARF_DATA", default_value = "wharf-data")]
    pub data: PathBuf,
}

/// Where the data are that a command is about.
#[derive(Debug, Clone, Args)]
pub struct Data {
    /// Folder of everything that is stored.
    #[arg(long = "data", env = "WHARF_DATA", default_value = "wharf-data")]
    pub folder: PathBuf,
}
