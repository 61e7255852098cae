//! What a coupon is: the terms that can be written, and what follows from them at a time.

use iso_currency::Currency;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use shared::fields::{Members, Object, Wrong};
use shared::json::Node;
use shared::values::{Timestamp, boolean, decimal, integer, lines, number, string, text};
use uuid::Uuid;

/// Digits before the point of an amount, and decimals of a percentage.
const AMOUNT_DIGITS: usize = 15;
const RATE_DECIMALS: usize = 6;
/// The largest integer that every JSON reader keeps exact.
const MOST_REDEMPTIONS: i64 = 9_007_199_254_740_991;

pub const MEMBERS: Members = Members {
    writable: &[
        "category",
        "couponcode",
        "description",
        "merchant",
        "title",
        "store",
        "published_at",
        "expire_at",
        "discount",
        "min_order_amount",
        "max_redemptions",
        "max_redemptions_per_customer",
        "disabled",
    ],
    read_only: &[
        "id",
        "valid",
        "status",
        "times_redeemed",
        "times_reserved",
        "version",
        "created_at",
        "updated_at",
        "distance_km",
    ],
};

const STORE: Members = Members {
    writable: &["lat", "long", "city", "phone", "state", "street", "zip"],
    read_only: &[],
};

const DISCOUNT: Members =
    Members { writable: &["type", "value", "currency", "max_amount"], read_only: &[] };

/// All of a coupon that can be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    pub couponcode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    pub merchant: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Place>,
    published_at: Timestamp,
    expire_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount: Option<Discount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_order_amount: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_redemptions: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_redemptions_per_customer: Option<i64>,
    #[serde(default)]
    disabled: bool,
}

/// The store that takes the coupon. Degrees, both or neither.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    street: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Discount {
    #[serde(rename = "type")]
    kind: Kind,
    /// Percent of the order, or an amount in `currency`.
    value: Decimal,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_amount: Option<Decimal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Percent,
    Amount,
}

impl Terms {
    /// Every wrong field of a body is entered with `coupon`; None then.
    pub fn read(coupon: &mut Object) -> Option<Self> {
        let category = coupon.optional("category", string(text::<256>));
        let couponcode = coupon.required("couponcode", string(text::<256>));
        let description = coupon.optional("description", string(lines::<4096>));
        let merchant = coupon.required("merchant", string(text::<256>));
        let title = coupon.required("title", string(text::<256>));
        // A store of which nothing is said is none.
        let store = coupon
            .object("store", STORE, |place| Some(Place::read(place)))
            .filter(|store| *store != Place::default());
        let published_at = coupon.required("published_at", string(Timestamp::parse));
        let expire_at = coupon.required("expire_at", string(Timestamp::parse));
        let currency = currency_of(coupon);
        let discount =
            coupon.object("discount", DISCOUNT, |discount| Discount::read(discount, currency));
        let min_order_amount = coupon.optional("min_order_amount", amount(currency));
        if needs_currency(coupon) && coupon.node_within("discount", "currency").is_none() {
            coupon.wrong_within("discount", "currency", Wrong::REQUIRED);
        }
        let max_redemptions = coupon.optional("max_redemptions", integer(1..=MOST_REDEMPTIONS));
        let per_customer =
            coupon.optional("max_redemptions_per_customer", integer(1..=MOST_REDEMPTIONS));
        let disabled = coupon.optional("disabled", boolean);
        Some(Self {
            category,
            couponcode: couponcode?,
            description,
            merchant: merchant?,
            title: title?,
            store,
            published_at: published_at?,
            expire_at: expire_at?,
            discount,
            min_order_amount,
            max_redemptions,
            max_redemptions_per_customer: per_customer,
            disabled: disabled.unwrap_or(false),
        })
    }

    /// The dates are the right way round.
    pub fn valid(&self) -> bool {
        self.expire_at >= self.published_at
    }

    /// The first status that applies at `at`; both ends of the period are inside it.
    pub fn status(&self, at: Timestamp) -> Status {
        if !self.valid() {
            Status::Invalid
        } else if self.disabled {
            Status::Disabled
        } else if at < self.published_at {
            Status::Scheduled
        } else if at > self.expire_at {
            Status::Expired
        } else {
            Status::Active
        }
    }

    /// The names of the members that differ from `old`, or that are given where there is no old.
    pub fn changed(&self, old: Option<&Self>) -> Vec<&'static str> {
        let json = |terms: &Self| serde_json::to_value(terms).unwrap_or_default();
        let unset = || serde_json::json!({"disabled": false});
        let (new, old) = (json(self), old.map_or_else(unset, json));
        MEMBERS.writable.iter().copied().filter(|name| new.get(name) != old.get(name)).collect()
    }

    /// The same terms with every amount in its shortest form: what is equal looks equal.
    pub fn canonical(&self) -> Self {
        let shortest = |amount: &mut Decimal| *amount = amount.normalize();
        let mut terms = self.clone();
        terms.min_order_amount.iter_mut().for_each(shortest);
        if let Some(discount) = &mut terms.discount {
            shortest(&mut discount.value);
            discount.max_amount.iter_mut().for_each(shortest);
        }
        terms
    }
}

