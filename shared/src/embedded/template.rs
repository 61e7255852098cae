//! template.yaml, the one place that declares tables and routes.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, Projection,
    StreamSpecification, TimeToLiveSpecification,
};
use serde::Deserialize;
use serde_json::Value;

/// What stands for the stack's name on one machine.
const STACK: &str = "quartet";

/// What of the template matters here. A short tag is dropped: `!Ref X` reads as `X`.
pub struct Template {
    tables: BTreeMap<String, Table>,
    functions: Vec<Function>,
    workers: Vec<Mapping>,
    variables: BTreeMap<String, String>,
    pub(super) cors: Cors,
}

/// What pages of other origins may do.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cors {
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    /// Seconds.
    pub max_age: u64,
}

struct Function {
    binary: String,
    paths: Vec<String>,
}

/// A table's stream that calls a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The worker's binary.
    pub worker: String,
    /// The table's name.
    pub table: String,
    /// The most records in one event.
    pub batch_size: u32,
    /// How many events of one shard may be under way.
    pub parallel: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Table {
    table_name: String,
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<Key>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    time_to_live_specification: Option<TimeToLive>,
    stream_specification: Option<Stream>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stream {
    stream_view_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<Key>,
    projection: IndexProjection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexProjection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    globals: Value,
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    r#type: String,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    properties: Value,
}

impl Template {
    /// The project's own, compiled in.
    pub fn of_the_project() -> Result<Self, String> {
        Self::parse(include_str!("../../../template.yaml"))
    }

    fn parse(yaml: &str) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("template.yaml: {error}");
        let document: Document = serde_saphyr::from_str(yaml).map_err(|error| wrong(&error))?;
        let mut template = Self {
            tables: BTreeMap::new(),
            functions: Vec::new(),
            workers: Vec::new(),
            variables: BTreeMap::new(),
            cors: Cors::default(),
        };
        let mut streams = Vec::new();
        for (id, resource) in document.resources {
            match resource.r#type.as_str() {
                "AWS::DynamoDB::Table" => {
                    let mut table: Table = serde_json::from_value(resource.properties)
                        .map_err(|error| wrong(&error))?;
                    table.table_name = table.table_name.replace("${AWS::StackName}", STACK);
                    template.tables.insert(id, table);
                }
                "AWS::Serverless::HttpApi" => {
                    // `!If [HasCors, {..}, !Ref AWS::NoValue]`
                    let cors = resource
                        .properties
                        .pointer("/CorsConfiguration/1")
                        .cloned()
                        .unwrap_or_default();
                    template.cors = serde_json::from_value(cors).map_err(|error| wrong(&error))?;
                }
                "AWS::Serverless::Function" => {
                    let function = Function::of(&resource);
                    streams.extend(streams_of(&function.binary, &resource));
                    template.functions.push(function);
                }
                _ => {}
            }
        }
        let variables =
            document.globals.pointer("/Function/Environment/Variables").and_then(Value::as_object);
        for (name, value) in variables.into_iter().flatten() {
            let table = value.as_str().and_then(|id| template.tables.get(id));
            template.variables.extend(table.map(|table| (name.clone(), table.table_name.clone())));
        }
        for Mapping { worker, table, batch_size, parallel } in streams {
            let table = template.tables.get(&table).ok_or("template.yaml: no such stream")?;
            let table = table.table_name.clone();
            template.workers.push(Mapping { worker, table, batch_size, parallel });
        }
        Ok(template)
    }

    /// An environment variable that holds a table's name.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    /// The names of all tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.values().map(|table| table.table_name.as_str())
    }

    /// The functions' binaries, each with the paths that it is called for.
    pub fn functions(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.functions.iter().map(|function| (function.binary.as_str(), function.paths.as_slice()))
    }

    /// Which streams call which workers.
    pub fn mappings(&self) -> &[Mapping] {
        &self.workers
    }

    /// The binary that a path belongs to, as an HTTP API chooses: an exact route, else the longest
    /// `{proxy+}`, else `$default`.
    pub fn function_of(&self, path: &str) -> Option<&str> {
        let fit = |route: &str| match route.strip_suffix("/{proxy+}") {
            _ if route == path => Some(usize::MAX),
            Some(prefix) => {
                let below = path.strip_prefix(prefix)?.strip_prefix('/')?;
                (!below.is_empty()).then_some(prefix.len())
            }
            None => (route == "$default").then_some(0),
        };
        let routes = self
            .functions()
            .flat_map(|(binary, paths)| paths.iter().map(move |path| (binary, path)));
        let fits = routes.filter_map(|(binary, route)| Some((fit(route)?, binary)));
        fits.max_by_key(|(fit, _)| *fit).map(|(_, binary)| binary)
    }

    /// Makes the tables that aren't there yet.
    pub async fn create_tables(&self, dynamodb: &Client) -> Result<(), String> {
        for table in self.tables.values() {
            table
                .create(dynamodb)
                .await
                .map_err(|why| format!("table {}: {why}", table.table_name))?;
        }
        Ok(())
    }
}

