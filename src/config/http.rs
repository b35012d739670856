//! Options of listening, of limits, and of who is believed.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use axum::http::{HeaderValue, Uri};
use clap::Args;
use ipnet::IpNet;

use super::{at_least_one, span};

/// Where the figures are, unless told otherwise.
const METRICS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);
/// The least that the head of a request may be limited to, in bytes.
const SMALLEST_HEAD: usize = 8 << 10;
/// The most that makes sense: the parser takes no longer path.
const LARGEST_HEAD: usize = 64 << 10;
/// The fewest failed authentications a minute that are answered as such.
const FEWEST_FAILURES: u32 = 20;

/// Options of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Http {
    /// Address to listen on. Anything but loopback needs a key, or `--jwks-url`.
    #[arg(long, env = "WHARF_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address on which `GET /metrics` answers, to anybody who reaches it, or `off`. By default 127.0.0.1:9464, as long
    /// as that is free.
    #[arg(long, env = "WHARF_METRICS_LISTEN", value_name = "ADDR|off")]
    pub metrics_listen: Option<MetricsListen>,
    /// How long a request may take in all.
    #[arg(long, env = "WHARF_REQUEST_TIMEOUT", default_value = "30s", value_parser = span)]
    pub request_timeout: Duration,
    /// How long a caller may take to send the head of a request.
    #[arg(long, env = "WHARF_HEAD_TIMEOUT", default_value = "10s", value_parser = span)]
    pub head_timeout: Duration,
    /// How long a connection may stay open while nothing is asked on it, or while its answers are not taken.
    #[arg(long, env = "WHARF_IDLE_TIMEOUT", default_value = "75s", value_parser = span)]
    pub idle_timeout: Duration,
    /// How large the head of a request may be, credentials included, in bytes; larger ones are 431.
    #[arg(long, env = "WHARF_MAX_HEAD", default_value_t = 32 << 10, value_parser = head_size)]
    pub max_head: usize,
    /// Connections open at once; more are closed as they come. At most three quarters of the descriptors that the
    /// process may have are used for them.
    #[arg(long, env = "WHARF_MAX_CONNECTIONS", default_value_t = 12_288, value_parser = at_least_one)]
    pub max_connections: usize,
    /// Connections open at once from one address, or one /64 of IPv6; loopback and trusted proxies are exempt.
    #[arg(long, env = "WHARF_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 256, value_parser = at_least_one)]
    pub max_connections_per_address: usize,
    /// Requests under way at once; more are 503.
    #[arg(long, env = "WHARF_MAX_REQUESTS", default_value_t = 4_096, value_parser = at_least_one)]
    pub max_requests: usize,
    /// Requests under way at once of one organization; more are 503, and the others are served.
    #[arg(long, env = "WHARF_MAX_REQUESTS_PER_ORGANIZATION", default_value_t = 1_024, value_parser = at_least_one)]
    pub max_requests_per_organization: usize,
    /// Failed authentications a minute that are answered 401 to one address, or one /64 of IPv6; more are 429. A valid
    /// credential is never held up. At least 20.
    #[arg(long, env = "WHARF_MAX_FAILED_AUTH", default_value_t = 30, value_parser = failures)]
    pub max_failed_auth: u32,
    /// Networks of proxies whose `X-Forwarded-For` or `Forwarded` counts, such as `10.0.0.0/8`.
    #[arg(long, env = "WHARF_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,
    /// Origins whose pages may call the API from a browser, such as `https://desk.example`; none by default.
    #[arg(long, env = "WHARF_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<Origin>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(METRICS.ip(), 8080),
            metrics_listen: None,
            request_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_head: 32 << 10,
            max_connections: 12_288,
            max_connections_per_address: 256,
            max_requests: 4_096,
            max_requests_per_organization: 1_024,
            max_failed_auth: 30,
            trusted_proxy: Vec::new(),
            cors_origin: Vec::new(),
        }
    }
}

impl Http {
    /// Where the figures shall be served, and whether the operator insists on that address.
    pub(crate) fn metrics(&self) -> Option<(SocketAddr, bool)> {
        match self.metrics_listen {
            None => Some((METRICS, false)),
            Some(MetricsListen::At(address)) => Some((address, true)),
            Some(MetricsListen::Off) => None,
        }
    }
}