/// The currency that the amounts are in: read first, since it says how many decimals they have.
fn currency_of(coupon: &Object) -> Option<Currency> {
    let node = coupon.node_within("discount", "currency")?;
    string(currency)(node).ok()
}

/// Whether any amount is given. One order is in one currency, so that all amounts share it.
fn needs_currency(coupon: &Object) -> bool {
    let kind = coupon.node_within("discount", "type").map(string(Kind::parse));
    coupon.has("min_order_amount")
        || coupon.node_within("discount", "max_amount").is_some()
        || kind == Some(Ok(Kind::Amount))
}

impl Place {
    fn read(place: &mut Object) -> Self {
        let lat = place.optional("lat", number(-90.0..=90.0));
        let long = place.optional("long", number(-180.0..=180.0));
        for (name, other) in [("lat", "long"), ("long", "lat")] {
            if place.has(other) && !place.has(name) {
                place.wrong(name, Wrong::REQUIRED);
            }
        }
        Self {
            lat,
            long,
            city: place.optional("city", string(text::<256>)),
            phone: place.optional("phone", string(text::<256>)),
            state: place.optional("state", string(text::<256>)),
            street: place.optional("street", string(text::<256>)),
            zip: place.optional("zip", string(text::<256>)),
        }
    }
}

impl Discount {
    fn read(discount: &mut Object, currency: Option<Currency>) -> Option<Self> {
        let kind = discount.required("type", string(Kind::parse));
        let value = match kind {
            Some(Kind::Percent) => discount.required("value", string(percent)),
            _ => discount.required("value", amount(currency)),
        };
        let code = discount.optional("currency", string(self::currency));
        let max_amount = discount.optional("max_amount", amount(currency));
        let currency = code.map(|currency| currency.code().to_owned());
        Some(Self { kind: kind?, value: value?, currency, max_amount })
    }
}

impl Kind {
    fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "percent" => Ok(Self::Percent),
            "amount" => Ok(Self::Amount),
            _ => Err(Wrong::not_one_of(&["percent", "amount"])),
        }
    }
}

/// ISO 4217, for currencies that amounts can be in: gold and test codes have no decimals, and
/// withdrawn ones are nobody's money.
fn currency(text: &str) -> Result<Currency, Wrong> {
    let usable =
        |currency: &Currency| currency.exponent().is_some() && currency.is_superseded().is_none();
    let known = Currency::from_code(text).filter(usable);
    known.ok_or(Wrong::invalid("This must be a currency's code by ISO 4217, such as USD."))
}

/// An amount with at most the currency's decimals. Without a currency, which is an error of its
/// own, the form alone is checked.
fn amount(currency: Option<Currency>) -> impl Fn(&Node) -> Result<Decimal, Wrong> {
    let decimals = currency.and_then(Currency::exponent).map_or(RATE_DECIMALS, usize::from);
    string(move |text| decimal(text, AMOUNT_DIGITS, decimals))
}

/// 0 to 100.
fn percent(text: &str) -> Result<Decimal, Wrong> {
    let percent = decimal(text, AMOUNT_DIGITS, RATE_DECIMALS)?;
    if percent > Decimal::ONE_HUNDRED { Err(Wrong::OUT_OF_RANGE) } else { Ok(percent) }
}

/// What a coupon is at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Invalid,
    Disabled,
    Scheduled,
    Expired,
    Exhausted,
    Active,
}

/// What a list may ask of a coupon's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    Is(Status),
    /// Any but `invalid`.
    Valid,
}

impl StatusFilter {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Ok(match text {
            "invalid" => Self::Is(Status::Invalid),
            "disabled" => Self::Is(Status::Disabled),
            "scheduled" => Self::Is(Status::Scheduled),
            "expired" => Self::Is(Status::Expired),
            "exhausted" => Self::Is(Status::Exhausted),
            "active" => Self::Is(Status::Active),
            "valid" => Self::Valid,
            _ => {
                return Err(Wrong::not_one_of(&[
                    "invalid",
                    "disabled",
                    "scheduled",
                    "expired",
                    "exhausted",
                    "active",
                    "valid",
                ]));
            }
        })
    }

    pub fn takes(self, status: Status) -> bool {
        match self {
            Self::Is(wanted) => status == wanted,
            Self::Valid => status != Status::Invalid,
        }
    }
}

/// A coupon that is stored, or about to be.
#[derive(Clone, Serialize, Deserialize)]
pub struct Coupon {
    pub id: Uuid,
    #[serde(flatten)]
    pub terms: Terms,
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Coupon {
    pub fn new(id: Uuid, terms: Terms, now: Timestamp) -> Self {
        Self { id, terms, version: 1, created_at: now, updated_at: now }
    }

    /// The next version, with other terms.
    pub fn amended(&self, terms: Terms, now: Timestamp) -> Self {
        Self { terms, version: self.version + 1, updated_at: now, ..self.clone() }
    }

    /// What callers see at a time.
    pub fn seen_at(self, at: Timestamp) -> Seen {
        Seen { valid: self.terms.valid(), status: self.terms.status(at), coupon: self }
    }
}

/// A coupon with what follows from its terms.
#[derive(Serialize)]
pub struct Seen {
    #[serde(flatten)]
    coupon: Coupon,
    valid: bool,
    pub status: Status,
}
