//! Metrics in CloudWatch's embedded metric format: members of a log line, so that a request costs
//! one line and no call.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;

use serde::Serialize;

use crate::values::Timestamp;

const NAMESPACE: &str = "Quartet";

/// What a figure is counted by.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimensions<'a> {
    /// `dev` and `prod` in one account stay apart by it.
    pub environment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
}

/// What one request or call adds to the metrics.
#[derive(Serialize)]
pub struct Metrics<'a> {
    _aws: Declared,
    #[serde(flatten)]
    whose: Dimensions<'a>,
    #[serde(flatten)]
    values: BTreeMap<&'static str, f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Declared {
    timestamp: i64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: Vec<Vec<&'static str>>,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl<'a> Metrics<'a> {
    /// What is zero is left out: a metric is paid for in each hour that names it. `always` isn't.
    pub fn new(
        whose: Dimensions<'a>,
        always: &[(&'static str, &'static str, f64)],
        unless_zero: &[(&'static str, &'static str, f64)],
    ) -> Self {
        let counted = unless_zero.iter().filter(|(.., value)| *value != 0.0);
        let figures: Vec<_> = always.iter().chain(counted).collect();
        let metrics = figures.iter().map(|(name, unit, _)| Metric { name, unit }).collect();
        let dimensions = match whose {
            Dimensions { route: Some(_), .. } => {
                vec![vec!["Environment", "Service", "Route"], vec!["Environment", "Service"]]
            }
            Dimensions { service: Some(_), .. } => vec![vec!["Environment", "Service"]],
            _ => vec![vec!["Environment"]],
        };
        let directive = Directive { namespace: NAMESPACE, dimensions, metrics };
        Self {
            _aws: Declared { timestamp: Timestamp::now().ms(), cloud_watch_metrics: [directive] },
            whose,
            values: figures.iter().map(|(name, _, value)| (*name, *value)).collect(),
        }
    }
}
