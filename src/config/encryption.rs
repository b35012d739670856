//! The master key of what is stored, and commands on it.

use std::{
    env, fs,
    io::Read,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::{Args, Subcommand};
use wharf_storage::MasterKey;
use zeroize::Zeroizing;

use super::Data;
use crate::server::{Error, Result};

/// The variable that holds the key itself. There is no flag for it: other users see the flags of a process.
const VARIABLE: &str = "WHARF_MASTER_KEY";

/// Bytes of a key.
const LENGTH: usize = 32;
/// The most that is read of a file, in bytes: far more than a key in any form.
const LONGEST: usize = 1024;
/// What others than its owner may do with a file.
const OTHERS: u32 = 0o077;

/// Where the master key is. Without one what is stored is not encrypted.
#[derive(Debug, Clone, Default, Args)]
pub struct Encryption {
    /// File with the master key that what is stored is encrypted under: 32 bytes, as they are, in base64 or in hex; its
    /// owner's alone. The key itself may be in `WHARF_MASTER_KEY` instead.
    #[arg(long, global = true, env = "WHARF_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
}

impl Encryption {
    /// The master key, from the file or from the environment.
    ///
    /// # Errors
    /// The file cannot be read, what is there is not a key, or both are given.
    pub fn master_key(&self) -> Result<Option<MasterKey>> {
        self.one_of(env::var_os(VARIABLE).map(|text| Zeroizing::new(text.into_encoded_bytes())))
    }

    fn one_of(&self, variable: Option<Zeroizing<Vec<u8>>>) -> Result<Option<MasterKey>> {
        match (&self.master_key_file, variable.filter(|text| !text.is_empty())) {
            (None, None) => Ok(None),
            (Some(path), None) => read("--master-key-file", path).map(Some),
            (None, Some(text)) => parsed(&text).map(Some).map_err(|why| unusable(VARIABLE, why)),
            (Some(_), Some(_)) => {
                Err(unusable(VARIABLE, "`--master-key-file` is given too: take one of the two"))
            }
        }
    }
}

/// Commands on the encryption of what is stored, for which the gateway must be stopped.
#[derive(Debug, Subcommand)]
pub enum EncryptionCommand {
    /// Encrypt what is stored under the master key that is given.
    Enable(Data),
    /// Encrypt what is stored anew, under another master key and a new data key.
    Rotate(Rotate),
    /// Store everything as it is, without encryption.
    Disable(Data),
}

/// Options of `encryption rotate`.
#[derive(Debug, Clone, Args)]
pub struct Rotate {
    /// File with the new master key; the same as before makes a new data key alone.
    #[arg(long, value_name = "FILE")]
    pub new_master_key_file: PathBuf,
    /// What is encrypted.
    #[command(flatten)]
    pub data: Data,
}

impl Rotate {
    /// The new master key.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold a key.
    pub fn new_master_key(&self) -> Result<MasterKey> {
        read("--new-master-key-file", &self.new_master_key_file)
    }
}

fn read(flag: &str, path: &Path) -> Result<MasterKey> {
    let named = format!("{flag}` (`{}", path.display());
    let unread = |error: std::io::Error| unusable(&named, &error.to_string());
    // Before it is opened, which waits for whoever writes to a pipe.
    let found = fs::metadata(path).map_err(unread)?;
    let pipe = found.file_type().is_fifo() && is_handed_over(path);
    if !pipe && !found.is_file() {
        return Err(unusable(&named, "it is not a file"));
    }
    // As ssh does: what belongs to somebody else, such as a secret that a container is given, is not ours to close.
    let own = found.uid() == rustix::process::geteuid().as_raw();
    if !pipe && own && found.mode() & OTHERS != 0 {
        return Err(Error::Config(format!(
            "`{named}`): others than its owner may use it (mode {:04o}): `chmod 600 {}`",
            found.mode() & 0o7777,
            path.display()
        )));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(LONGEST));
    // A file that is no key may be of any length.
    fs::File::open(path)
        .and_then(|file| file.take(LONGEST as u64).read_to_end(&mut content))
        .map_err(unread)?;
    parsed(&content).map_err(|why| unusable(&named, why))
}

/// Whether it is a descriptor that this process was given, as by a shell's `<(…)`: its other end is there, or gone.
fn is_handed_over(path: &Path) -> bool {
    let folders = ["/dev/fd", "/proc/self/fd"];
    path == Path::new("/dev/stdin") || folders.iter().any(|folder| path.starts_with(folder))
}

fn unusable(what: &str, why: &str) -> Error {
    let closed = if what.contains("(`") { ")" } else { "" };
    Error::Config(format!(
        "`{what}`{closed}: {why}; a master key is {LENGTH} bytes, in base64 or hex, such as `openssl rand -base64 {LENGTH}` prints"
    ))
}

/// A key of 32 bytes as they are, or as text; or why it is none.
fn parsed(content: &[u8]) -> Result<MasterKey, &'static str> {
    let text = content.trim_ascii();
    // Random bytes do not look like that: not once in 10¹³ keys.
    if text.len() == LENGTH && text.iter().all(u8::is_ascii_graphic) {
        return Err("it is 32 characters of text, which are 16 bytes in hex or 24 in base64");
    }
    if let Ok(bytes) = content.try_into() {
        return Ok(MasterKey::new(bytes));
    }
    decoded(text).ok_or("it is not a key")
}

