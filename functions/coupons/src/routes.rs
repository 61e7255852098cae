//! The HTTP of coupons.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use shared::answer::Answer;
use shared::app::App;
use shared::auth::permissions::CouponsWrite;
use shared::auth::{Allowed, Anyone, Caller};
use shared::body::Body;
use shared::fields::{Fields, Params};
use shared::http::{Ids, NoParams, Routes};
use shared::json::Node;
use shared::list::Paging;
use shared::precondition::IfMatch;
use shared::problem::Problem;
use shared::store::{Change, Order, Store};
use shared::values::{Timestamp, text};
use uuid::Uuid;

use crate::coupon::{Coupon, MEMBERS, StatusFilter, Terms};
use crate::table::Source;
use crate::{import, table};

pub fn routes() -> Routes {
    Routes::default()
        .get("/coupons", list)
        .post("/coupons", create)
        .post("/coupons/import", import::import)
        .get("/coupons/export", import::export)
        .get("/coupons/{id}", read)
        .put("/coupons/{id}", replace)
        .patch("/coupons/{id}", patch)
        .delete("/coupons/{id}", delete)
}

/// `GET /coupons`
async fn list(
    State(app): State<App>,
    store: Store,
    caller: Anyone,
    uri: Uri,
) -> Result<Response, Problem> {
    const PARAMETERS: [&str; 7] =
        ["status", "category", "merchant", "couponcode", "at", "limit", "cursor"];
    let mut params = Params::parse(uri.query(), &PARAMETERS);
    let status = params.optional("status", StatusFilter::parse);
    let category = params.optional("category", text::<256>);
    let merchant = params.optional("merchant", text::<256>);
    let couponcode = params.optional("couponcode", text::<256>);
    let at = params.optional("at", Timestamp::parse);
    let paging = Paging::read(params, &app, &uri, &caller.identity(), 20)?;
    let at = at.unwrap_or(paging.asked_at);
    let (source, leaves_out) = match (&couponcode, &merchant, &category) {
        (Some(code), merchant, category) => {
            (Source::Couponcode(code), merchant.is_some() || category.is_some())
        }
        (None, Some(merchant), category) => (Source::Merchant(merchant), category.is_some()),
        (None, None, Some(category)) => (Source::Category(category), false),
        (None, None, None) => (Source::All, false),
    };
    let is = |wanted: &Option<String>, value: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == value)
    };
    let keep = |coupon: Coupon| {
        let terms = &coupon.terms;
        let fits = is(&couponcode, &terms.couponcode)
            && is(&merchant, &terms.merchant)
            && is(&category, terms.category.as_deref().unwrap_or_default());
        let seen = coupon.seen_at(at);
        (fits && status.is_none_or(|status| status.takes(seen.status))).then_some(seen)
    };
    let selective = leaves_out || status.is_some();
    let after = paging.after.clone();
    let page = table::list(&store, source, Order::Descending, after, paging.limit, selective, keep)
        .await?;
    paging.answer(&page)
}

/// `POST /coupons`
async fn create(
    store: Store,
    caller: Allowed<CouponsWrite>,
    body: Body,
) -> Result<Answer, Problem> {
    let (caller, body) = (&*caller, &body);
    let decide = || async move {
        let terms = body.read(MEMBERS, Terms::read)?;
        let now = Timestamp::now();
        let coupon = Coupon::new(Uuid::now_v7(), terms, now);
        let location = format!("/coupons/{}", coupon.id);
        let answer = Answer::created(location, &coupon.clone().seen_at(now))?;
        table::create(caller, &coupon, answer.with_version(coupon.version))
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// `GET /coupons/{id}`
async fn read(store: Store, _: Anyone, Ids(id): Ids<Uuid>, uri: Uri) -> Result<Response, Problem> {
    let mut params = Params::parse(uri.query(), &["at"]);
    let at = params.optional("at", Timestamp::parse);
    params.finish()?;
    let coupon = table::read(&store, id).await?;
    let version = coupon.version;
    let seen = coupon.seen_at(at.unwrap_or_else(Timestamp::now));
    Ok(Answer::ok(&seen)?.with_version(version).into_response())
}

/// `PUT /coupons/{id}`
async fn replace(
    store: Store,
    caller: Allowed<CouponsWrite>,
    Ids(id): Ids<Uuid>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Problem> {
    let terms = body.read(MEMBERS, Terms::read)?;
    let (store, caller, if_match, terms) = (&store, &*caller, &if_match, &terms);
    let decide = || async move {
        let old = table::read(store, id).await?;
        if_match.check(old.version)?;
        amend(caller, &old, terms.clone())
    };
    store.commit(None, decide).await
}

/// `PATCH /coupons/{id}`
async fn patch(
    store: Store,
    caller: Allowed<CouponsWrite>,
    Ids(id): Ids<Uuid>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Problem> {
    let patch = body.node()?;
    let (store, caller, if_match, patch) = (&store, &*caller, &if_match, &patch);
    let decide = || async move {
        let old = table::read(store, id).await?;
        if_match.check(old.version)?;
        let json = serde_json::to_vec(&old.terms).map_err(|_| Problem::INTERNAL)?;
        let current = Node::parse(&json).map_err(|_| Problem::INTERNAL)?;
        let merged = current.merged_with(patch.clone());
        let terms = Fields::read(&merged, MEMBERS, Terms::read)?;
        amend(caller, &old, terms)
    };
    store.commit(None, decide).await
}

fn amend(caller: &Caller, old: &Coupon, terms: Terms) -> Result<Change, Problem> {
    let now = Timestamp::now();
    let coupon = old.amended(terms, now);
    let answer = Answer::ok(&coupon.clone().seen_at(now))?.with_version(coupon.version);
    table::replace(caller, old, &coupon, answer)
}

/// `DELETE /coupons/{id}`
async fn delete(
    store: Store,
    caller: Allowed<CouponsWrite>,
    Ids(id): Ids<Uuid>,
    if_match: IfMatch,
    _: NoParams,
) -> Result<Answer, Problem> {
    let (store, caller, if_match) = (&store, &*caller, &if_match);
    let decide = || async move {
        let old = table::read(store, id).await?;
        if_match.check(old.version)?;
        Ok(table::delete(caller, &old))
    };
    store.commit(None, decide).await
}
