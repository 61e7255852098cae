//! What a function is made of, and what one process holds for all its requests.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::config::{BadSetting, Settings};
use crate::http::{Context, Routes};
use crate::list::CursorSeal;
use crate::problem::Problem;
use crate::store::{Store, Table, Tables};

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
}

impl App {
    /// `get` reads an environment variable.
    pub async fn start(
        tables: &[Table],
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, BadSetting> {
        let settings = Settings::from_variables(&get)?;
        let tables = Tables::from_variables(tables, &get)?;
        Ok(Self {
            store: Store::connect(
                settings.dynamodb_url.as_deref(),
                tables,
                settings.audit_secret.clone(),
            )
            .await,
            cursors: Arc::new(CursorSeal::new(&settings.cursor_secret)),
            settings: Arc::new(settings),
        })
    }

    /// The connection itself, for what makes the tables.
    #[cfg(feature = "embedded")]
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.store.client()
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