impl Function {
    fn of(resource: &Resource) -> Self {
        let binary = resource.metadata.pointer("/BuildProperties/Binary").and_then(Value::as_str);
        let events = resource.properties.pointer("/Events").and_then(Value::as_object);
        let path = |event: &Value| event.pointer("/Properties/Path")?.as_str().map(str::to_owned);
        Self {
            binary: binary.unwrap_or_default().to_owned(),
            paths: events.into_iter().flatten().filter_map(|(_, event)| path(event)).collect(),
        }
    }
}

/// The streams that call a function, each with the table's resource in place of its name.
fn streams_of(binary: &str, resource: &Resource) -> Vec<Mapping> {
    let events = resource.properties.pointer("/Events").and_then(Value::as_object);
    let stream = |event: &Value| {
        // `!GetAtt AuditTable.StreamArn`
        let table = event.pointer("/Properties/Stream")?.as_str()?.strip_suffix(".StreamArn")?;
        let number = |name: &str, usual| {
            let number = event.pointer(&format!("/Properties/{name}")).and_then(Value::as_u64);
            number.and_then(|number| u32::try_from(number).ok()).unwrap_or(usual)
        };
        let (worker, table) = (binary.to_owned(), table.to_owned());
        let (batch_size, parallel) = (number("BatchSize", 100), number("ParallelizationFactor", 1));
        Some(Mapping { worker, table, batch_size, parallel })
    };
    events.into_iter().flatten().filter_map(|(_, event)| stream(event)).collect()
}

impl Table {
    async fn create(&self, dynamodb: &Client) -> Result<(), String> {
        let wrong = |error: BuildError| error.to_string();
        let attribute = |attribute: &Attribute| {
            AttributeDefinition::builder()
                .attribute_name(&attribute.attribute_name)
                .attribute_type(attribute.attribute_type.as_str().into())
                .build()
        };
        let attributes: Result<_, _> = self.attribute_definitions.iter().map(attribute).collect();
        let indexes: Result<Vec<_>, _> =
            self.global_secondary_indexes.iter().map(Index::built).collect();
        let stream = |stream: &Stream| {
            let stream = StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(stream.stream_view_type.as_str().into());
            stream.build()
        };
        let stream = self.stream_specification.as_ref().map(stream).transpose();
        let created = dynamodb
            .create_table()
            .table_name(&self.table_name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes.map_err(wrong)?))
            .set_key_schema(Some(keys(&self.key_schema).map_err(wrong)?))
            .set_global_secondary_indexes(
                Some(indexes.map_err(wrong)?).filter(|indexes| !indexes.is_empty()),
            )
            .set_stream_specification(stream.map_err(wrong)?)
            .send()
            .await;
        match created {
            Ok(_) => self.expire(dynamodb).await,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(CreateTableError::is_resource_in_use_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn expire(&self, dynamodb: &Client) -> Result<(), String> {
        let Some(time_to_live) = &self.time_to_live_specification else {
            return Ok(());
        };
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(&time_to_live.attribute_name)
            .enabled(true)
            .build()
            .map_err(|error| error.to_string())?;
        let update = dynamodb.update_time_to_live().table_name(&self.table_name);
        let updated = update.time_to_live_specification(specification).send().await;
        updated.map(drop).map_err(|error| error.to_string())
    }
}

impl Index {
    fn built(&self) -> Result<GlobalSecondaryIndex, BuildError> {
        let names =
            Some(self.projection.non_key_attributes.clone()).filter(|names| !names.is_empty());
        let projection = Projection::builder()
            .projection_type(self.projection.projection_type.as_str().into())
            .set_non_key_attributes(names)
            .build();
        GlobalSecondaryIndex::builder()
            .index_name(&self.index_name)
            .set_key_schema(Some(keys(&self.key_schema)?))
            .projection(projection)
            .build()
    }
}

fn keys(keys: &[Key]) -> Result<Vec<KeySchemaElement>, BuildError> {
    let key = |key: &Key| {
        KeySchemaElement::builder()
            .attribute_name(&key.attribute_name)
            .key_type(key.key_type.as_str().into())
            .build()
    };
    keys.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_to_the_function_that_the_gateway_would_choose() {
        let template = Template::of_the_project();
        let of = |path| template.as_ref().ok().and_then(|template| template.function_of(path));
        for (path, binary) in [
            ("/coupons", "coupons"),
            ("/coupons/export", "coupons"),
            ("/coupons/1/redemptions", "coupons"),
            ("/coupons/", "system"),
            ("/couponsx", "system"),
            ("/health", "system"),
            ("/", "system"),
        ] {
            assert_eq!(of(path), Some(binary), "{path}");
        }
    }

    #[test]
    fn every_table_name_is_known_by_its_variable() -> Result<(), String> {
        let template = Template::of_the_project()?;
        for table in crate::store::Table::ALL {
            let name = template.variable(table.variable()).unwrap_or_default();
            assert!(name.starts_with("quartet-"), "{}: {name:?}", table.variable());
        }
        assert_eq!(template.tables().count(), crate::store::Table::ALL.len());
        Ok(())
    }
}
