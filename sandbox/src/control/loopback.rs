//! Who may use the control API: programs on this machine, not pages in a browser on it.
//!
//! The peer has to be a loopback address, and `Host` has to name one: a page whose own name was made to
//! resolve to 127.0.0.1 still sends its own name there. Nothing here answers with a CORS header.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::Error;
use crate::server::Peer;

/// Lets a request through if both its peer and its `Host` are loopback, and answers 403 otherwise.
pub(crate) async fn guard(request: Request, next: Next) -> Result<Response, Error> {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    if !peer.is_some_and(|ConnectInfo(Peer(peer))| peer.ip().to_canonical().is_loopback()) {
        return Err(Error::Forbidden("the control API answers programs on this machine only"));
    }
    if !names_loopback(request.headers()) {
        return Err(Error::Forbidden(
            "`Host` must name this machine: 127.0.0.1, [::1] or localhost",
        ));
    }
    if !comes_from_here(request.headers()) {
        return Err(Error::Forbidden("pages of other origins have no business here"));
    }
    Ok(next.run(request).await)
}

/// A browser names the origin of a page that sends a request; other programs name none.
fn comes_from_here(headers: &HeaderMap) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        origin.split_once("://").is_some_and(|(_, host)| is_loopback(host))
    })
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) => is_loopback(host),
        _ => false,
    }
}

/// True for `127.0.0.0/8`, `[::1]` and `localhost`, with or without a port.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let is_one = address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
            return is_one && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    port.is_none_or(is_port)
        && (name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

fn is_port(port: &str) -> bool {
    !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_known_with_and_without_a_port() {
        for host in
            ["127.0.0.1", "127.8.9.1:80", "localhost:7000", "LocalHost", "[::1]", "[::1]:9000"]
        {
            assert!(is_loopback(host), "{host}");
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "10.0.0.1:80",
            "[::2]",
            "[::1",
            "[::1]x",
            "::1",
            "localhost:",
            "localhost:x",
            "127.0.0.1:80:80",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
