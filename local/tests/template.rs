//! What template.yaml must not lose: who may touch what, what is kept, who is told.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::process::Command;

use serde_json::{Value, json};
use shared::embedded::Template;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A short tag is dropped: `!GetAtt X.Arn` reads as `X.Arn`.
fn template() -> Result<Value> {
    Ok(serde_saphyr::from_str(include_str!("../../template.yaml"))?)
}

fn of_type(template: &Value, of: &str) -> Vec<(String, Value)> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    let found = resources.filter(|(_, resource)| resource["Type"] == of);
    found.map(|(id, resource)| (id.clone(), resource["Properties"].clone())).collect()
}

fn functions(template: &Value) -> Vec<(String, Value)> {
    of_type(template, "AWS::Serverless::Function")
}

/// One text, or several.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        text => text.as_str().into_iter().collect(),
    }
}

fn statements(function: &Value) -> Vec<Value> {
    let policies = function["Policies"].as_array().into_iter().flatten();
    let lists = policies.filter_map(|policy| policy["Statement"].as_array());
    lists.flatten().cloned().collect()
}

/// What a function may do, and with what: `("dynamodb:GetItem", "UsersTable.Arn")`.
fn allowed(function: &Value) -> BTreeSet<(String, String)> {
    let mut allowed = BTreeSet::new();
    for statement in statements(function) {
        if statement["Effect"] != "Allow" {
            continue;
        }
        for action in texts(&statement["Action"]) {
            for resource in texts(&statement["Resource"]) {
                allowed.insert((action.to_owned(), resource.to_owned()));
            }
        }
    }
    allowed
}

/// The table of a resource in a policy: `${AuditTable.Arn}/index/day`.
fn table_of(resource: &str) -> &str {
    resource.trim_start_matches("${").split('.').next().unwrap_or_default()
}

