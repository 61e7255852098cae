//! All routers of a test behind the template's routes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use secrecy::ExposeSecret;
use serde_json::Value;
use uuid::Uuid;

use super::{Client, FaultProxy, Policy};
use crate::app::{App, Function};
use crate::audit::StoredEntry;
use crate::auth::{Claim, DEFAULT_LOCATION, Scope, StoredKey, User};
use crate::embedded::{Embedded, Stream, Template, gateway};
use crate::store::{Item, Table};
use crate::values::Timestamp;
use crate::worker::{Event, Failed, Handle, Worker};

pub const ADMIN_TOKEN: &str = "an-admin-token-for-tests";

/// Functions over an empty DynamoDB of their own, with a proxy for faults between them.
pub struct TestApp {
    router: Router,
    app: App,
    direct: App,
    pub faults: FaultProxy,
    dynamodb: aws_sdk_dynamodb::Client,
    functions: Vec<Function>,
    settings: HashMap<String, String>,
    embedded: Arc<Embedded>,
}

/// The environment of a process in a test.
fn variable(
    template: &Template,
    settings: &HashMap<String, String>,
    name: &str,
    dynamodb: String,
) -> Option<String> {
    match (name, settings.get(name)) {
        ("AWS_ENDPOINT_URL_DYNAMODB", _) => Some(dynamodb),
        (_, Some(set)) => Some(set.clone()),
        ("ADMIN_TOKEN", _) => Some(ADMIN_TOKEN.to_owned()),
        // Only tests of limits want to meet one.
        ("RATE_LIMIT_PER_MINUTE", _) => Some("1000000".to_owned()),
        ("CURSOR_SECRET" | "AUDIT_SECRET", _) => {
            Some("a-secret-of-thirty-two-characters".to_owned())
        }
        (name, _) => template.variable(name),
    }
}

impl TestApp {
    /// # Panics
    /// Where the harness itself can't start, as do its other methods.
    pub async fn start(functions: &[Function]) -> Self {
        Self::start_with(functions, &[]).await
    }

    /// Leaves the proxy out of the way, for measurements.
    pub const WITHOUT_FAULTS: (&str, &str) = ("FAULTS", "none");

    /// With settings of the test's own.
    pub async fn start_with(functions: &[Function], settings: &[(&str, &str)]) -> Self {
        let embedded = Arc::new(Embedded::start(None, 0).expect("an embedded DynamoDB"));
        // A function of the test's own has all tables, and no policy.
        let is_real = functions.iter().all(|function| function.tables.len() < Table::ALL.len());
        let names: Vec<_> = functions.iter().map(|function| function.name).collect();
        let policy = is_real.then(|| Policy::of(&names));
        let faults = FaultProxy::start(embedded.url(), policy).await.expect("a proxy");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings = settings.iter().map(owned).collect();
        let app = Self::instance(functions.to_vec(), settings, embedded, faults).await;
        let template = Template::of_the_project().expect("a template");
        template.create_tables(&app.dynamodb).await.expect("tables");
        app
    }

    /// The same functions over the same tables in another process, as it were: with nothing known.
    pub async fn another_instance(&self) -> Self {
        let (functions, settings) = (self.functions.clone(), self.settings.clone());
        Self::instance(functions, settings, Arc::clone(&self.embedded), self.faults.clone()).await
    }

    async fn instance(
        functions: Vec<Function>,
        settings: HashMap<String, String>,
        embedded: Arc<Embedded>,
        faults: FaultProxy,
    ) -> Self {
        let template = Template::of_the_project().expect("a template");
        let variable = |name: &str, url| variable(&template, &settings, name, url);
        let through = App::start(&Table::ALL, |name| variable(name, faults.url())).await;
        let direct = App::start(&Table::ALL, |name| variable(name, embedded.url())).await;
        let (through, direct) = (through.expect("settings"), direct.expect("settings"));
        let dynamodb = direct.dynamodb().clone();
        let faultless = settings.contains_key(Self::WITHOUT_FAULTS.0);
        let app = if faultless { direct.clone() } else { through };
        let router = gateway(template, &functions, &app);
        Self { router, app, direct, faults, dynamodb, functions, settings, embedded }
    }

    /// Hands a worker everything that the streams have for it, until there is nothing more: how
    /// many records it did. It goes through the proxy, and is given up where it fails 20 times.
    pub async fn drain(&self, worker: &Worker) -> usize {
        let (handle, mut streams) = self.streams(worker).await;
        let (mut done, mut failures) = (0, 0);
        loop {
            let mut more = false;
            for stream in &mut streams {
                if let Some(did) = stream.hand_over(&handle).await {
                    more |= did > 0;
                    done += did;
                } else {
                    more = true;
                    failures += 1;
                }
            }
            assert!(failures < 20, "{} fails on and on", worker.name);
            if !more {
                return done;
            }
        }
    }

