//! The HTTP of coupons.

use axum::response::{IntoResponse, Response};
use http::Uri;
use shared::answer::Answer;
use shared::auth::permissions::CouponsWrite;
use shared::auth::{Allowed, Anyone, Caller};
use shared::body::Body;
use shared::http::{Ids, NoParams, Routes};
use shared::params::Params;
use shared::precondition::IfMatch;
use shared::problem::Problem;
use shared::store::Store;
use shared::values::Timestamp;
use uuid::Uuid;

use crate::coupon::{Coupon, Usage};
use crate::terms::{MEMBERS, Terms};
use crate::{import, list, redeem, table, usage};

pub fn routes() -> Routes {
    Routes::default()
        .get("/coupons", list::list)
        .post("/coupons", create)
        .post("/coupons/import", import::import)
        .get("/coupons/export", import::export)
        .get("/coupons/{id}", read)
        .put("/coupons/{id}", replace)
        .patch("/coupons/{id}", patch)
        .delete("/coupons/{id}", delete)
        .post("/coupons/{id}/evaluations", redeem::evaluate)
        .post("/coupons/{id}/redemptions", redeem::redeem)
        .get("/coupons/{id}/redemptions", redeem::list)
        .get("/coupons/{id}/redemptions/{rid}", redeem::read)
        .post("/coupons/{id}/redemptions/{rid}/confirm", redeem::confirm)
        .post("/coupons/{id}/redemptions/{rid}/cancel", redeem::cancel)
        .get("/coupons/{id}/stats", redeem::stats)
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
        let answer = Answer::created(location, &coupon.clone().seen_at(now, Usage::default()))?;
        table::create(caller, &coupon, answer.with_version(coupon.version))
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// `GET /coupons/{id}`
async fn read(store: Store, _: Anyone, Ids(id): Ids<Uuid>, uri: Uri) -> Result<Response, Problem> {
    let mut params = Params::parse(uri.query(), &["at"]);
    let at = params.optional("at", Timestamp::parse);
    params.finish()?;
    let at = at.unwrap_or_else(Timestamp::now);
    let (coupon, usage) =
        futures_util::try_join!(table::read(&store, id), usage::usage(&store, id, at))?;
    let version = coupon.version;
    let seen = coupon.seen_at(at, usage);
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
    amend(&store, &caller, id, &if_match, |_| Ok(terms.clone())).await
}

/// `PATCH /coupons/{id}`
async fn patch(
    store: Store,
    caller: Allowed<CouponsWrite>,
    Ids(id): Ids<Uuid>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Problem> {
    amend(&store, &caller, id, &if_match, |old| body.patch(old, MEMBERS, Terms::read)).await
}

/// Gives a coupon the terms that follow from those that it has.
async fn amend(
    store: &Store,
    caller: &Caller,
    id: Uuid,
    if_match: &IfMatch,
    terms: impl Fn(&Terms) -> Result<Terms, Problem>,
) -> Result<Answer, Problem> {
    let terms = &terms;
    let decide = || async move {
        let now = Timestamp::now();
        let (old, usage) =
            futures_util::try_join!(table::read(store, id), usage::usage(store, id, now))?;
        if_match.check(old.version)?;
        let coupon = old.amended(terms(&old.terms)?, now);
        let answer = Answer::ok(&coupon.clone().seen_at(now, usage))?.with_version(coupon.version);
        table::replace(caller, &old, &coupon, answer)
    };
    store.commit(None, decide).await
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
        table::delete(caller, &old)
    };
    store.commit(None, decide).await
}
