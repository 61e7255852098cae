//! What a function is made of, and what one process holds for all its requests.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::auth::{Issuer, KnownUsers, install_crypto};
use crate::config::{BadSetting, Settings};
use crate::http::{Context, Routes};
use crate::list::CursorSeal;
use crate::problem::Problem;
use crate::rate_limit::Limiter;
use crate::secrets;
use crate::sentry::Sentry;
use crate::store::{Store, Table};

/// One Lambda function: the tables that it may touch and the routes that it answers.
#[derive(Clone, Copy)]
pub struct Function {
    /// The name of its crate, and in CamelCase that of its resource in template.yaml.
    pub name: &'static str,
    pub tables: &'static [Table],
    pub routes: fn() -> Routes,
}

/// The process's own: settings, the connection to the storage, the seal of its cursors.
#[derive(Clone)]
pub struct App {
    pub(crate) settings: Arc<Settings>,
    pub(crate) store: Store,
    pub(crate) cursors: Arc<CursorSeal>,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) users: Arc<KnownUsers>,
    pub(crate) issuer: Option<Arc<Issuer>>,
    pub(crate) sentry: Option<Arc<Sentry>>,
}

impl App {
    /// `get` reads an environment variable.
    pub async fn start(
        tables: &[Table],
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, BadSetting> {
        let (http, get) = secrets::environment(secrets::OF_FUNCTIONS, get).await?;
        let settings = Settings::from_variables(&get)?;
        install_crypto();
        Ok(Self {
            store: Store::start(http, &settings.basics, tables, &get).await?,
            cursors: Arc::new(CursorSeal::new(&settings.cursor_secret)),
            limiter: Arc::default(),
            users: Arc::default(),
            issuer: settings.issuer.clone().map(|issuer| Arc::new(Issuer::new(issuer))),
            sentry: Sentry::start(&settings.basics),
            settings: Arc::new(settings),
        })
    }

    /// The connection itself, for what makes the tables.
    #[cfg(feature = "embedded")]
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.store.client()
    }

    /// The storage, for a tool: nothing meters it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Says what should be known of this start.
    pub fn announce(&self) {
        if self.issuer.is_none() && !self.settings.services.is_empty() {
            crate::log::services_are_trusted(self.settings.services.len());
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// The storage, with the request's own meter.
impl FromRequestParts<App> for Store {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(app.store.metered(Arc::clone(&Context::of(&parts.extensions).meter)))
    }
}
