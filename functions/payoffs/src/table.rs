//! Where payoffs lie: `payoff#ID`, in the indexes `location` and `loan` (of a location), each sorted
//! by id, which is by age.

use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::{Access, Subject};
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Looked, Order, Otherwise, Page, Partitions, Store, Table};
use uuid::Uuid;

use crate::payoff::Payoff;

#[derive(Serialize, Deserialize)]
struct Row {
    pk: String,
    sk: String,
    location_loan: String,
    #[serde(flatten)]
    payoff: Payoff,
}

fn payoff_key(id: Uuid) -> ItemKey {
    ItemKey::new(format!("payoff#{id}"), "payoff")
}

/// The partition of a loan. Another location's loan of the same number is another's.
fn location_loan(location: Uuid, loan_number: &str) -> String {
    format!("{location}#{loan_number}")
}

pub fn subject(id: Uuid) -> Subject {
    Subject { item_type: "payoffs", item_id: id }
}

pub fn create(
    caller: &Caller,
    payoff: &Payoff,
    given: &[&'static str],
    answer: Answer,
) -> Result<Change, Problem> {
    let ItemKey { pk, sk } = payoff_key(payoff.id);
    let row = Row {
        pk,
        sk: sk.into_owned(),
        location_loan: location_loan(payoff.location_id, &payoff.terms.loan_number),
        payoff: payoff.clone(),
    };
    Change::new(caller, Access::Create, subject(payoff.id), given, answer).insert(
        Table::Payoffs,
        &row,
        Otherwise::DecideAnew,
    )
}

/// A payoff of this location; there are no others.
pub async fn read(store: &Store, location: Uuid, id: Uuid) -> Result<Payoff, Problem> {
    let row: Option<Row> = store.get(Table::Payoffs, &payoff_key(id)).await?;
    let payoff = row.map(|row| row.payoff).filter(|payoff| payoff.location_id == location);
    payoff.ok_or(Problem::NOT_FOUND)
}

/// The payoffs of a location, or of one loan of it, newest first.
pub async fn list(
    store: &Store,
    location: Uuid,
    loan_number: Option<&str>,
    after: Option<String>,
    limit: usize,
) -> Result<Page<Payoff>, Problem> {
    let (index, attribute, value) = match loan_number {
        Some(loan) => ("loan", "location_loan", location_loan(location, loan)),
        None => ("location", "location_id", location.to_string()),
    };
    let payoffs = Partitions {
        table: Table::Payoffs,
        index: Some(index),
        attribute,
        values: vec![value],
        sort: "id",
        order: Order::Descending,
        until: None,
    };
    let keep = |row: Row| Some(row.payoff);
    store.page(&payoffs, after, limit, false, &mut Looked::default(), keep).await
}
