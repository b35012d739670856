//! Where keys and codes come from: the operating system, or a seed that makes them the same in every run.
//!
//! Only this file draws randomness. Each purpose has a stream of its own, and each account and each handshake, too, so
//! that what one client does changes nothing for another. `StdRng` gives the same numbers only as long as the version
//! of `rand` stays: a seed means the same for one version of this server.

use std::convert::Infallible;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _, TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};

/// What everything is drawn from. By default that is the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Source(Option<u64>);

/// Random numbers for one purpose; by default of the operating system's.
#[derive(Debug)]
pub(crate) struct Stream(StdRng);

impl Source {
    /// The operating system, or what follows from this seed.
    pub(crate) fn of(seed: Option<u64>) -> Self {
        Self(seed)
    }

    /// The numbers for a purpose, and of that for one name or key. A seed gives them anew each time that they are asked for.
    pub(crate) fn stream(self, purpose: &str, name: &[u8]) -> Stream {
        match self.0 {
            None => Stream::default(),
            Some(seed) => derived(&[&seed.to_be_bytes(), purpose.as_bytes(), name]),
        }
    }
}

/// Numbers that follow from a secret, and that only who knows it foretells: for what needs no more than to differ.
pub(crate) fn derived(parts: &[&[u8]]) -> Stream {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    Stream(StdRng::from_seed(hash.finalize().into()))
}

impl Stream {
    /// So many bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number of 32 bits.
    pub(crate) fn number(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number below this one, each as likely as any other as far as anybody notices.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        let scaled = u64::from(self.number()) * u64::from(end);
        u32::try_from(scaled >> 32).unwrap_or_default()
    }

    /// Whether something happens that has this chance, from 0 to 1.
    pub(crate) fn strikes(&mut self, chance: f64) -> bool {
        f64::from(self.number()) < chance * (f64::from(u32::MAX) + 1.0)
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self(rand::make_rng())
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for Stream {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_for_the_same_and_something_else_for_anything_else() {
        let drawn = |seed, purpose, name: &str| -> [u8; 8] {
            Source::of(seed).stream(purpose, name.as_bytes()).bytes()
        };
        let boss = drawn(Some(7), "account", "boss");
        assert_eq!(boss, drawn(Some(7), "account", "boss"));
        for other in [
            drawn(Some(8), "account", "boss"),
            drawn(Some(7), "account", "bos"),
            drawn(Some(7), "accountb", "oss"),
            drawn(None, "account", "boss"),
        ] {
            assert_ne!(boss, other);
        }
        assert_ne!(drawn(None, "account", "boss"), drawn(None, "account", "boss"));
    }

    #[test]
    fn what_is_certain_happens_and_what_has_no_chance_does_not() {
        let mut stream = Stream::default();
        assert!((0..1000).all(|_| stream.strikes(1.0) && !stream.strikes(0.0)));
        let heads = (0..1000).filter(|_| stream.strikes(0.5)).count();
        assert!((300..700).contains(&heads), "{heads}");
        assert!((0..1000).all(|_| stream.below(3) < 3));
    }
}