/// Where the figures are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsListen {
    /// At this address.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl FromStr for MetricsListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let address =
            text.parse().map_err(|_| "must be an address such as `127.0.0.1:9464`, or `off`");
        Ok(Self::At(address?))
    }
}

/// An origin as a browser spells it in its header.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// The header's value.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "must be a scheme, a host in lower case and perhaps a port, such as `https://desk.example`; there is no wildcard".to_owned()
        };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let parts = (uri.scheme_str(), uri.authority());
        let (Some(scheme @ ("http" | "https")), Some(authority)) = parts else {
            return Err(wrong());
        };
        let spelled = format!("{scheme}://{authority}");
        // A browser leaves out the path, the user and the scheme's own port.
        let usual = if scheme == "http" { 80 } else { 443 };
        let odd = text.contains(['@', '*']) || authority.port_u16() == Some(usual);
        if odd || spelled != text || text.to_ascii_lowercase() != text {
            return Err(wrong());
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| wrong())
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let wrong = || "must be a network such as `10.0.0.0/8`, or an address".to_owned();
    let single =
        || text.parse().ok().map(|address: std::net::IpAddr| address.to_canonical().into());
    let network: IpNet = text.parse().ok().or_else(single).ok_or_else(wrong)?;
    // Callers who come over IPv4 are known by that address, so such a network would never match.
    match network {
        IpNet::V6(mapped) if mapped.addr().to_ipv4_mapped().is_some() => {
            Err("is of IPv4 addresses: name it in their form, such as `10.0.0.0/8`".to_owned())
        }
        network => Ok(network.trunc()),
    }
}

fn head_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (SMALLEST_HEAD..=LARGEST_HEAD).contains(size));
    size.ok_or_else(|| format!("must be {SMALLEST_HEAD} to {LARGEST_HEAD} bytes"))
}

fn failures(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number >= FEWEST_FAILURES);
    number.ok_or_else(|| format!("must be a whole number, {FEWEST_FAILURES} or more"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        http: Http,
    }

    fn parsed(options: &[&str]) -> Result<Http, String> {
        let arguments = ["wharf"].iter().chain(options);
        Alone::try_parse_from(arguments).map(|all| all.http).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_given_is_as_in_code() {
        assert_eq!(parsed(&[]).unwrap(), Http::default());
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (flag, value) in [
            ("--metrics-listen", "on"),
            ("--head-timeout", "0s"),
            ("--max-head", "100"),
            ("--max-head", "1000000"),
            ("--max-connections", "0"),
            ("--max-failed-auth", "19"),
            ("--trusted-proxy", "10.0.0.0/33"),
            ("--trusted-proxy", "proxy"),
            ("--trusted-proxy", "::ffff:10.0.0.0/104"),
            ("--cors-origin", "*"),
            ("--cors-origin", "null"),
            ("--cors-origin", "desk.example"),
            ("--cors-origin", "https://*.desk.example"),
            ("--cors-origin", "https://desk.example/"),
            ("--cors-origin", "https://desk.example/path"),
            ("--cors-origin", "https://Desk.example"),
            ("--cors-origin", "https://desk.example:443"),
            ("--cors-origin", "https://me@desk.example"),
            ("--cors-origin", "ftp://desk.example"),
        ] {
            let error = parsed(&[flag, value]).unwrap_err();
            assert!(error.contains(flag) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn networks_and_origins_come_as_lists() {
        let http = parsed(&[
            "--trusted-proxy",
            "10.1.2.3/8,::1",
            "--trusted-proxy",
            "192.0.2.7",
            "--cors-origin",
            "https://desk.example,http://localhost:3000",
        ])
        .unwrap();
        let networks: Vec<_> = http.trusted_proxy.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]);
        let origins: Vec<_> = http.cors_origin.iter().map(Origin::value).collect();
        assert_eq!(origins, ["https://desk.example", "http://localhost:3000"]);
    }

    #[test]
    fn the_figures_have_an_address_unless_they_are_off() {
        assert_eq!(parsed(&[]).unwrap().metrics(), Some((METRICS, false)));
        let at = parsed(&["--metrics-listen", "[::1]:1"]).unwrap();
        assert_eq!(at.metrics(), Some(("[::1]:1".parse().unwrap(), true)));
        assert_eq!(parsed(&["--metrics-listen", "off"]).unwrap().metrics(), None);
    }
}
