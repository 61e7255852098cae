//! Coupons in bulk: import a file of rows, export them as the same rows.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use shared::answer::Answer;
use shared::app::App;
use shared::auth::permissions::CouponsWrite;
use shared::auth::{Allowed, Caller};
use shared::body::Body;
use shared::fields::{Members, Object};
use shared::import::{Counts, Import, Row};
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Change, Order, Page, Store};
use shared::values::Timestamp;

use crate::coupon::Coupon;
use crate::table::{self, Source};
use crate::terms::{MEMBERS, Terms};

/// `POST /coupons/import`
pub async fn import(
    store: Store,
    caller: Allowed<CouponsWrite>,
    body: Body,
) -> Result<Answer, Problem> {
    shared::import::import::<Terms>(&store, &caller, &body).await
}

/// A row is a coupon of its own, unless its terms are those of another: their hash tells.
impl Import for Terms {
    const MEMBERS: Members = MEMBERS;

    fn read(row: &mut Object) -> Option<Self> {
        Self::read(row)
    }

    fn identity(&self) -> String {
        table::content(self)
    }

    /// The entry, the coupon, the counter of its content.
    fn items(&self) -> usize {
        3
    }

    async fn unchanged(store: &Store, rows: &[Row<Self>]) -> Result<usize, Problem> {
        Ok(present(store, rows).await?.len())
    }

    async fn change(
        store: &Store,
        caller: &Caller,
        rows: &[Row<Self>],
        began: Timestamp,
    ) -> Result<Change, Problem> {
        let present = present(store, rows).await?;
        let new = rows.iter().filter(|row| !present.contains(&row.identity));
        let coupons: Vec<_> =
            new.map(|row| Coupon::new(row.id(began), row.value.clone(), began)).collect();
        table::import(caller, &coupons, Answer::ok(&Counts::of(rows, present.len()))?)
    }
}

/// The contents of these rows that the table holds already.
async fn present(store: &Store, rows: &[Row<Terms>]) -> Result<HashSet<String>, Problem> {
    let contents: Vec<_> = rows.iter().map(|row| row.identity.clone()).collect();
    Ok(table::counts(store, &contents).await?.into_keys().collect())
}

/// `GET /coupons/export`
pub async fn export(
    State(app): State<App>,
    store: Store,
    caller: Allowed<CouponsWrite>,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::parse(uri.query(), &["limit", "cursor"]);
    let paging = Paging::read_of(params, &app, &uri, &caller.identity(), 100)?;
    let oldest_first = Source::All.partitions(Order::Ascending);
    let page: Page<Coupon> = paging.page(&store, &oldest_first, Some).await?;
    let contents: Vec<_> = page.items.iter().map(|coupon| table::content(&coupon.terms)).collect();
    let counts = table::counts(&store, &contents).await?;
    let mut items = Vec::new();
    for (coupon, content) in page.items.into_iter().zip(contents) {
        // Of equal coupons the oldest stands for all.
        let alone = counts.get(&content).is_none_or(|count| *count <= 1);
        if alone || table::oldest(&store, content).await?.is_none_or(|oldest| oldest == coupon.id) {
            items.push(coupon.terms);
        }
    }
    paging.answer_lines(&Page { items, next: page.next })
}
