//! What template.yaml allows a function in DynamoDB, so that a test fails where an account would
//! refuse.

use std::collections::BTreeSet;

use serde_json::Value;

/// An action on a table or one of its indexes; `ENCLOSED` stands before what is allowed within a
/// transaction alone.
#[derive(Debug)]
pub struct Policy(BTreeSet<String>);

const ENCLOSED: &str = "TransactWriteItems>";

/// A text, or all of a list.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

impl Policy {
    /// All that the functions of these binaries may do.
    ///
    /// # Panics
    /// Where template.yaml can't be read.
    pub fn of(binaries: &[&str]) -> Self {
        let yaml = include_str!("../../../template.yaml");
        let template: Value = serde_saphyr::from_str(yaml).expect("a template");
        let resources = template["Resources"].as_object().expect("resources");
        let own = resources.values().filter(|resource| {
            let binary = &resource["Metadata"]["BuildProperties"]["Binary"];
            binary.as_str().is_some_and(|binary| binaries.contains(&binary))
        });
        let policies =
            own.flat_map(|own| own["Properties"]["Policies"].as_array().into_iter().flatten());
        let statements =
            policies.flat_map(|policy| policy["Statement"].as_array().into_iter().flatten());
        let mut allowed = BTreeSet::new();
        for statement in statements.filter(|statement| statement["Effect"] == "Allow") {
            let within =
                &statement["Condition"]["ForAnyValue:StringEquals"]["dynamodb:EnclosingOperation"];
            let enclosed = if within.is_null() { "" } else { ENCLOSED };
            let actions = texts(&statement["Action"]);
            for action in actions.iter().filter_map(|action| action.strip_prefix("dynamodb:")) {
                for resource in texts(&statement["Resource"]) {
                    // `!GetAtt Table.Arn` or `!Sub ${Table.Arn}/index/name`, without their tags.
                    let plain = resource.replace("${", "").replace('}', "");
                    let Some((id, index)) = plain.split_once(".Arn") else { continue };
                    let name =
                        resources[id]["Properties"]["TableName"].as_str().unwrap_or_default();
                    let table = name.replace("${AWS::StackName}", "quartet");
                    allowed.insert(format!("{enclosed}{action} {table}{index}"));
                }
            }
        }
        Self(allowed)
    }

    /// What of a call isn't allowed.
    pub fn refuses(&self, operation: &str, request: &Value) -> Option<String> {
        let table = |of: &Value| of["TableName"].as_str().unwrap_or_default().to_owned();
        let asked: Vec<String> = match operation {
            "TransactWriteItems" => {
                let items = request["TransactItems"].as_array().into_iter().flatten();
                let writes = items.flat_map(|item| item.as_object().into_iter().flatten());
                let asked = |(kind, write): (&String, &Value)| match kind.as_str() {
                    "ConditionCheck" => format!("ConditionCheckItem {}", table(write)),
                    kind => format!("{kind}Item {}", table(write)),
                };
                writes.map(asked).collect()
            }
            "BatchGetItem" => {
                let tables = request["RequestItems"].as_object().into_iter().flatten();
                tables.map(|(table, _)| format!("{operation} {table}")).collect()
            }
            _ => match request["IndexName"].as_str() {
                Some(index) => vec![format!("{operation} {}/index/{index}", table(request))],
                None => vec![format!("{operation} {}", table(request))],
            },
        };
        let is_transaction = operation == "TransactWriteItems";
        let is_allowed = |asked: &String| {
            self.0.contains(asked)
                || (is_transaction && self.0.contains(&format!("{ENCLOSED}{asked}")))
        };
        asked.into_iter().find(|asked| !is_allowed(asked))
    }
}
