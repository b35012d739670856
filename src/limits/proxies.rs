//! Whose word about a caller's address counts.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::config::Http;

/// The older of the two headers by which a proxy tells for whom it asks.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of trusted proxies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(crate) fn new(http: &Http) -> Self {
        Self(http.trusted_proxy.clone())
    }

    /// Whether an address is a trusted proxy's.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who asks, when the request came from `peer`: itself, or the last hop before the trusted ones. Where both headers
    /// are there and disagree one of them was handed through from outside, and neither counts.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return peer;
        }
        let older = self.last_hop(peer, list(headers, &X_FORWARDED_FOR).map(address));
        let newer = self.last_hop(peer, list(headers, &header::FORWARDED).map(named));
        match (older, newer) {
            (Some(older), Some(newer)) if older != newer => peer,
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => peer,
        }
    }

    /// Goes from hop to hop, the nearest first, for as long as each is a trusted proxy and names the one before it.
    fn last_hop(
        &self,
        peer: IpAddr,
        mut hops: impl Iterator<Item = Option<IpAddr>>,
    ) -> Option<IpAddr> {
        let mut last = None;
        loop {
            match hops.next() {
                Some(Some(hop)) if self.trust(hop) => last = Some(hop),
                Some(Some(hop)) => return Some(hop),
                // A hop that does not tell where it is: nobody vouches for those before it.
                Some(None) => return last.or(Some(peer)),
                None => return last,
            }
        }
    }
}

/// The items of a header that is a list, the last first.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    values.into_iter().rev().flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
}

/// The address in the item of a `Forwarded` header.
fn named(item: &str) -> Option<IpAddr> {
    let mut pairs = item.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    address(value.trim_matches('"'))
}

/// An address with or without port and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted_proxy = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let proxies = Proxies::new(&Http { trusted_proxy, ..Http::default() });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn a_strangers_word_does_not_count() {
        for name in ["x-forwarded-for", "forwarded"] {
            let claims = [(name, "for=198.51.100.1"), (name, "198.51.100.1")];
            assert_eq!(client("192.0.2.1", &claims), "192.0.2.1");
        }
    }

    #[test]
    fn the_last_hop_before_the_trusted_ones_is_who_asks() {
        for (given, found) in [
            ("192.0.2.1", "192.0.2.1"),
            ("198.51.100.1, 192.0.2.1", "192.0.2.1"),
            ("198.51.100.1, 192.0.2.1, 10.9.9.9", "192.0.2.1"),
            ("10.9.9.9", "10.9.9.9"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("198.51.100.1, unknown", PROXY),
            ("198.51.100.1, unknown, 10.9.9.9", "10.9.9.9"),
            ("", PROXY),
        ] {
            assert_eq!(client(PROXY, &[("x-forwarded-for", given)]), found, "{given}");
        }
        let two = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "192.0.2.1, 10.2.2.2")];
        assert_eq!(client("::ffff:10.0.0.1", &two), "192.0.2.1");
        assert_eq!(client(PROXY, &[]), PROXY);
    }

    #[test]
    fn the_newer_header_is_read_as_well() {
        for (given, found) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("for=198.51.100.1, For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            ("proto=https;for=\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("for=198.51.100.1, for=_hidden", PROXY),
            ("for=198.51.100.1, proto=https", PROXY),
        ] {
            assert_eq!(client(PROXY, &[("forwarded", given)]), found, "{given}");
        }
    }

    #[test]
    fn of_two_headers_that_disagree_neither_counts() {
        let both = |newer| [("x-forwarded-for", "192.0.2.1"), ("forwarded", newer)];
        assert_eq!(client(PROXY, &both("for=192.0.2.1")), "192.0.2.1");
        assert_eq!(client(PROXY, &both("for=198.51.100.1")), PROXY);
    }
}
