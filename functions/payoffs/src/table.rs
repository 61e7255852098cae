//! Where payoffs lie: `payoff#ID`, in the indexes `location` and `loan` (of a location), each sorted
//! by id, which is by age.

use serde::Serialize;
use shared::answer::Answer;
use shared::audit::{Access, ItemType, Subject};
use shared::auth::Caller;
use shared::list::Paging;
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Order, Otherwise, Page, Partitions, Store, Table};
use uuid::Uuid;

use crate::payoff::Payoff;

#[derive(Serialize)]
struct Row<'a> {
    location_loan: String,
    #[serde(flatten)]
    payoff: &'a Payoff,
}

fn payoff_key(id: Uuid) -> ItemKey {
    ItemKey::new(format!("payoff#{id}"), "payoff")
}

/// The partition of a loan. Another location's loan of the same number is another's.
fn location_loan(location: Uuid, loan_number: &str) -> String {
    format!("{location}#{loan_number}")
}

pub fn subject(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Payoffs, item_id: id }
}

pub fn create(
    caller: &Caller,
    payoff: &Payoff,
    given: &[&'static str],
    answer: Answer,
) -> Result<Change, Problem> {
    let location_loan = location_loan(payoff.location_id, &payoff.terms.loan_number);
    Change::new(caller, Access::Create, subject(payoff.id), given, answer).insert(
        Table::Payoffs,
        &payoff_key(payoff.id),
        &Row { location_loan, payoff },
        Otherwise::DecideAnew,
    )
}

/// A payoff of this location; there are no others.
pub async fn read(store: &Store, location: Uuid, id: Uuid) -> Result<Payoff, Problem> {
    let payoff: Option<Payoff> = store.get(Table::Payoffs, &payoff_key(id)).await?;
    payoff.filter(|payoff| payoff.location_id == location).ok_or(Problem::NOT_FOUND)
}

/// The payoffs of a location, or of one loan of it, newest first.
pub async fn list(
    store: &Store,
    location: Uuid,
    loan_number: Option<&str>,
    paging: &Paging,
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
    paging.page(store, &payoffs, Some).await
}