    /// Drives a worker beside what else goes on, whatever fails, until it is dropped.
    pub async fn drive(&self, worker: &Worker) {
        let (handle, mut streams) = self.streams(worker).await;
        loop {
            for stream in &mut streams {
                while stream.hand_over(&handle).await.is_some_and(|did| did > 0) {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A process of a worker, which may do what template.yaml allows it.
    async fn begun(&self, worker: &Worker, template: &Template) -> Handle {
        let policy = Policy::of(&[worker.name]);
        let proxy = self.faults.beside(Some(policy)).await.expect("a proxy");
        let variable = |name: &str| variable(template, &self.settings, name, proxy.url());
        worker.begin(variable).await.expect("a worker").0
    }

    async fn streams(&self, worker: &Worker) -> (Handle, Vec<Stream>) {
        let template = Template::of_the_project().expect("a template");
        let handle = self.begun(worker, &template).await;
        let mapped = template.mappings().iter().filter(|mapping| mapping.worker == worker.name);
        let url = self.embedded.url();
        let streams = mapped.map(|of| Stream::new(&url, &of.table, of.batch_size));
        (handle, streams.collect())
    }

    /// Calls a worker with one event.
    pub async fn call(&self, worker: &Worker, payload: Value) -> Result<Value, Failed> {
        let template = Template::of_the_project().expect("a template");
        let handle = self.begun(worker, &template).await;
        handle(Event::new(payload)).await
    }

    /// The connection itself, past the proxy.
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        &self.dynamodb
    }

    /// What the functions of this test share, to dress one of them alone.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The same past the proxy, for an operator who may do anything.
    pub fn direct(&self) -> &App {
        &self.direct
    }

    pub fn anon(&self) -> Client {
        Client::of(self.router.clone())
    }

    pub fn admin(&self) -> Client {
        self.anon().header("x-admin-token", ADMIN_TOKEN)
    }

    /// A caller with this API key.
    pub fn with_key(&self, key: &str) -> Client {
        self.anon().header("x-api-key", key)
    }

    /// A new user with these scopes.
    pub async fn user(&self, username: &str, scopes: &[Scope]) -> Client {
        self.with_key(&self.user_key(username, scopes).await)
    }

    /// The key of a new user.
    pub async fn user_key(&self, username: &str, scopes: &[Scope]) -> String {
        self.user_key_and_id(username, scopes).await.0
    }

    /// The key and the id of a new user, who is put into the table as `POST /users` would.
    pub async fn user_key_and_id(&self, username: &str, scopes: &[Scope]) -> (String, Uuid) {
        let now = Timestamp::now();
        let user = User {
            id: Uuid::now_v7(),
            username: username.to_owned(),
            scopes: scopes.iter().copied().collect(),
            location_ids: vec![DEFAULT_LOCATION],
            oidc_subject: None,
            disabled: false,
            rate_limit_per_minute: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let (key, token) = StoredKey::new(user.id, now).expect("a key");
        self.put(
            Table::Users,
            User::item_key(user.id).attributes(),
            serde_dynamo::to_item(&user).expect("an item"),
        )
        .await;
        self.put(
            Table::Users,
            StoredKey::item_key(key.key_id).attributes(),
            serde_dynamo::to_item(&key).expect("an item"),
        )
        .await;
        (token.expose_secret().to_owned(), user.id)
    }

    /// Claims a subject of the identity provider for a user.
    pub async fn claim_subject(&self, subject: &str, user: Uuid) {
        let claim = serde_dynamo::to_item(Claim { user_id: user }).expect("an item");
        self.put(Table::Users, User::subject_key(subject).attributes(), claim).await;
        self.set(Table::Users, &format!("user#{user}"), "user", "oidc_subject", subject).await;
    }

    /// Puts an item behind the API's back.
    pub async fn put(&self, table: Table, key: Item, item: Item) {
        let put = self.dynamodb.put_item().table_name(self.table(table)).set_item(Some(item));
        let put = key.into_iter().fold(put, |put, (name, value)| put.item(name, value));
        put.send().await.expect("a put");
    }

    /// Sets one attribute of an item behind the API's back.
    pub async fn set(
        &self,
        table: Table,
        pk: &str,
        sk: &str,
        name: &str,
        value: impl serde::Serialize,
    ) {
        let value: AttributeValue = serde_dynamo::to_attribute_value(value).expect("a value");
        let update = self.dynamodb.update_item().table_name(self.table(table));
        let update = update
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()));
        let update = update
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", value).send().await.expect("an update");
    }

    /// Everything in a table.
    pub async fn items(&self, table: Table) -> Vec<Item> {
        items(&self.dynamodb, &self.table(table)).await
    }

    /// All audit entries of one type, oldest first: `USERNAME ACCESS TYPE [CHANGED]`. Each must be
    /// signed.
    pub async fn audit(&self, item_type: &str) -> Vec<String> {
        let mut entries = self.entries().await;
        entries.retain(|stored| stored.entry.item_type == item_type);
        entries.sort_by_key(|stored| stored.entry.id);
        entries
            .iter()
            .map(|stored| {
                assert!(
                    stored.is_genuine(&self.app.settings.basics.audit_secret),
                    "an entry isn't signed"
                );
                let entry = &stored.entry;
                let access = serde_json::to_value(entry.access_type).expect("a word");
                let access = access.as_str().unwrap_or_default();
                format!(
                    "{} {access} {} [{}]",
                    entry.username,
                    entry.item_type,
                    entry.changed.join(" ")
                )
            })
            .collect()
    }

    /// All audit entries, in no order.
    pub async fn entries(&self) -> Vec<StoredEntry> {
        let items = self.items(Table::Audit).await;
        items.into_iter().map(|item| serde_dynamo::from_item(item).expect("an entry")).collect()
    }

    /// Takes a table away, as nobody should.
    pub async fn delete_table(&self, table: Table) {
        self.dynamodb
            .delete_table()
            .table_name(self.table(table))
            .send()
            .await
            .expect("a deletion");
    }

    /// The name of a table.
    pub fn table(&self, table: Table) -> String {
        self.app.store.table_name(table).to_owned()
    }
}

/// Everything in a table of this name.
///
/// # Panics
/// Where it can't be read.
pub async fn items(dynamodb: &aws_sdk_dynamodb::Client, table: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut start: Option<HashMap<String, AttributeValue>> = None;
    loop {
        let scan = dynamodb.scan().table_name(table).set_exclusive_start_key(start);
        let page = scan.send().await.expect("a scan");
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return items;
        }
    }
}
