//! The HTTP of redemptions: evaluate, redeem, reserve, confirm, cancel, and the ledger.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Serialize;
use shared::answer::Answer;
use shared::app::App;
use shared::auth::permissions::{CouponsRedeem, CouponsWrite, CouponsWriteOrRedeem};
use shared::auth::{Allowed, Anyone, Caller, Scope};
use shared::body::Body;
use shared::http::{Ids, NoParams};
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Change, Page, Store};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::ledger;
use crate::redemption::{NewRedemption, Question, Redemption};
use crate::rules::{self, Rule};
use crate::standing::Standing;
use crate::{table, usage};

const ORDER_CONFLICT: Problem = Problem::new(
    409,
    "order_conflict",
    "This order has a live redemption of this coupon, with other fields.",
);

/// Whether an order may have the discount, and by which rules.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Evaluation {
    applicable: bool,
    code: Option<&'static str>,
    discount_amount: Option<rust_decimal::Decimal>,
    currency: crate::money::Currency,
    rules: Vec<Rule>,
}

/// `POST /coupons/{id}/evaluations`
pub async fn evaluate(
    store: Store,
    caller: Anyone,
    Ids(id): Ids<Uuid>,
    body: Body,
) -> Result<Answer, Problem> {
    let question = body.read(Question::MEMBERS, Question::read)?;
    let at = question.at.unwrap_or_else(Timestamp::now);
    let may_ask =
        caller.0.as_ref().is_some_and(|caller| caller.scopes().contains(Scope::CouponsRedeem));
    let customer_slots = async {
        match question.customer_id.as_deref().filter(|_| may_ask) {
            Some(customer) => usage::customer_usage(&store, id, customer, at).await.map(Some),
            None => Ok(None),
        }
    };
    let (coupon, usage, customer_slots) = futures_util::try_join!(
        table::read(&store, id),
        usage::usage(&store, id, at),
        customer_slots
    )?;
    let rules = rules::judge(&coupon.terms, question.order, usage, customer_slots, at);
    let code = rules::refusal(&rules).map(|refusal| refusal.code());
    Answer::ok(&Evaluation {
        applicable: code.is_none(),
        code,
        discount_amount: code.is_none().then(|| rules::discount(&coupon.terms, question.order)),
        currency: question.order.currency,
        rules,
    })
}

/// `POST /coupons/{id}/redemptions`
pub async fn redeem(
    store: Store,
    caller: Allowed<CouponsRedeem>,
    Ids(id): Ids<Uuid>,
    body: Body,
) -> Result<Answer, Problem> {
    let (store, caller, body) = (&store, &*caller, &body);
    let decide = || async move {
        let new = body.read(NewRedemption::MEMBERS, NewRedemption::read)?;
        let coupon = table::read(store, id).await?;
        let now = Timestamp::now();
        let standing = Standing::read(store, &coupon, &new.order_id, &new.customer_id, now);
        let standing = Box::pin(standing).await?;
        if let Some(last) = standing.last.as_ref().filter(|last| last.is_live(now)) {
            if !last.is_asked_for_by(&new) {
                return Err(ORDER_CONFLICT);
            }
            return Ok(Change::nothing(Answer::ok(&last.seen_at(now))?));
        }
        if standing.is_behind(&coupon, &new.customer_id) {
            return standing.catch_up();
        }
        let customer_slots = Some(standing.customer_slots(&new.customer_id));
        let rules = rules::judge(&coupon.terms, new.order, standing.usage(), customer_slots, now);
        if let Some(refusal) = rules::refusal(&rules) {
            return Err(refusal);
        }
        let discount = rules::discount(&coupon.terms, new.order);
        let redemption = Redemption::new(id, &new, discount, now)
            .ok_or_else(|| Problem::bug("a reservation beyond the calendar"))?;
        let location = format!("/coupons/{id}/redemptions/{}", redemption.id);
        let answer = Answer::created(location, &redemption.seen_at(now))?;
        standing.redeem(caller, &coupon, &redemption, answer, now)
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// `POST /coupons/{id}/redemptions/{rid}/confirm`
pub async fn confirm(
    store: Store,
    caller: Allowed<CouponsRedeem>,
    Ids(ids): Ids<(Uuid, Uuid)>,
    body: Body,
) -> Result<Answer, Problem> {
    settle(store, &caller, ids, &body, Redemption::confirmed).await
}

/// `POST /coupons/{id}/redemptions/{rid}/cancel`
pub async fn cancel(
    store: Store,
    caller: Allowed<CouponsRedeem>,
    Ids(ids): Ids<(Uuid, Uuid)>,
    body: Body,
) -> Result<Answer, Problem> {
    settle(store, &caller, ids, &body, Redemption::cancelled).await
}

/// Gives a redemption its next version, where there is one.
async fn settle(
    store: Store,
    caller: &Caller,
    (coupon, id): (Uuid, Uuid),
    body: &Body,
    next: fn(&Redemption, Timestamp) -> Result<Option<Redemption>, Problem>,
) -> Result<Answer, Problem> {
    let store = &store;
    let decide = || async move {
        body.says_nothing()?;
        let old = ledger::read(store, coupon, id).await?;
        let now = Timestamp::now();
        match next(&old, now)? {
            Some(new) => ledger::settle(caller, &old, &new, Answer::ok(&new.seen_at(now))?),
            None => Ok(Change::nothing(Answer::ok(&old.seen_at(now))?)),
        }
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// `GET /coupons/{id}/redemptions/{rid}`
pub async fn read(
    store: Store,
    _: Allowed<CouponsWriteOrRedeem>,
    Ids((coupon, id)): Ids<(Uuid, Uuid)>,
    _: NoParams,
) -> Result<Answer, Problem> {
    Answer::ok(&ledger::read(&store, coupon, id).await?.seen_at(Timestamp::now()))
}

/// `GET /coupons/{id}/redemptions`
pub async fn list(
    State(app): State<App>,
    store: Store,
    caller: Allowed<CouponsWrite>,
    Ids(id): Ids<Uuid>,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::parse(uri.query(), &["limit", "cursor"]);
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let ledger = ledger::list(id);
    let page = paging.page(&store, &ledger, Some::<Redemption>);
    let ((), page) = futures_util::try_join!(table::existed(&store, id), page)?;
    let now = Timestamp::now();
    let items = page.items.iter().map(|redemption| redemption.seen_at(now)).collect();
    paging.answer(&Page { items, next: page.next })
}

/// `GET /coupons/{id}/stats`
pub async fn stats(
    store: Store,
    _: Allowed<CouponsWrite>,
    Ids(id): Ids<Uuid>,
    _: NoParams,
) -> Result<Answer, Problem> {
    let stats = usage::stats(&store, id, Timestamp::now());
    let ((), stats) = futures_util::try_join!(table::existed(&store, id), stats)?;
    Answer::ok(&stats)
}
