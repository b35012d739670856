//! Commands on the data as a whole: copies, checks, compaction. Each hands what it has to say to `told`, in whole lines.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use wharf_storage::{Options, Report};

use crate::{
    clock::now_ms,
    config::{self, Encryption},
    control::{self, Order, Outcome},
    server::{self, Error, Result},
};

/// Copies the data to a file: by the gateway that runs on them, or from the data when none runs. Tells what was done.
///
/// # Errors
/// There are no data, or the copy cannot be written.
pub async fn backup(
    wanted: config::Backup,
    encryption: &Encryption,
    told: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    // The gateway has a working directory of its own.
    let target =
        std::path::absolute(&wanted.file).map_err(|source| data_error(&wanted.file, source))?;
    let order = Order::Backup { target, force: wanted.force, reserve: wanted.disk_refuse };
    match control::execute(&wanted.data.folder, order, encryption).await? {
        Outcome::BackedUp { rows, bytes } => {
            let file = wanted.file.display();
            told(&format!("{rows} rows are in `{file}`, {bytes} bytes\n"))
        }
        _ => Err(control::unexpected()),
    }
}

/// Puts a copy in the place of the data. Tells what was done.
///
/// # Errors
/// The copy is not sound, a gateway runs, or data are there and shall not be moved.
pub async fn restore(
    wanted: config::Restore,
    encryption: &Encryption,
    told: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    stopped(&wanted.data).await?;
    let options = options(encryption)?;
    let path = server::store_in(&wanted.data);
    let aside = wharf_storage::aside(&path, now_ms());
    let there = path.exists();
    let moved = wanted.force.then_some(aside.as_path());
    let made = absent(&wanted.data);
    server::make_folder(&wanted.data)?;
    let restored = wharf_storage::restore(&wanted.file, &path, moved, &options).await;
    if restored.is_err() {
        // Only empty folders go, from the inmost one on.
        let _ = made.iter().try_for_each(fs::remove_dir);
    }
    let report = restored?;
    let mut said = vec![match report.unwalked {
        Some(reason) => reason,
        None => format!("{} rows are back", report.rows),
    }];
    if there {
        said.push(format!("what was there is in `{}`", aside.display()));
    }
    said.push(
        "see \"Backup and restore\" in docs/operations.md before you start the gateway".to_owned(),
    );
    told(&lines(&said))
}

/// Checks the data. Tells what was found, a line each.
///
/// # Errors
/// There are no data, or anything was found.
pub async fn check(
    wanted: config::Data,
    encryption: &Encryption,
    told: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let report = if let Ok(stream) = control::connect(&wanted.folder).await {
        match control::ask(stream, &Order::Check).await? {
            Outcome::Checked { report } => report,
            _ => return Err(control::unexpected()),
        }
    } else {
        let path = existing(&wanted.folder)?;
        wharf_storage::check_file(&path, &options(encryption)?).await?
    };
    told(&shown(&report))?;
    match report.count() {
        0 => Ok(()),
        count => Err(Error::Unsound(count)),
    }
}

/// Makes the file as small as it can be. Tells what that came to.
///
/// # Errors
/// There are no data, or a gateway runs.
pub async fn compact(
    wanted: config::Data,
    encryption: &Encryption,
    told: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    stopped(&wanted.folder).await?;
    let path = existing(&wanted.folder)?;
    let sizes = wharf_storage::compact(&path, &options(encryption)?).await?;
    told(&format!("{} bytes before, {} bytes after\n", sizes.before, sizes.after))
}

/// How the file is opened.
fn options(encryption: &Encryption) -> Result<Options> {
    Ok(Options { master_key: encryption.master_key()?, ..Options::default() })
}

fn shown(report: &Report) -> String {
    let mut lines: Vec<String> = report.findings.clone();
    if report.more > 0 {
        lines.push(format!("and {} more", report.more));
    }
    lines.extend(report.unwalked.clone());
    lines.push(format!("{} rows, {} findings", report.rows, report.count()));
    self::lines(&lines)
}

fn lines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The folders that making this one makes, inmost first.
fn absent(folder: &Path) -> Vec<PathBuf> {
    let folders = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    folders.take_while(|folder| !folder.exists()).map(Path::to_owned).collect()
}

/// The file of the data, which must be there: an empty one is not made by looking.
pub(crate) fn existing(data: &Path) -> Result<PathBuf> {
    if server::has_store(data) { Ok(server::store_in(data)) } else { Err(server::no_data(data)) }
}

/// Refuses while a gateway runs; one whose socket is not reached is found by its lock on the file.
pub(crate) async fn stopped(data: &Path) -> Result<()> {
    match control::connect(data).await {
        Ok(_) => Err(Error::Control("it runs: stop it first".to_owned())),
        Err(_) => Ok(()),
    }
}

fn data_error(path: &Path, source: io::Error) -> Error {
    Error::Data { path: path.to_owned(), source }
}
