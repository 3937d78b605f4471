//! `cwsgate key new`: makes an API key for an app.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    auth::{ApiKey, GenerateError},
    domain::{AppName, InvalidId},
};

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The app cannot have that name.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// There was no randomness.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The key could not be written out; it is lost, which does no harm.
    #[error("the key could not be printed")]
    Print(#[from] io::Error),
}

/// Makes a key for the app called `app` and writes it to `out` with the lines that belong into the
/// configuration, or as `{"key":…,"hash":…}`. The key is stored nowhere: this is its only showing.
pub fn new(app: &str, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let app = AppName::try_from(app)?;
    let key = ApiKey::generate()?;
    let hash = key.hash().to_string();
    if json {
        serde_json::to_writer(&mut *out, &Made { key: key.expose(), hash: &hash })
            .map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        // A bare key holds letters, digits, '_' and '-' (TOML 1.0, "Keys").
        let bare = !app.as_str().contains('.');
        let name = if bare { app.to_string() } else { format!("\"{app}\"") };
        write!(
            out,
            "API key of {app}, shown this once only; give it to the app:\n\n\
             {}\n\n\
             Its hash; paste this into the configuration:\n\n\
             [apps.{name}]\n\
             keys = [\"{hash}\"]\n\
             grants = [{{ actions = [\"read\"], customers = [\"*\"] }}]\n\n\
             An app that is there already: add the hash to its `keys`; two may be valid at a time.\n",
            key.expose(),
        )?;
    }
    out.flush()?;
    Ok(())
}

#[derive(Serialize)]
struct Made<'a> {
    key: &'a str,
    hash: &'a str,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Environment, LoadOptions};

    fn made(app: &str, json: bool) -> String {
        let mut out = Vec::new();
        new(app, json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_printed_can_be_pasted_and_the_key_then_works() {
        for app in ["helpdesk", "help.desk-2"] {
            let shown = made(app, false);
            let key = shown.lines().find(|line| ApiKey::is_meant_by(line)).unwrap();
            let toml = shown.lines().skip_while(|line| !line.starts_with('[')).take(3);
            let toml = toml.collect::<Vec<_>>().join("\n");
            let now = "2030-01-01T00:00:00Z".parse().unwrap();
            let options = LoadOptions { now, allow_anonymous: false };

            let loaded = Config::parse(&toml, Path::new("."), &Environment::default(), options);

            assert_eq!(loaded.findings, []);
            let config = loaded.config.unwrap();
            assert!(ApiKey::parse(key).unwrap().verify(&config.apps[app].keys[0]));
        }
    }

    #[test]
    fn json_holds_key_and_hash_and_nothing_else() {
        let shown = made("helpdesk", true);
        let made: serde_json::Value = serde_json::from_str(&shown).unwrap();

        let key = ApiKey::parse(made["key"].as_str().unwrap()).unwrap();
        assert_eq!(made["hash"], key.hash().to_string());
        assert_eq!(made.as_object().unwrap().len(), 2);
        assert_eq!(shown.lines().count(), 1);
    }

    #[test]
    fn a_name_that_cannot_be_an_app_is_refused() {
        assert!(matches!(new("two words", false, &mut Vec::new()), Err(Error::Name(_))));
    }
}
