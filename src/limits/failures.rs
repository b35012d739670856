//! Failed authentications by address. Only what a failure is answered changes: the credential itself is looked at first,
//! always.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::network_of;
use crate::{error::ApiError, request::ClientAddress};

/// How long failures count.
const WINDOW: Duration = Duration::from_mins(1);
/// How many addresses are told apart in one window; those that come later count as one.
const ADDRESSES: usize = 50_000;

/// Failed authentications of the current window.
#[derive(Debug)]
pub(crate) struct Failures {
    most: u32,
    window: Mutex<Window>,
    total: AtomicU64,
}

#[derive(Debug, Default)]
struct Window {
    ends: Option<Instant>,
    by_address: HashMap<IpAddr, u32>,
    /// Failures of the addresses for which there was no room.
    others: u32,
}

impl Failures {
    /// `most`: how many failures a minute each address is told about.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, window: Mutex::default(), total: AtomicU64::new(0) }
    }

    /// Counts a failure.
    ///
    /// # Errors
    /// 429 when its address has failed too often.
    pub(crate) fn add(&self, client: Option<ClientAddress>) -> Result<(), ApiError> {
        self.total.fetch_add(1, Ordering::Relaxed);
        // There is none where requests do not come over a connection of ours.
        let Some(ClientAddress(address)) = client else { return Ok(()) };
        let now = Instant::now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.ends.is_none_or(|ends| ends <= now) {
            *window = Window { ends: Some(now + WINDOW), ..Window::default() };
        }
        let wait = window.ends.map_or(WINDOW, |ends| ends - now);
        let failures = window.of(network_of(address));
        *failures = failures.saturating_add(1);
        if *failures > self.most {
            return Err(ApiError::too_many_failures(wait));
        }
        Ok(())
    }

    /// How many there were since the process started.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

impl Window {
    fn of(&mut self, network: IpAddr) -> &mut u32 {
        if self.by_address.len() >= ADDRESSES && !self.by_address.contains_key(&network) {
            return &mut self.others;
        }
        self.by_address.entry(network).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_too_often_waits_for_the_next_minute_and_the_others_do_not() {
        let failures = Failures::new(20);
        let add =
            |address: &str| failures.add(Some(ClientAddress(address.parse().unwrap()))).is_ok();
        for _ in 0..20 {
            assert!(add("192.0.2.1"));
        }
        assert!(!add("192.0.2.1") && !add("::ffff:192.0.2.1"));
        assert!(add("192.0.2.2"));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!add("192.0.2.1"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(add("192.0.2.1"));
        assert_eq!(failures.total(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_however_many_addresses_there_are() {
        let failures = Failures::new(20);
        let address = |number: usize| {
            let number = u128::try_from(number).unwrap();
            let bits = (0x2001_0db8 << 96) | (number << 64);
            Some(ClientAddress(IpAddr::V6(std::net::Ipv6Addr::from_bits(bits))))
        };
        for number in 0..ADDRESSES {
            assert!(failures.add(address(number)).is_ok());
        }
        let answered = (0..100).filter(|more| failures.add(address(ADDRESSES + more)).is_ok());
        assert_eq!(answered.count(), 20, "those for whom there is no room count as one");
        assert!(failures.add(address(0)).is_ok(), "who was there first still counts alone");
        assert_eq!(failures.window.lock().unwrap().by_address.len(), ADDRESSES);
    }
}
