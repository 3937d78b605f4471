//! The root of the keys that seal page tokens and sign the gateway's own tokens.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::Error;
use crate::config::Config;

/// The root as configured, else made once beside the database.
pub(super) fn root(config: &Config) -> Result<SecretString, Error> {
    match (&config.server.secret, &config.database.sqlite_path) {
        (Some(secret), _) => Ok(secret.clone()),
        (None, Some(database)) => {
            let path = database.with_extension("secret");
            read_or_make(&path).map_err(|source| Error::Secret { path, source })
        }
        // Without a place to keep it, it lasts as long as the process.
        (None, None) => random()
            .map_err(|source| Error::Secret { path: PathBuf::from("server.secret"), source }),
    }
}

fn read_or_make(path: &Path) -> io::Result<SecretString> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Ok(SecretString::from(text.trim().to_owned())),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = random()?;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(secret.expose_secret().as_bytes())?;
            file.sync_all()?;
            Ok(secret)
        }
        Err(error) => Err(error),
    }
}

fn random() -> io::Result<SecretString> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no randomness"))?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}
