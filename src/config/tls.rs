//! The certificate of the public listener.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{
    Error,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

use super::{reader::Field, secrets};

/// How the public listener proves who it is. Certificate and key were read together and belong to
/// each other.
#[derive(Clone)]
pub struct Tls {
    /// PEM file with the certificate chain, the listener's own first.
    pub cert_file: PathBuf,
    /// PEM file with the private key.
    pub key_file: PathBuf,
    /// What was in them.
    pub certified: Arc<CertifiedKey>,
}

impl Tls {
    pub(super) fn read(field: &Field<'_>) -> Option<Self> {
        field.node?;
        let section = field.section("server.tls", "{ cert_file = \"…\", key_file = \"…\" }")?;
        let cert = section.field("cert_file").required("name the PEM file of the chain");
        let key = section.field("key_file").required("name the PEM file of the private key");
        let (chain, private) = (chain(&cert), private_key(&key));
        let ((cert_file, chain), (key_file, private)) = (chain?, private?);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        match CertifiedKey::from_der(chain, private, &provider) {
            Ok(certified) => Some(Self { cert_file, key_file, certified: Arc::new(certified) }),
            Err(Error::InvalidCertificate(_)) => {
                cert.wrong("the first certificate cannot be read", CERT_FIX);
                None
            }
            Err(Error::InconsistentKeys(_)) => {
                let fix = "name the key that the first certificate of cert_file was issued for";
                key.wrong("the key does not belong to the certificate", fix);
                None
            }
            Err(_) => {
                key.wrong("the key cannot be used", "use an RSA, ECDSA or Ed25519 key");
                None
            }
        }
    }

    /// Whether this is the same certificate, and so the same key.
    pub fn is(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("cert_file", &self.cert_file)
            .field("key_file", &self.key_file)
            .finish_non_exhaustive()
    }
}

fn chain(field: &Field<'_>) -> Option<(PathBuf, Vec<CertificateDer<'static>>)> {
    let (path, content) = content(field)?;
    match CertificateDer::pem_slice_iter(&content).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => return Some((path, chain)),
        Ok(_) => field.wrong("it holds no certificate", CERT_FIX),
        Err(_) => field.wrong("this is not a PEM file", CERT_FIX),
    }
    None
}

fn private_key(field: &Field<'_>) -> Option<(PathBuf, PrivateKeyDer<'static>)> {
    let (path, content) = content(field)?;
    match PrivateKeyDer::from_pem_slice(&content) {
        Ok(key) => return Some((path, key)),
        Err(pem::Error::NoItemsFound) => field.wrong(
            "it holds no private key, or an encrypted one",
            "write it as PEM without a password: openssl pkey -in KEY -out tls.key",
        ),
        Err(_) => field.wrong("this is not a PEM file", "convert it: openssl pkey"),
    }
    None
}

fn content(field: &Field<'_>) -> Option<(PathBuf, Zeroizing<Vec<u8>>)> {
    let path = field.context.resolve(&field.node?.origin, field.filled_text()?);
    field.context.uses(&path);
    match secrets::read_file(&path, MAX_PEM) {
        Ok(content) => Some((path, content)),
        Err(problem) => {
            field.wrong(problem, "correct the path or the file's permissions");
            None
        }
    }
}

const CERT_FIX: &str = "write the chain as PEM, the listener's own certificate first";

/// Bytes of a certificate chain or key.
const MAX_PEM: u64 = 1 << 20;
