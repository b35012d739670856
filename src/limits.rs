//! What nobody may overstep, so that one who floods does not take what the others need.

mod admission;
mod connections;
mod descriptors;
mod failures;
mod memory;
mod organizations;
mod proxies;

use std::net::{IpAddr, Ipv6Addr};

use crate::{config::Http, error::ApiError};

pub(crate) use admission::{Admission, Limited, Usage};
pub(crate) use connections::Connections;
pub(crate) use descriptors::raise as raise_descriptors;
pub(crate) use failures::Failures;
pub(crate) use organizations::{Organizations, Place};
pub(crate) use proxies::Proxies;

/// The limits that the requests of a gateway share.
#[derive(Debug)]
pub(crate) struct Limits {
    /// How many requests may be under way.
    requests: usize,
    /// What is under way of each organization.
    pub(crate) organizations: Organizations,
    /// Failed authentications by address.
    pub(crate) failures: Failures,
}

impl Limits {
    pub(crate) fn new(http: &Http) -> Self {
        Self {
            requests: http.max_requests,
            organizations: Organizations::new(http.max_requests_per_organization),
            failures: Failures::new(http.max_failed_auth),
        }
    }

    /// Whether so many requests may be under way.
    ///
    /// # Errors
    /// 503 when they are too many.
    pub(crate) fn check(&self, under_way: usize) -> Result<(), ApiError> {
        if under_way > self.requests {
            return Err(ApiError::overloaded("too many requests are under way"));
        }
        Ok(())
    }
}

/// What counts as one address: an IPv4 address, or the /64 of an IPv6 one, all of which one host may use.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_counts_as_one_address() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            let found = network_of(address.parse().unwrap());
            assert_eq!(found, network.parse::<IpAddr>().unwrap(), "{address}");
        }
    }
}
