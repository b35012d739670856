//! Baileys as npm installs it, once for each version and lock file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use super::Version;

/// The oldest Node on which both versions run: their `engines`.
const NODE: u32 = 20;

/// Where the tests' files for a version are: its manifest and lock file.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/baileys")
}

/// The folder in which a version is installed. The first to ask installs it, unless an earlier run has.
///
/// # Panics
/// If it cannot be installed: a proof that is skipped proves nothing.
pub(crate) async fn installed(version: Version) -> PathBuf {
    let installed = tokio::task::spawn_blocking(move || once(version)).await;
    installed
        .unwrap()
        .unwrap_or_else(|error| panic!("Baileys {} cannot be installed: {error}", version.number()))
}

/// A failure is as good for the whole process as a success.
fn once(version: Version) -> Result<PathBuf, String> {
    static SIX: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    static SEVEN: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let cell = match version {
        Version::Six => &SIX,
        Version::Seven => &SEVEN,
    };
    cell.get_or_init(|| install(version)).clone()
}

fn install(version: Version) -> Result<PathBuf, String> {
    node_is_new_enough()?;
    let sources = sources().join(version.number());
    let cell = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("baileys");
    let folder = cell.join(version.number());
    fs::create_dir_all(&cell).map_err(|error| failed("make", &cell, &error))?;
    // Other test processes wait here; the lock goes with the file.
    let lock = cell.join(format!("{}.lock", version.number()));
    let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| failed("lock", &cell, &error))?;

    let wanted = read(&sources.join("package-lock.json"))?;
    let stamp = folder.join("installed.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    let begun = Instant::now();
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| failed("remove", &folder, &error))?;
    }
    fs::create_dir_all(&folder).map_err(|error| failed("make", &folder, &error))?;
    write(&folder.join("package.json"), &read(&sources.join("package.json"))?)?;
    write(&folder.join("package-lock.json"), &wanted)?;
    // No script of a package runs, and what Baileys leaves to its users (pictures' thumbnails) stays out.
    let arguments = ["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"];
    run(Command::new("npm").args(arguments).current_dir(&folder))?;
    write(&stamp, &wanted)?;
    // Past the harness, which keeps what a passing test prints.
    let took = begun.elapsed().as_secs_f32();
    let _ = writeln!(std::io::stderr(), "baileys {}: installed in {took:.1} s", version.number());
    Ok(folder)
}

fn node_is_new_enough() -> Result<(), String> {
    let printed = run(Command::new("node").arg("--version"))?;
    let major = printed.trim().trim_start_matches('v').split('.').next().unwrap_or_default();
    match major.parse::<u32>() {
        Ok(major) if major >= NODE => Ok(()),
        _ => Err(format!("`node` has to be {NODE} or newer, it is `{}`", printed.trim())),
    }
}

/// Runs a program to its end; what it printed, or why it failed.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        format!("`{name}` does not run: {error}; Node {NODE} or newer with npm is needed")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`{name}` failed: {}", String::from_utf8_lossy(&output.stderr)))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| failed("read", file, &error))
}

fn write(file: &Path, content: &[u8]) -> Result<(), String> {
    fs::write(file, content).map_err(|error| failed("write", file, &error))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} `{}`: {error}", path.display())
}
