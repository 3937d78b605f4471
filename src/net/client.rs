use std::time::Duration;

/// How a client reaches its hosts.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Time to reach a host, TLS included.
    pub connect_timeout: Duration,
    /// Whether the proxy named by the machine's environment is used.
    pub system_proxy: bool,
    /// Idle connections kept per host.
    pub pool_max_idle_per_host: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            system_proxy: false,
            pool_max_idle_per_host: 512,
        }
    }
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The TLS set-up or another part of the client was refused.
    #[error("the HTTP client could not be built")]
    Build(#[source] reqwest::Error),
    /// A host that would be spoken to in the clear is not on this machine.
    #[error("{0} must use https: plain http is for loopback hosts only")]
    PlainHttp(String),
    /// The text is not a URL.
    #[error("{0} is not a usable URL")]
    InvalidUrl(String),
}

/// Builds a client.
pub fn client(options: &ClientOptions) -> Result<reqwest::Client, Error> {
    install_crypto();
    match builder(options).build() {
        Ok(client) => Ok(client),
        // A machine without CA certificates (a bare image) can still speak to loopback hosts.
        // Trusting nobody keeps every https host out of reach, which is the safe way to fail.
        Err(first) => {
            let client = trusting_nobody(options).map_err(Error::Build)?;
            tracing::warn!(
                error = %Chain(&first),
                "no usable CA certificates on this machine: https hosts cannot be reached"
            );
            Ok(client)
        }
    }
}

/// Makes aws-lc the crypto provider of the process. May be called any number of times.
pub fn install_crypto() {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn trusting_nobody(options: &ClientOptions) -> reqwest::Result<reqwest::Client> {
    builder(options).tls_certs_only([]).build()
}

#[expect(clippy::disallowed_methods, reason = "this is the room that builds clients")]
fn builder(options: &ClientOptions) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(options.connect_timeout)
        .pool_max_idle_per_host(options.pool_max_idle_per_host)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_keepalive(TCP_KEEPALIVE)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(10));
    if options.system_proxy { builder } else { builder.no_proxy() }
}

/// An error with its causes on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Who we say we are.
pub const USER_AGENT: &str = concat!("cwsgate/", env!("CARGO_PKG_VERSION"));

/// Shorter than the idle limits of common load balancers (4 minutes and less), so that a
/// connection is seldom closed under a request.
pub(super) const POOL_IDLE_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::net::{Fault, fault};

    /// Answers every connection with a plain redirect.
    async fn redirecting() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                let answer = "HTTP/1.1 302 Found\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let address = redirecting().await;
        let client = client(&ClientOptions::default()).unwrap();
        let answer = client.get(format!("http://{address}/")).send().await.unwrap();
        assert_eq!(answer.status(), 302);
    }

    #[tokio::test]
    async fn without_ca_certificates_loopback_works_and_https_fails() {
        install_crypto();
        let address = redirecting().await;
        let client = trusting_nobody(&ClientOptions::default()).unwrap();
        client.get(format!("http://{address}/")).send().await.unwrap();
        let error = client.get(format!("https://{address}/")).send().await.unwrap_err();
        assert_eq!(fault(&error), Fault::Tls);
        assert!(fault(&error).nothing_sent());
    }

    #[tokio::test]
    async fn a_closed_port_is_told_from_a_lost_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = client(&ClientOptions::default()).unwrap();
        let dropped = tokio::spawn(async move { drop(listener.accept().await) });
        let error = client.get(format!("http://{address}/")).send().await.unwrap_err();
        assert_eq!(fault(&error), Fault::Interrupted);
        dropped.await.unwrap();

        let error = client.get(format!("http://{address}/")).send().await.unwrap_err();
        assert_eq!(fault(&error), Fault::Connect);
        assert!(fault(&error).nothing_sent());
    }
}
