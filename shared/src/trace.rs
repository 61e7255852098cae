//! The ids by which AWS X-Ray, Datadog and Sentry find the same call again.

use sentry_types::protocol::v7::{SpanId, TraceId};

/// What Lambda says of an invocation: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=...;Sampled=1`.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    root: String,
    id: u128,
    parent: Option<u64>,
}

impl Trace {
    /// None for what hasn't just that form: a caller may have sent the id to the gateway.
    pub fn parse(header: &str) -> Option<Self> {
        let part = |name: &str| {
            let mut parts = header.split(';').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let root = part("Root")?;
        let (time, rest) = root.strip_prefix("1-")?.split_once('-')?;
        let id = u128::from(hex(time, 8)?) << 96 | u128::from(hex(rest.get(..8)?, 8)?) << 64;
        let id = id | u128::from(hex(rest.get(8..)?, 16)?);
        let parent = part("Parent").and_then(|parent| hex(parent, 16));
        Some(Self { root: root.to_owned(), id, parent })
    }

    /// X-Ray's own.
    pub fn x_ray(&self) -> &str {
        &self.root
    }

    /// Datadog's for a trace of X-Ray: the low 63 bits, in decimal.
    /// <https://github.com/DataDog/datadog-lambda-js/blob/main/src/trace/xray-service.ts>
    pub fn datadog(&self) -> String {
        (self.id & u128::from(u64::MAX >> 1)).to_string()
    }

    /// Datadog's for the span that called, in decimal.
    pub fn datadog_span(&self) -> Option<String> {
        self.parent.map(|parent| parent.to_string())
    }

    /// Sentry's: the same 128 bits.
    pub fn sentry(&self) -> Option<TraceId> {
        format!("{:032x}", self.id).parse().ok()
    }

    pub fn sentry_span(&self) -> Option<SpanId> {
        format!("{:016x}", self.parent?).parse().ok()
    }
}

/// Just so many hexadecimal digits; `from_str_radix` would take a sign, too.
fn hex(digits: &str, count: usize) -> Option<u64> {
    let right = digits.len() == count && digits.bytes().all(|b| b.is_ascii_hexdigit());
    right.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_invocation_has_the_same_trace_for_x_ray_datadog_and_sentry() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:b";
        let trace = Trace::parse(header);
        let of = |id: fn(&Trace) -> Option<String>| trace.as_ref().and_then(id).unwrap_or_default();
        assert_eq!(of(|t| Some(t.x_ray().to_owned())), "1-5759e988-bd862e3fe1be46a994272793");
        // 0xe1be46a994272793 & 0x7fffffffffffffff, 0x53995c3f42cd8ad8
        assert_eq!(of(|t| Some(t.datadog())), "7043144561403045779");
        assert_eq!(of(Trace::datadog_span), "6023947403358210776");
        assert_eq!(of(|t| Some(t.sentry()?.to_string())), "5759e988bd862e3fe1be46a994272793");
        assert_eq!(of(|t| Some(t.sentry_span()?.to_string())), "53995c3f42cd8ad8");
    }

    #[test]
    fn what_has_another_form_is_no_trace() {
        for header in [
            "",
            "Root=",
            "Root=1-5759e988",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-+759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279é",
            "Root=1-5759e988-SSN078-05-1120-a99427279",
        ] {
            assert_eq!(Trace::parse(header), None, "{header}");
        }
        let odd = Trace::parse("Parent=ada@example.com;Root=1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(odd.as_ref().and_then(Trace::datadog_span), None);
        assert!(odd.is_some());
    }
}
