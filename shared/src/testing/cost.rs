//! What requests cost the store, held to the table in ARCHITECTURE.md.

use super::Reply;

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

impl Reply {
    /// The row of the table for a route that was answered so: calls, RCU, WCU.
    ///
    /// # Panics
    /// Where the answer isn't a success.
    pub fn cost_row(&self, route: &str) -> String {
        assert!(self.status.is_success(), "{route}: {}", self.json());
        let cost = self.header("server-timing").split("desc=\"").nth(1).unwrap_or_default();
        let figures = cost.trim_end_matches('"').split(", ");
        let figures: Vec<_> = figures.filter_map(|figure| figure.split(' ').next()).collect();
        format!("| `{route}` | {} |", figures.join(" | "))
    }
}

/// Holds rows to the table.
///
/// # Panics
/// Where one isn't in it.
pub fn assert_in_the_table(rows: &[String], stored: &str) {
    let all_there = rows.iter().all(|row| ARCHITECTURE.contains(row.as_str()));
    assert!(all_there, "with {stored}:\n{}", rows.join("\n"));
}
