//! Hosts that are not what they should be: nobody, or somebody else.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

/// Who stands where an upstream should.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Host {
    /// A server whose certificate nobody vouches for.
    Untrusted,
    /// A server whose certificate has run out.
    Expired,
    /// A server with the certificate of another one.
    OtherName,
    /// A server that speaks no TLS.
    PlainText,
    /// Nobody: the name does not exist (RFC 6761, section 6.4).
    Unknown,
    /// A server with a good certificate, to see that the others fail for theirs.
    Good,
}

/// A server that counts what it is sent and answers nothing.
pub(super) struct Elsewhere {
    pub(super) url: String,
    /// The authority whose certificates are good, as PEM.
    pub(super) authority: String,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Elsewhere {
    pub(super) async fn start(host: Host) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = match host {
            Host::Unknown => "https://citrix.invalid".to_owned(),
            _ => format!("https://{}", listener.local_addr().unwrap()),
        };
        let (authority, acceptor) = acceptor(host);
        let asked = Arc::<AtomicUsize>::default();
        let serving = tokio::spawn({
            let asked = Arc::clone(&asked);
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (acceptor, asked) = (acceptor.clone(), Arc::clone(&asked));
                    tokio::spawn(async move {
                        let mut first = [0; 1];
                        if host == Host::PlainText {
                            // Reads what should be a greeting, and answers in its own tongue.
                            let _ = stream.read(&mut first).await;
                            let _ = stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                        } else if let Ok(mut stream) = acceptor.accept(stream).await
                            && matches!(stream.read(&mut first).await, Ok(1..))
                        {
                            asked.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                }
            }
        });
        Self { url, authority, asked, serving }
    }

    /// Requests of which anything at all arrived.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Host {
    /// What the log says of it. Whether a name exists is for a resolver to say, and a machine
    /// without one cannot tell.
    pub(super) fn logged(self) -> &'static [&'static str] {
        match self {
            Self::Unknown => &["the host name is unknown", "no connection could be made"],
            Self::Good => &["the connection was lost"],
            _ => &["the TLS handshake failed"],
        }
    }
}

/// A certificate authority, and a server with a certificate that is what `host` says.
fn acceptor(host: Host) -> (String, TlsAcceptor) {
    let authority = || {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
    };
    let ((pem, trusted), (_, other)) = (authority(), authority());
    let name = if host == Host::OtherName { "other.example.test" } else { "127.0.0.1" };
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    if host == Host::Expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 12, 31);
    }
    let key = KeyPair::generate().unwrap();
    let issuer = if host == Host::Untrusted { &other } else { &trusted };
    let certificate = params.signed_by(&key, issuer).unwrap().der().clone();
    cwsgate::net::install_crypto();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (pem, TlsAcceptor::from(Arc::new(config)))
}

/// Makes a test of each host that is not the right one, for one kind of upstream: a request, the
/// key of the configuration that says where the upstream is, the path below it, and the answer.
macro_rules! elsewhere {
    ($ask:expr, $key:literal, $path:literal => $status:literal $code:literal) => {
        mod elsewhere {
            use super::*;
            use $crate::faults::elsewhere::Host;

            async fn check(host: Host) {
                let place = ($key, $path);
                $crate::faults::Row::check_elsewhere($ask, host, place, $status, $code).await;
            }

            $crate::faults::elsewhere::hosts! {
                untrusted: Untrusted; expired: Expired; another_name: OtherName;
                plain_text: PlainText; unknown_name: Unknown;
            }
        }
    };
}
pub(super) use elsewhere;

macro_rules! hosts {
    ($($name:ident: $host:ident;)*) => { $(
        #[tokio::test]
        async fn $name() {
            check(Host::$host).await;
        }
    )* };
}
pub(super) use hosts;
