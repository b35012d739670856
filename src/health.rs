//! Asking a running gateway how it is, as a container's health check does: one request, without a client's weight.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    config::Health,
    server::{Error, Result},
};

/// How long the gateway has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes; a real one is far shorter.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Asks once.
///
/// # Errors
/// The gateway does not answer within five seconds, or answers with anything but 200.
pub async fn ask(options: Health) -> Result<()> {
    let address = reachable(options.listen);
    let path = if options.ready { "/readyz" } else { "/healthz" };
    let unwell = |reason: String| Error::Unwell { address, reason };
    let answer = tokio::time::timeout(PATIENCE, answer(address, path))
        .await
        .map_err(|_| unwell(format!("no answer within {} seconds", PATIENCE.as_secs())))?
        .map_err(|error| unwell(error.to_string()))?;
    match answer.split_ascii_whitespace().nth(1) {
        Some("200") => Ok(()),
        Some(status) => Err(unwell(format!("it answers {status} to {path}"))),
        None => Err(unwell("what it answers is not HTTP".to_owned())),
    }
}

/// Where a gateway that listens on this address is reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn answer(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_every_interface_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
