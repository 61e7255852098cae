//! docs/openapi.json is what the functions say of themselves, and says it of all their routes.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;

use local::FUNCTIONS;
use serde_json::Value;
use shared::embedded::Template;
use shared::openapi::{Description, document};

type Result = std::result::Result<(), Box<dyn Error>>;

/// In the order in which a reader meets them.
fn described() -> Vec<Description> {
    vec![
        coupons::openapi::description(),
        encounters::openapi::description(),
        ecgs::openapi::description(),
        outages::openapi::description(),
        reference::openapi::description(),
        payoffs::openapi::description(),
        users::openapi::description(),
        audit::openapi::description(),
        docs::openapi::description(),
        system::openapi::description(),
    ]
}

#[test]
fn the_document_is_as_the_functions_say() -> Result {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let made = document(env!("CARGO_PKG_VERSION"), &described());
    let made = format!("{}\n", serde_json::to_string_pretty(&made)?);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &made)?;
    }
    let kept = std::fs::read_to_string(&path)?;
    let differs = kept.lines().zip(made.lines()).position(|(kept, made)| kept != made);
    assert!(
        kept == made,
        "docs/openapi.json differs from line {:?} on: UPDATE=1 cargo test -p local --test openapi",
        differs.map(|line| line + 1),
    );
    Ok(())
}

#[test]
fn each_function_describes_its_own_routes_and_no_others() -> Result {
    let template = Template::of_the_project()?;
    let described = described();
    let names: BTreeSet<_> = described.iter().map(|of| of.name).collect();
    assert_eq!(names, FUNCTIONS.iter().map(|of| of.name).collect());
    for function in FUNCTIONS {
        let routes = (function.routes)();
        let served: BTreeSet<_> =
            routes.list().iter().map(|(method, path)| (method.as_str(), *path)).collect();
        let of = described.iter().find(|of| of.name == function.name).ok_or(function.name)?;
        let said: Vec<_> = of.operations.iter().map(|of| (of.method, of.path)).collect();
        assert_eq!(said.len(), served.len(), "{}: one stated twice", function.name);
        assert_eq!(said.iter().copied().collect::<BTreeSet<_>>(), served, "{}", function.name);
        for (_, path) in said {
            assert_eq!(template.function_of(path), Some(function.name), "{path}");
        }
    }
    Ok(())
}

#[test]
fn every_reference_leads_somewhere_and_no_name_is_given_twice() {
    let described = described();
    let mut names = BTreeSet::new();
    for (name, _) in described.iter().flat_map(|of| &of.schemas) {
        assert!(names.insert(*name), "{name} twice");
    }
    let made = document("1", &described);
    let mut references = Vec::new();
    collect(&made, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        assert!(made.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn every_path_parameter_is_stated_and_needed() {
    for operation in described().iter().flat_map(|of| &of.operations) {
        let steps = operation.path.split('/').filter_map(|step| step.strip_prefix('{'));
        let in_path: BTreeSet<_> =
            steps.map(|step| step.trim_end_matches('}').to_owned()).collect();
        let stated = operation.parameters.iter().filter(|of| of["in"] == "path");
        let stated: BTreeSet<_> =
            stated.filter_map(|of| of["name"].as_str().map(str::to_owned)).collect();
        assert_eq!(stated, in_path, "{} {}", operation.method, operation.path);
    }
}
