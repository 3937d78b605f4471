use super::{APP, Folder, Loaded, about, certificate, empty};

const TLS: &str = "[server]\ntls = { cert_file = \"tls.crt\", key_file = \"tls.key\" }\n";

fn load(cert: &str, key: &str) -> Loaded {
    let main = format!("{TLS}{APP}");
    Folder::with(&[("main.toml", &main), ("tls.crt", cert), ("tls.key", key)]).load(&empty())
}

#[test]
fn a_certificate_and_its_key_are_taken() {
    let (cert, key) = certificate();
    let loaded = load(&cert, &key);
    assert_eq!(loaded.findings, []);
    let tls = loaded.config.unwrap().server.tls.unwrap();
    assert_eq!(tls.certified.cert.len(), 1);
    let shown = format!("{tls:?}");
    assert!(!shown.contains("certified") && shown.contains("tls.key"), "{shown}");
}

#[test]
fn a_key_of_another_certificate_is_refused_with_its_line() {
    let loaded = load(&certificate().0, &certificate().1);
    let finding = about(&loaded, "server.tls.key_file");
    assert_eq!(finding.problem, "the key does not belong to the certificate");
    assert_eq!(finding.line, Some(2));
    assert!(loaded.config.is_none());
}

#[test]
fn what_is_no_certificate_or_key_is_named() {
    let (cert, key) = certificate();
    let garbled = cert.replacen("MII", "AAA", 1);
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (cert, key, of, problem) in [
        ("", key.as_str(), "server.tls.cert_file", "it holds no certificate"),
        (&key, &key, "server.tls.cert_file", "it holds no certificate"),
        (&cert[..80], &key, "server.tls.cert_file", "this is not a PEM file"),
        (&garbled, &key, "server.tls.cert_file", "the first certificate cannot be read"),
        (&cert, &cert, "server.tls.key_file", "it holds no private key, or an encrypted one"),
        (&cert, &encrypted, "server.tls.key_file", "it holds no private key, or an encrypted one"),
    ] {
        let loaded = load(cert, key);
        assert_eq!(about(&loaded, of).problem, problem);
        assert!(loaded.config.is_none());
        assert!(!format!("{:?}", loaded.findings).contains("MII"));
    }
}
