use std::{fs, path::Path};

use reqwest::{Method, Version};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::serving::{Serving, until};
use crate::support::{Reply, run, write};

const TLS: &str = "tls = { cert_file = \"tls.crt\", key_file = \"tls.key\" }\n";

/// A certificate for this machine that nobody knows yet.
struct Identity {
    cert: String,
    key: String,
}

impl Identity {
    fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn write(&self, folder: &Path) {
        fs::write(folder.join("tls.key"), &self.key).unwrap();
        fs::write(folder.join("tls.crt"), &self.cert).unwrap();
    }

    /// A client that trusts this certificate alone.
    #[expect(clippy::disallowed_methods, reason = "the room's clients trust the machine's roots")]
    fn client(&self, version: Version) -> reqwest::Client {
        cwsgate::net::install_crypto();
        let root = reqwest::Certificate::from_pem(self.cert.as_bytes()).unwrap();
        let builder = reqwest::Client::builder().tls_certs_only([root]).no_proxy();
        let builder = if version == Version::HTTP_11 { builder.http1_only() } else { builder };
        builder.build().unwrap()
    }
}

async fn serving(identity: &Identity) -> Serving {
    let folder: TempDir = tempfile::tempdir().unwrap();
    identity.write(folder.path());
    Serving::start_in(folder, TLS, |upstream| upstream).await
}

async fn whoami(gateway: &Serving, client: &reqwest::Client) -> reqwest::Result<(Version, Reply)> {
    let request = client.get(format!("{}/v1/whoami", gateway.url));
    let response = request.bearer_auth(gateway.key.expose()).send().await?;
    Ok((response.version(), Reply::read(response).await))
}

#[tokio::test]
async fn the_public_listener_speaks_tls_with_both_versions_of_http() {
    let identity = Identity::new();
    let gateway = serving(&identity).await;

    assert!(gateway.url.starts_with("https://127.0.0.1:"), "{}", gateway.url);
    assert!(gateway.admin.starts_with("http://127.0.0.1:"), "{}", gateway.admin);
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let (spoken, reply) = whoami(&gateway, &identity.client(version)).await.unwrap();
        assert_eq!(spoken, version);
        assert_eq!(reply.ok(200)["app"], "everything");
    }
    let stranger = Identity::new().client(Version::HTTP_2);
    assert!(whoami(&gateway, &stranger).await.unwrap_err().is_connect());
    // The admin listener and the probes stay as they are.
    assert_eq!(gateway.reload_state().await["generation"], 1);

    // Plain HTTP is answered in kind, and nothing behind it is reached.
    let address = gateway.url.strip_prefix("https://").unwrap();
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /v1/whoami HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("\"invalid_request\"") && answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_and_a_wrong_one_is_not() {
    let (first, second) = (Identity::new(), Identity::new());
    let gateway = serving(&first).await;
    let before = first.client(Version::HTTP_2);
    assert!(whoami(&gateway, &before).await.is_ok());

    // The key of another certificate: the old pair stays, loudly.
    gateway.write("tls.key", &second.key);
    let state = gateway.admin(Method::POST, "/actions/reload").await.ok(200);
    assert_eq!((&state["last"]["outcome"], &state["generation"]), (&"failed".into(), &1.into()));
    let findings = state["last"]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|found| found["key"] == "server.tls.key_file"), "{state}");
    assert!(whoami(&gateway, &first.client(Version::HTTP_2)).await.is_ok());

    gateway.write("tls.crt", &second.cert);
    until(async || whoami(&gateway, &second.client(Version::HTTP_2)).await.ok()).await;
    assert!(whoami(&gateway, &first.client(Version::HTTP_2)).await.is_err());
    // The connection from before is still good.
    assert!(whoami(&gateway, &before).await.is_ok());
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_78_before_a_port_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    Identity::new().write(folder.path());
    fs::write(folder.path().join("tls.key"), Identity::new().key).unwrap();
    let text = format!("[server]\n{TLS}");
    let config = write(folder.path(), "gateway.toml", &text);
    let line = format!("{config}:2: error: server.tls.key_file: the key does not belong to");
    for command in ["check", "serve"] {
        let ended = run(&[command, "--config", &config]).await;
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!((ended.out + &ended.errors).contains(&line), "{line}");
    }
}
