//! How many connections are open, in total and from each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{Proxies, descriptors, network_of};
use crate::config::Http;

/// Places for connections. One for which there is none is closed as it comes: left waiting, it would hold up those of
/// others behind it.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    most_per_address: usize,
    proxies: Proxies,
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    /// How many were refused for the total, and how many for their address.
    refused: [AtomicU64; 2],
    /// How many were closed because nothing came, or was taken, in time.
    timed_out: AtomicU64,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many are open.
    Total,
    /// Too many are open from its address.
    Address,
}

impl Connections {
    /// As many as are configured, or as the process may have descriptors for.
    pub(crate) fn new(http: &Http) -> Arc<Self> {
        let most = descriptors::room_for(http.max_connections);
        Self::at_most(most, http.max_connections_per_address, Proxies::new(http))
    }

    /// `proxies` are not counted by address.
    pub(crate) fn at_most(most: usize, most_per_address: usize, proxies: Proxies) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_address,
            proxies,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
            refused: Default::default(),
            timed_out: AtomicU64::new(0),
        })
    }

    /// A place for a connection from `peer`.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Admitted, Refused> {
        let free = |open| (open < self.most).then_some(open + 1);
        if self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_err() {
            return Err(self.refuse(Refused::Total));
        }
        // From here on its drop gives the place back.
        let mut admitted = Admitted { connections: Arc::clone(self), network: None };
        if !peer.to_canonical().is_loopback() && !self.proxies.trust(peer) {
            let network = network_of(peer);
            let mut by_address = self.by_address();
            let open = by_address.entry(network).or_default();
            if *open >= self.most_per_address {
                drop(by_address);
                return Err(self.refuse(Refused::Address));
            }
            *open += 1;
            admitted.network = Some(network);
        }
        Ok(admitted)
    }

    fn refuse(&self, why: Refused) -> Refused {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
        why
    }

    /// Notes that a connection was closed for its silence.
    pub(crate) fn timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections may be open.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many connections were not kept, with the reason.
    pub(crate) fn closed(&self) -> [(&'static str, u64); 3] {
        let [total, address] = &self.refused;
        [("total", total), ("address", address), ("timeout", &self.timed_out)]
            .map(|(why, count)| (why, count.load(Ordering::Relaxed)))
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an open connection.
#[derive(Debug)]
pub(crate) struct Admitted {
    connections: Arc<Connections>,
    network: Option<IpAddr>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        let Some(network) = self.network else { return };
        let mut by_address = self.connections.by_address();
        if let Some(open) = by_address.get_mut(&network) {
            *open -= 1;
            if *open == 0 {
                by_address.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: usize, most_per_address: usize) -> Arc<Connections> {
        let trusted_proxy = vec!["10.0.0.0/8".parse().unwrap()];
        let proxies = Proxies::new(&Http { trusted_proxy, ..Http::default() });
        Connections::at_most(most, most_per_address, proxies)
    }

    #[test]
    fn one_address_is_refused_and_the_others_are_not_until_all_are_too_many() {
        let connections = connections(5, 2);
        let admit = |peer: &str| connections.admit(peer.parse().unwrap());
        let first = admit("192.0.2.1").unwrap();
        let _second = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").unwrap_err(), Refused::Address);
        let _third = admit("2001:db8::1").unwrap();
        let _fourth = admit("2001:db8::2").unwrap();
        assert_eq!(admit("2001:db8::3").unwrap_err(), Refused::Address);
        let _fifth = admit("192.0.2.2").unwrap();
        assert_eq!(admit("192.0.2.3").unwrap_err(), Refused::Total);
        drop(first);
        let _sixth = admit("192.0.2.1").unwrap();
        assert_eq!(connections.open(), 5);
        assert_eq!(connections.closed(), [("total", 1), ("address", 2), ("timeout", 0)]);
    }

    #[test]
    fn many_are_behind_a_proxy_and_on_this_machine() {
        let connections = connections(100, 1);
        let open: Vec<_> = ["10.0.0.1", "127.0.0.1", "::1"]
            .into_iter()
            .cycle()
            .take(90)
            .map(|peer| connections.admit(peer.parse().unwrap()).unwrap())
            .collect();
        assert_eq!(connections.open(), 90);
        drop(open);
        assert_eq!(connections.open(), 0);
        assert!(connections.by_address().is_empty());
    }
}
