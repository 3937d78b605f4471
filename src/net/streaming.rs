use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use tower::Service;

use super::{
    ClientOptions, Fault,
    client::{POOL_IDLE_TIMEOUT, TCP_KEEPALIVE, install_crypto},
    fault::connect_fault,
};

/// A client without any convenience, for what is passed on as it streams by: HTTP/1.1, no
/// redirects, no proxy, nothing decoded.
pub type StreamingClient<B> = Client<Timed<HttpsConnector<HttpConnector>>, B>;

/// Builds a streaming client. A request is sent again only where none of it had left.
pub fn streaming_client<B>(options: &ClientOptions) -> StreamingClient<B>
where
    B: Body + Send,
    B::Data: Send,
{
    install_crypto();
    let mut http = HttpConnector::new();
    // What may be spoken to in the clear was decided where the hosts were checked.
    http.enforce_http(false);
    http.set_connect_timeout(Some(options.connect_timeout));
    http.set_nodelay(true);
    http.set_keepalive(Some(TCP_KEEPALIVE));
    let https = HttpsConnectorBuilder::new()
        .try_with_platform_verifier()
        .unwrap_or_else(|error| {
            // As in the other client: trusting nobody is the safe way to fail.
            tracing::warn!(%error, "no usable CA certificates: https hosts cannot be reached");
            let nobody = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
            HttpsConnectorBuilder::new().with_tls_config(nobody.with_no_client_auth())
        })
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(options.pool_max_idle_per_host)
        .build(Timed { inner: https, limit: options.connect_timeout })
}

/// Tells what kind of failure a streaming client's error is.
pub fn streaming_fault(error: &hyper_util::client::legacy::Error) -> Fault {
    if error.is_connect() { connect_fault(error) } else { Fault::Interrupted }
}

/// A connector with one limit on all that comes before the first byte: name, TCP and TLS.
#[derive(Clone, Debug)]
pub struct Timed<C> {
    inner: C,
    limit: Duration,
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = C::Response;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(uri));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_tls_handshake_that_hangs_is_a_connection_that_was_not_made() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        let options =
            ClientOptions { connect_timeout: Duration::from_millis(200), ..Default::default() };
        let client: StreamingClient<Body> = streaming_client(&options);

        let request = Request::get(format!("https://{address}/")).body(Body::empty()).unwrap();
        let error = client.request(request).await.unwrap_err();

        assert_eq!(streaming_fault(&error), Fault::Connect);
        silent.abort();
    }

    #[tokio::test]
    async fn a_closed_port_is_told_from_a_lost_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client: StreamingClient<Body> = streaming_client(&ClientOptions::default());
        let dropped = tokio::spawn(async move { drop(listener.accept().await) });
        let get = || Request::get(format!("http://{address}/")).body(Body::empty()).unwrap();
        let error = client.request(get()).await.unwrap_err();
        assert_eq!(streaming_fault(&error), Fault::Interrupted);
        dropped.await.unwrap();

        let error = client.request(get()).await.unwrap_err();
        assert_eq!(streaming_fault(&error), Fault::Connect);
    }
}
