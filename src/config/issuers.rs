use std::collections::BTreeMap;

use url::Url;

use super::{address, layers::Layers, reader::Field, schema};

/// An identity provider whose tokens are accepted from callers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issuer {
    /// Its name in the configuration.
    pub name: String,
    /// The `iss` claim, compared byte by byte (RFC 7519, section 4.1.1).
    pub issuer: String,
    /// Of which the `aud` claim must hold one; never empty.
    pub audience: Vec<String>,
    /// Where its keys are; discovered from the issuer when absent.
    pub jwks_url: Option<Url>,
    /// The algorithms that its tokens may be signed with; never empty.
    pub algorithms: Vec<Algorithm>,
}

/// A signature algorithm of RFC 7518 and RFC 8037: asymmetric ones only, because whoever can check a
/// symmetric signature can make one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm with its name in the `alg` header.
    pub const ALL: [(&'static str, Self); 9] = [
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    /// Its name in the `alg` header.
    pub fn as_str(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, algorithm)| *algorithm == self);
        named.map_or("", |(name, _)| name)
    }

    fn read(word: &str, field: &Field<'_>) -> Option<Self> {
        let found = Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let problem = match word.to_ascii_uppercase().as_str() {
                "NONE" => "a token without a signature proves nothing",
                "HS256" | "HS384" | "HS512" => "who checks a symmetric signature can forge it",
                _ => "this algorithm is not supported",
            };
            let names = Self::ALL.iter().map(|(name, _)| *name);
            field.wrong(problem, schema::one_of_or_nearest(word, names));
        }
        found
    }
}

impl Issuer {
    /// Reads every issuer below `issuers`.
    pub(super) fn read_all(issuers: &Field<'_>, layers: &Layers) -> BTreeMap<String, Self> {
        let mut found: BTreeMap<String, Self> = BTreeMap::new();
        for field in issuers.named() {
            layers.report_repeated("issuers", &field);
            let Some(issuer) = Self::read(&field) else { continue };
            if let Some(other) = found.values().find(|other| other.issuer == issuer.issuer) {
                let problem = format!("issuer {} has the same `issuer`", other.name);
                field.wrong(problem, "make one of the two, with all audiences");
            }
            found.insert(issuer.name.clone(), issuer);
        }
        found
    }

    fn read(field: &Field<'_>) -> Option<Self> {
        let section = field.section("issuers.*", "a table with `issuer` and `audience`")?;
        let fix = "write the `iss` claim, such as \"https://login.example.test/\"";
        let issuer = section.field("issuer").required(fix);
        // Kept as written: normalizing it would make equal what the provider holds apart.
        let issuer = issuer.checked(|text| address::checked(text).map(|_| text.to_owned()), fix);
        let audience = section.field("audience").required("add audience = [\"cwsgate\"]");
        let words = audience.strings().unwrap_or_default();
        if words.is_empty() && audience.is_set() {
            audience.wrong("it names no audience", "add audience = [\"cwsgate\"]");
        }
        let jwks_url = section.field("jwks_url");
        let jwks_url = jwks_url.checked(address::checked, "write the URL of its keys");
        let field_algorithms = section.field("algorithms");
        let algorithms = if field_algorithms.is_set() {
            let words = field_algorithms.strings().unwrap_or_default();
            if words.is_empty() {
                field_algorithms.wrong("it names no algorithm", "write [\"RS256\"]");
            }
            words.iter().filter_map(|(word, field)| Algorithm::read(word, field)).collect()
        } else {
            vec![Algorithm::Rs256]
        };
        let audience = words.into_iter().map(|(word, _)| word).collect();
        Some(Self { name: field.last.to_owned(), issuer: issuer?, audience, jwks_url, algorithms })
    }
}
