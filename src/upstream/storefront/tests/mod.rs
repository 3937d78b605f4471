mod account;
mod callers;
mod power_off;
mod stub;
mod wire;

use std::{fmt::Write as _, sync::Arc};

use self::stub::FakeStore;
use super::{Access, PowerOffLink, Resources};
use crate::{
    config::Store,
    upstream::{Error, ErrorKind, testing::context},
};

/// Lists as the store's own account.
async fn listed(fake: &FakeStore, store: &Arc<Store>) -> Result<Resources, Error> {
    fake.upstream.storefront.visit(store, Access::Account).resources(&context()).await
}

async fn kind(fake: &FakeStore, store: &Arc<Store>) -> ErrorKind {
    listed(fake, store).await.unwrap_err().kind
}

/// The link of the one desktop.
async fn link(fake: &FakeStore, store: &Arc<Store>) -> PowerOffLink {
    listed(fake, store).await.unwrap().items[0].power_off.clone().unwrap()
}

/// An error with everything that could be shown of it.
fn described(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = write!(text, " {error} {error:?}");
        cause = error.source();
    }
    text
}