fn decoded(text: &[u8]) -> Option<MasterKey> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    if text.len() == 2 * LENGTH {
        for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |place: usize| char::from(digits[place]).to_digit(16);
            *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
        }
    } else {
        let decoded = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
        *bytes = decoded.as_slice().try_into().ok()?;
    }
    Some(MasterKey::new(*bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1B1C1D1E1F";

    /// A file that is its owner's alone.
    fn written(path: &Path, content: impl AsRef<[u8]>) {
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn key() -> MasterKey {
        MasterKey::new(std::array::from_fn(|place| u8::try_from(place).unwrap()))
    }

    #[test]
    fn a_key_is_read_from_each_of_its_forms() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let raw: Vec<u8> = (0..32).collect();
        for content in [raw, BASE64.into(), HEX.into(), format!("{HEX}\n").into()] {
            written(&path, &content);
            let from_file = Encryption { master_key_file: Some(path.clone()) };
            assert_eq!(from_file.one_of(None).unwrap(), Some(key()));
            let from_variable = Encryption::default().one_of(Some(Zeroizing::new(content)));
            assert_eq!(from_variable.unwrap(), Some(key()));
        }
        assert_eq!(Encryption::default().one_of(None).unwrap(), None);
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let from_file = Encryption { master_key_file: Some(path.clone()) };
        let absent = from_file.one_of(None).unwrap_err().to_string();
        assert!(absent.contains("--master-key-file") && absent.contains("key"), "{absent}");
        let long = HEX.repeat(10_000);
        for content in
            [long.as_str(), "", "secret", &HEX[1..], &HEX.replace('0', "g"), &BASE64[4..]]
        {
            written(&path, content);
            let error = from_file.one_of(None).unwrap_err().to_string();
            assert!(error.contains("--master-key-file") && error.contains("32 bytes"), "{error}");
            assert!(content.is_empty() || !error.contains(content), "{error}");
        }
        let error = Encryption::default().one_of(Some(Zeroizing::new(b"secret".to_vec())));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(VARIABLE) && !error.contains("secret"), "{error}");
        let both = from_file.one_of(Some(Zeroizing::new(BASE64.into()))).unwrap_err().to_string();
        assert!(both.contains(VARIABLE) && both.contains("--master-key-file"), "{both}");
    }

    #[test]
    fn text_of_half_a_key_is_not_taken_for_the_bytes_of_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let from_file = Encryption { master_key_file: Some(path.clone()) };
        for half in [&HEX[..32], &HEX[32..], &BASE64[..32]] {
            for content in [half.to_owned(), format!("{half}\n")] {
                written(&path, &content);
                let by_variable =
                    Encryption::default().one_of(Some(Zeroizing::new(content.into())));
                for refused in [from_file.one_of(None), by_variable] {
                    let error = refused.unwrap_err().to_string();
                    assert!(error.contains("16 bytes in hex") && !error.contains(half), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_what_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let from_file = Encryption { master_key_file: Some(path.clone()) };
        for (mode, good) in [(0o400, true), (0o600, true), (0o640, false), (0o604, false)] {
            written(&path, HEX);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match from_file.one_of(None) {
                Ok(found) => assert!(good && found == Some(key()), "{mode:o}"),
                Err(error) => {
                    let words = format!("chmod 600 {}", path.display());
                    assert!(!good && error.to_string().contains(&words), "{error}");
                }
            }
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_is_not_a_file_is_refused_without_waiting_and_a_pipe_that_was_handed_over_is_read() {
        use std::{io::Write, os::fd::AsRawFd};

        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let from_file = Encryption { master_key_file: Some(path.to_owned()) };
            let error = from_file.one_of(None).unwrap_err().to_string();
            assert!(error.contains("not a file") && error.contains("--master-key-file"), "{error}");
        }
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(HEX.as_bytes()).unwrap();
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let from_file = Encryption { master_key_file: Some(path.into()) };
        assert_eq!(from_file.one_of(None).unwrap(), Some(key()));
    }
}