#[test]
fn every_function_logs_where_the_log_is_kept_for_a_time_of_ours() -> Result {
    let template = template()?;
    let groups: BTreeMap<_, _> = of_type(&template, "AWS::Logs::LogGroup").into_iter().collect();
    for (id, function) in functions(&template) {
        let group = function["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default();
        let group = groups.get(group).ok_or(format!("{id} has no log group"))?;
        let name = group["LogGroupName"].as_str().unwrap_or_default();
        let binary = template["Resources"][&id]["Metadata"]["BuildProperties"]["Binary"].as_str();
        assert!(name.ends_with(&format!("/{}", binary.unwrap_or_default())), "{id}: {name}");
    }
    for (id, group) in &groups {
        assert!(!group["RetentionInDays"].is_null(), "{id} is kept for ever");
        assert!(!group["KmsKeyId"].is_null(), "{id} knows no key");
    }
    Ok(())
}

#[test]
fn every_function_is_traced_versioned_moved_with_care_and_has_what_all_may_do() -> Result {
    let template = template()?;
    let globals = &template["Globals"]["Function"];
    assert_eq!(globals["Tracing"], "Active");
    assert_eq!(globals["AutoPublishAlias"], "live");
    // A text, which .ci/release finds: the version of a function hangs on it.
    assert_eq!(globals["Environment"]["Variables"]["RELEASE"], "none");
    let canary = &globals["DeploymentPreference"];
    assert_eq!(
        canary["Type"],
        serde_json::json!(["IsCanary", "Canary10Percent5Minutes", "AllAtOnce"])
    );
    for alarm in texts(&canary["Alarms"][1]) {
        let alarm = &template["Resources"][alarm];
        assert_eq!(alarm["Type"], "AWS::CloudWatch::Alarm");
        // The API depends on the functions' aliases, and these on the alarms.
        assert!(!alarm.to_string().contains(r#""Value":"Api""#), "{alarm}");
    }
    for (id, function) in functions(&template) {
        assert_eq!(function["AutoPublishAliasAllProperties"], true, "{id}");
        assert!(function["Policies"][0] == "CommonPolicy", "{id}");
    }
    Ok(())
}

#[test]
fn no_policy_allows_everything_of_a_kind() -> Result {
    let template = template()?;
    for (id, function) in functions(&template) {
        for (action, resource) in allowed(&function) {
            assert!(!action.contains('*'), "{id}: {action}");
            assert!(!resource.contains('*'), "{id}: {action} on {resource}");
        }
    }
    let common =
        &template["Resources"]["CommonPolicy"]["Properties"]["PolicyDocument"]["Statement"];
    for statement in common.as_array().into_iter().flatten() {
        // `!If [HasKey, {..}, !Ref AWS::NoValue]`
        let statement = statement.get(1).unwrap_or(statement);
        let stars = texts(&statement["Action"]).iter().any(|action| action.contains('*'))
            || texts(&statement["Resource"]).iter().any(|resource| resource.contains('*'));
        assert!(!stars, "{statement}");
    }
    Ok(())
}

#[test]
fn nobody_scans_writes_in_batches_or_changes_what_was_audited() -> Result {
    for (id, function) in functions(&template()?) {
        for (action, resource) in allowed(&function) {
            let never = ["dynamodb:Scan", "dynamodb:BatchWriteItem", "dynamodb:DeleteTable"];
            assert!(!never.contains(&action.as_str()), "{id}: {action}");
            let reads = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"];
            let reads = reads.contains(&action.as_str());
            match table_of(&resource) {
                "AuditTable" => {
                    assert!(reads || action == "dynamodb:PutItem", "{id}: {action}");
                    assert!(!reads || id.starts_with("Audit"), "{id} reads the audit");
                }
                "SealsTable" => {
                    assert!(id.starts_with("Audit"), "{id} knows of seals");
                    let writes = id == "AuditSealFunction" && action == "dynamodb:PutItem";
                    assert!(reads || writes, "{id}: {action}");
                }
                _ => {}
            }
        }
        for statement in statements(&function) {
            let puts = texts(&statement["Action"]).contains(&"dynamodb:PutItem");
            if puts && texts(&statement["Resource"]).contains(&"AuditTable.Arn") {
                let within = &statement["Condition"]["ForAnyValue:StringEquals"];
                let within = texts(&within["dynamodb:EnclosingOperation"]);
                assert_eq!(within, ["TransactWriteItems"], "{id} puts entries alone");
            }
        }
    }
    Ok(())
}

#[test]
fn a_function_touches_its_own_tables_and_what_all_share() -> Result {
    let own: BTreeMap<_, &[&str]> = BTreeMap::from([
        ("CouponsFunction", &["CouponsTable"][..]),
        ("PayoffsFunction", &["PayoffsTable"]),
        ("ReferenceFunction", &["FranchisesTable"]),
        ("EncountersFunction", &["EncountersTable"]),
        ("EcgsFunction", &["EcgsTable", "SamplesTable"]),
        ("EcgInsightsFunction", &["EcgsTable", "SamplesTable"]),
        ("UsersFunction", &["UsersTable"]),
        ("OutagesFunction", &["OutagesTable"]),
        ("OutageSyncFunction", &["OutagesTable", "PlansTable"]),
        ("AuditFunction", &["AuditTable", "SealsTable"]),
        ("AuditSealFunction", &["AuditTable", "SealsTable"]),
    ]);
    for (id, function) in functions(&template()?) {
        for (action, resource) in allowed(&function) {
            let table = table_of(&resource);
            if !table.ends_with("Table")
                || own.get(id.as_str()).is_some_and(|own| own.contains(&table))
            {
                continue;
            }
            let shared: &[&str] = match table {
                "UsersTable" => &["GetItem", "BatchGetItem"],
                "AuditTable" => &["PutItem"],
                "IdempotencyTable" => &["GetItem", "PutItem", "UpdateItem"],
                "LimitsTable" => &["UpdateItem"],
                _ => &[],
            };
            let action = action.trim_start_matches("dynamodb:");
            assert!(shared.contains(&action), "{id}: {action} on {table}");
        }
    }
    Ok(())
}

#[test]
fn every_table_can_be_restored_is_encrypted_and_hard_to_lose() -> Result {
    let template = template()?;
    for (id, table) in of_type(&template, "AWS::DynamoDB::Table") {
        let resource = &template["Resources"][&id];
        // A first deployment that fails must leave none that the next one would find in its way.
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{id}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST", "{id}");
        let recovery = &table["PointInTimeRecoverySpecification"];
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{id}");
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{id}");
        assert_eq!(table["SSESpecification"]["KMSMasterKeyId"][1], "KmsKeyArn", "{id}");
        assert_eq!(table["DeletionProtectionEnabled"][1], true, "{id}");
        let name = table["TableName"].as_str().unwrap_or_default();
        assert_eq!(name.contains("audit"), id == "AuditTable", "{name}");
        assert_eq!(name.contains("seals"), id == "SealsTable", "{name}");
    }
    Ok(())
}

#[test]
fn what_a_worker_could_not_do_is_kept_and_rings() -> Result {
    let template = template()?;
    let alarms = of_type(&template, "AWS::CloudWatch::Alarm");
    let watched = |value: &str| alarms.iter().any(|(_, alarm)| alarm.to_string().contains(value));
    for (id, function) in functions(&template) {
        for (event, of) in function["Events"].as_object().into_iter().flatten() {
            let properties = &of["Properties"];
            match of["Type"].as_str() {
                Some("DynamoDB") if id == "AuditSealFunction" => {
                    assert_eq!(properties["MaximumRetryAttempts"], -1);
                    assert_eq!(properties["MaximumRecordAgeInSeconds"], -1);
                    assert!(properties["DestinationConfig"].is_null(), "no entry is passed over");
                }
                Some("DynamoDB") => {
                    let queue = &properties["DestinationConfig"]["OnFailure"]["Destination"];
                    assert!(
                        queue.as_str().is_some_and(|queue| queue.ends_with(".Arn")),
                        "{id}: {event}"
                    );
                }
                Some("ScheduleV2") => {
                    let queue = properties["DeadLetterConfig"]["Arn"].as_str().unwrap_or_default();
                    assert!(queue.ends_with(".Arn"), "{id}: {event}");
                    let kept = &function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
                    assert_eq!(kept["Destination"], queue, "{id}");
                    let named = properties["Name"].as_str().unwrap_or_default();
                    assert!(named.starts_with("${AWS::StackName}-"), "{id}: {event}");
                }
                _ => {}
            }
        }
        assert!(watched(&format!(r#""Value":"{id}""#)), "nobody watches {id}");
    }
    for (queue, _) in of_type(&template, "AWS::SQS::Queue") {
        assert!(watched(&format!(r#""Value":"{queue}.QueueName""#)), "nobody watches {queue}");
    }
    Ok(())
}

#[test]
fn every_alarm_tells_somebody_is_on_the_dashboard_and_has_its_page_in_the_runbook() -> Result {
    let template = template()?;
    let dashboard = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"];
    let dashboard = dashboard.as_str().unwrap_or_default();
    serde_json::from_str::<Value>(dashboard)?;
    let runbook = include_str!("../../docs/RUNBOOK.md");
    let alarms = of_type(&template, "AWS::CloudWatch::Alarm");
    for (id, alarm) in &alarms {
        assert_eq!(texts(&alarm["AlarmActions"]), ["AlarmTopic"], "{id}");
        assert!(dashboard.contains(&format!("\"${{{id}.Arn}}\"")), "{id} isn't on the dashboard");
        assert!(runbook.contains(&format!("\n### {id}\n")), "the runbook is silent on {id}");
        // A sum over more is refused by CloudWatch.
        let metrics = alarm["Metrics"].as_array().map_or(0, Vec::len);
        assert!(metrics <= 11, "{id} has {metrics}");
    }
    let titles = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    for title in titles {
        assert!(alarms.iter().any(|(id, _)| id == title), "no alarm is called {title}");
    }
    Ok(())
}

#[test]
fn our_own_metrics_are_asked_for_as_the_functions_print_them() -> Result {
    let template = template()?;
    let mut alarms = 0;
    for (id, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        if alarm["Namespace"] == "Quartet" {
            alarms += 1;
            let expected = json!([{"Name": "Environment", "Value": "Environment"}]);
            assert_eq!(alarm["Dimensions"], expected, "{id}");
        }
        for query in alarm["Metrics"].as_array().into_iter().flatten() {
            let query = query["Expression"].as_str().unwrap_or_default();
            let own = query.contains("\"Quartet\"");
            let of =
                "SCHEMA(\"Quartet\", Environment, Service) WHERE Environment = '${Environment}'";
            assert!(!own || query.contains(of), "{id}: {query}");
            alarms += usize::from(own);
        }
    }
    assert_eq!(alarms, 7);
    let (_, dashboard) = of_type(&template, "AWS::CloudWatch::Dashboard").remove(0);
    let body = dashboard["DashboardBody"].as_str().unwrap_or_default();
    let searches = body.matches("{Quartet,").count();
    let of = "Environment=\\\"${Environment}\\\" MetricName";
    assert!(searches > 0 && body.matches(of).count() == searches);
    let plain = body.matches("[\"Quartet\", ").count();
    assert_eq!(body.matches("\", \"Environment\", \"${Environment}\"]").count(), plain);
    Ok(())
}

#[test]
fn access_logs_name_routes_and_never_paths() -> Result {
    let template = template()?;
    let api = &template["Resources"]["Api"]["Properties"];
    let format = api["AccessLogSettings"]["Format"].as_str().unwrap_or_default();
    assert!(format.contains("$context.routeKey"));
    for private in ["path", "query", "identity", "authorizer", "domainName"] {
        assert!(!format.contains(private), "{private}");
    }
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert!(!api["DefaultRouteSettings"][limit].is_null(), "{limit}");
    }
    Ok(())
}

/// cargo-lambda, which builds what is deployed, makes it abort where the profile doesn't say.
#[test]
fn a_panic_unwinds_in_what_is_deployed() {
    let manifest = include_str!("../../Cargo.toml");
    let profile = manifest.split("[profile.release]\n").nth(1).unwrap_or_default();
    let profile = profile.split("\n\n").next().unwrap_or_default();
    assert!(profile.lines().any(|line| line == "panic = \"unwind\""), "{profile}");
}

/// `cargo lambda watch` serves what the gateway serves.
#[test]
fn the_workspace_s_metadata_sends_every_path_to_its_function() -> Result {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let watched = &metadata["metadata"]["lambda"]["watch"]["router"];
    let watched = watched.as_object().into_iter().flatten();
    let watched: BTreeSet<_> = watched
        .map(|(path, function)| (path.as_str(), function.as_str().unwrap_or_default()))
        .collect();
    let template = Template::of_the_project()?;
    let declared: BTreeSet<_> = template
        .functions()
        .flat_map(|(name, paths)| paths.iter().map(move |path| (path, name)))
        .map(|(path, name)| match path.as_str() {
            "$default" => ("/{*proxy}".to_owned(), name),
            path => (path.replace("{proxy+}", "{*proxy}"), name),
        })
        .collect();
    let declared: BTreeSet<_> =
        declared.iter().map(|(path, name)| (path.as_str(), *name)).collect();
    assert_eq!(watched, declared);
    Ok(())
}
