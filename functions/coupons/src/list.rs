//! The list of coupons, by age or by distance.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use shared::app::App;
use shared::auth::Anyone;
use shared::fields::Wrong;
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Looked, Order, Page, Store};
use shared::values::{Timestamp, plain, text};

use crate::coupon::{Coupon, Seen, StatusFilter};
use crate::near::Search;
use crate::place::Place;
use crate::table::Source;
use crate::usage;

const USUAL_RADIUS_KM: f64 = 10.0;
/// The most coupons whose usage is read at once.
const MOST_AT_ONCE: usize = 100;

/// What a list is asked to hold.
struct Filters {
    status: Option<StatusFilter>,
    category: Option<String>,
    merchant: Option<String>,
    couponcode: Option<String>,
    at: Timestamp,
}

/// `GET /coupons`
pub async fn list(
    State(app): State<App>,
    store: Store,
    caller: Anyone,
    uri: Uri,
) -> Result<Response, Problem> {
    const PARAMETERS: [&str; 9] = [
        "status",
        "category",
        "merchant",
        "couponcode",
        "at",
        "near",
        "radius_km",
        "limit",
        "cursor",
    ];
    let mut params = Params::parse(uri.query(), &PARAMETERS);
    let status = params.optional("status", StatusFilter::parse);
    let category = params.optional("category", text::<256>);
    let merchant = params.optional("merchant", text::<256>);
    let couponcode = params.optional("couponcode", text::<256>);
    let at = params.optional("at", Timestamp::parse);
    let near = params.optional("near", Place::parse);
    let positive = f64::MIN_POSITIVE..=100.0;
    let radius_km =
        params.optional("radius_km", plain(positive, "This must be a number of km, such as 2.5."));
    if radius_km.is_some() && !params.has("near") {
        params.wrong("near", Wrong::REQUIRED);
    }
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let at = at.unwrap_or(paging.asked_at);
    let filters = Filters { status, category, merchant, couponcode, at };
    let page = match near {
        Some(from) => {
            let search = Search { from, radius_km: radius_km.unwrap_or(USUAL_RADIUS_KM) };
            filters.by_distance(&store, &search, &paging).await?
        }
        None => filters.by_age(&store, &paging).await?,
    };
    paging.answer(&page)
}

impl Filters {
    /// Whether a coupon fits, as far as its terms alone tell.
    fn may_take(&self, coupon: &Coupon) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == value)
        };
        let terms = &coupon.terms;
        is(&self.couponcode, &terms.couponcode)
            && is(&self.merchant, &terms.merchant)
            && is(&self.category, terms.category.as_deref().unwrap_or_default())
            && self.status.is_none_or(|status| status.may_take(terms, self.at))
    }

    /// Whether it does fit: one that may be used up, only its usage tells.
    fn takes(&self, seen: &Seen) -> bool {
        self.status.is_none_or(|status| status.takes(seen.status))
    }

    /// The most selective filter's index, and whether other filters leave out some of it.
    fn source(&self) -> (Source<'_>, bool) {
        let others = |others: &[&Option<String>]| {
            self.status.is_some() || others.iter().any(|other| other.is_some())
        };
        match (&self.couponcode, &self.merchant, &self.category) {
            (Some(code), merchant, category) => {
                (Source::Couponcode(code), others(&[merchant, category]))
            }
            (None, Some(merchant), category) => (Source::Merchant(merchant), others(&[category])),
            (None, None, Some(category)) => (Source::Category(category), others(&[])),
            (None, None, None) => (Source::All, others(&[])),
        }
    }

    /// Newest first.
    async fn by_age(&self, store: &Store, paging: &Paging) -> Result<Page<Seen>, Problem> {
        let (source, selective) = self.source();
        let partitions = source.partitions(Order::Descending);
        let mut page = Page { items: Vec::new(), next: paging.after.clone() };
        let mut looked = Looked::default();
        loop {
            let keep = |coupon: Coupon| self.may_take(&coupon).then_some(coupon);
            // Where some may turn out to be used up, as many are judged at once as a page may have.
            let most = if selective { MOST_AT_ONCE } else { paging.limit };
            let found = store
                .search(&partitions, page.next.take(), most, selective, &mut looked, keep)
                .await?;
            page.next = found.next;
            for seen in seen(store, found.items, self.at).await? {
                if page.items.len() == paging.limit {
                    page.next = page.items.last().map(|last: &Seen| last.id().to_string());
                    return Ok(page);
                }
                if self.takes(&seen) {
                    page.items.push(seen);
                }
            }
            if page.items.len() == paging.limit || page.next.is_none() || looked.is_enough() {
                return Ok(page);
            }
        }
    }

    /// Nearest first.
    async fn by_distance(
        &self,
        store: &Store,
        search: &Search,
        paging: &Paging,
    ) -> Result<Page<Seen>, Problem> {
        let keep = |coupon: &Coupon| self.may_take(coupon) && !paging.may_have_had(coupon.moved_at);
        let page = search.page(store, paging.after.clone(), paging.limit, keep).await?;
        let (distances, coupons): (Vec<_>, Vec<_>) =
            page.items.into_iter().map(|found| (found.distance_km, found.coupon)).unzip();
        let mut items = seen(store, coupons, self.at).await?;
        for (seen, km) in items.iter_mut().zip(distances) {
            // To the metre.
            seen.distance_km = Some((km * 1_000.0).round() / 1_000.0);
        }
        items.retain(|seen| self.takes(seen));
        Ok(Page { items, next: page.next })
    }
}

/// Coupons with their usage at a time.
async fn seen(store: &Store, coupons: Vec<Coupon>, at: Timestamp) -> Result<Vec<Seen>, Problem> {
    let ids: Vec<_> = coupons.iter().map(|coupon| coupon.id).collect();
    let usages = usage::usages(store, &ids, at).await?;
    Ok(coupons.into_iter().zip(usages).map(|(coupon, usage)| coupon.seen_at(at, usage)).collect())
}
