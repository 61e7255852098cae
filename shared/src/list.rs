//! Lists: how much, from where, and a cursor in which nothing can be read.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, StatusCode, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::config::{RotatingSecret, sha256};
use crate::params::Params;
use crate::problem::Problem;
use crate::store::{Page, Partitions, Store};
use crate::values::{Timestamp, whole};

/// How many items a page of most lists has where `limit` says nothing.
const USUAL_LIMIT: usize = 20;

/// Seals cursors with AES-256-GCM. What a cursor is bound to is authenticated with it.
pub struct CursorSeal(Vec<LessSafeKey>);

/// What a cursor says.
#[derive(Serialize, Deserialize)]
struct Position {
    /// The sort key of the last item looked at.
    after: String,
    /// When the first page was asked for.
    asked_at_ms: i64,
}

impl CursorSeal {
    pub fn new(secrets: &RotatingSecret) -> Self {
        let key = |secret: &[u8]| {
            let key = sha256(&[b"quartet cursor ", secret].concat());
            UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
        };
        Self(secrets.all().filter_map(key).collect())
    }

    fn seal(&self, position: &Position, bound_to: &str) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = serde_json::to_vec(position).ok()?;
        let aad = Aad::from(bound_to.as_bytes());
        let nonce_of_this = Nonce::assume_unique_for_key(nonce);
        self.0.first()?.seal_in_place_append_tag(nonce_of_this, aad, &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    fn open(&self, cursor: &str, bound_to: &str) -> Option<Position> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        self.0.iter().find_map(|key| {
            let mut sealed = sealed.to_vec();
            let aad = Aad::from(bound_to.as_bytes());
            let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut sealed);
            serde_json::from_slice(opened.ok()?).ok()
        })
    }
}

/// Where a list goes on.
pub struct Next {
    pub cursor: String,
    /// The same query with it.
    pub path: Option<String>,
}

impl Next {
    /// RFC 8288, where there is a path.
    pub fn link(&self) -> Option<HeaderValue> {
        let path = self.path.as_ref()?;
        HeaderValue::try_from(format!("<{path}>; rel=\"next\"")).ok()
    }
}

/// Which page of which list is asked for.
pub struct Paging {
    pub limit: usize,
    /// The sort key behind which the page begins.
    pub after: Option<String>,
    /// The time that all pages of one list share.
    pub asked_at: Timestamp,
    seal: Arc<CursorSeal>,
    bound_to: String,
    /// None for a search, whose question must not stand in a URL.
    link: Option<String>,
}

impl Paging {
    /// Reads `limit` and `cursor` and ends the reading of `params`. The cursor holds for this
    /// caller, path and filters alone.
    pub fn read(params: Params, app: &App, uri: &Uri, caller: &str) -> Result<Self, Problem> {
        Self::read_of(params, app, uri, caller, USUAL_LIMIT)
    }

    /// The same for a list whose usual limit is another.
    pub fn read_of(
        mut params: Params,
        app: &App,
        uri: &Uri,
        caller: &str,
        usual_limit: usize,
    ) -> Result<Self, Problem> {
        let limit = whole(1..=100_usize, "This must be a whole number from 1 to 100.");
        let limit = params.optional("limit", limit).unwrap_or(usual_limit);
        if params.is_garbled("cursor") && !params.is_of_body() {
            return Err(Problem::INVALID_CURSOR);
        }
        let cursor = params.optional("cursor", |cursor| Ok(cursor.to_owned()));
        let filters = serde_json::to_string(&params.filters())
            .map_err(|_| Problem::bug("filters can't be written"))?;
        let bound_to = format!("{caller} {} {filters}", uri.path());
        let link = (!params.is_of_body())
            .then(|| format!("{}?{}", uri.path(), params.query_without("cursor")));
        params.finish()?;
        let position = match cursor {
            Some(cursor) => {
                Some(app.cursors.open(&cursor, &bound_to).ok_or(Problem::INVALID_CURSOR)?)
            }
            None => None,
        };
        let asked_at =
            position.as_ref().and_then(|position| Timestamp::from_ms(position.asked_at_ms));
        Ok(Self {
            limit,
            after: position.map(|position| position.after),
            asked_at: asked_at.unwrap_or_else(Timestamp::now),
            seal: Arc::clone(&app.cursors),
            bound_to,
            link,
        })
    }

    /// The page of `partitions` that was asked for.
    pub async fn page<T: DeserializeOwned, U>(
        &self,
        store: &Store,
        partitions: &Partitions,
        keep: impl Fn(T) -> Option<U>,
    ) -> Result<Page<U>, Problem> {
        store.page(partitions, self.after.clone(), self.limit, keep).await
    }

    /// Whether an item whose place in the list was changed at that time, if ever, may have been in
    /// it already: the list had begun. A time that is still to come is of a clock that goes wrong.
    pub fn may_have_had(&self, moved_at: Option<Timestamp>) -> bool {
        moved_at.is_some_and(|at| self.asked_at < at && at <= Timestamp::now())
    }

    /// The cursor of the next page, and the path to it.
    pub fn next<T>(&self, page: &Page<T>) -> Result<Option<Next>, Problem> {
        let Some(after) = page.next.clone() else {
            return Ok(None);
        };
        let position = Position { after, asked_at_ms: self.asked_at.ms() };
        let cursor = self.seal.seal(&position, &self.bound_to);
        let cursor = cursor.ok_or_else(|| Problem::bug("a cursor can't be sealed"))?;
        let path = self.link.as_ref().map(|link| {
            let and = if link.ends_with('?') { "" } else { "&" };
            format!("{link}{and}cursor={cursor}")
        });
        Ok(Some(Next { cursor, path }))
    }

    /// `{"items": [...], "next_cursor": ...}`
    pub fn answer<T: Serialize>(&self, page: &Page<T>) -> Result<Response, Problem> {
        #[derive(Serialize)]
        struct Nothing {}
        self.answer_beside(page, &Nothing {})
    }

    /// The same with the members of `beside`.
    pub fn answer_beside<T: Serialize>(
        &self,
        page: &Page<T>,
        beside: &impl Serialize,
    ) -> Result<Response, Problem> {
        #[derive(Serialize)]
        struct Listed<'a, T, B> {
            items: &'a [T],
            next_cursor: Option<&'a str>,
            #[serde(flatten)]
            beside: &'a B,
        }
        let next = self.next(page)?;
        let next_cursor = next.as_ref().map(|next| next.cursor.as_str());
        let listed = Listed { items: &page.items, next_cursor, beside };
        let body =
            serde_json::to_vec(&listed).map_err(|_| Problem::bug("a page can't be written"))?;
        Ok(linked(body, "application/json", next))
    }

    /// A line of JSON for each item.
    pub fn answer_lines<T: Serialize>(&self, page: &Page<T>) -> Result<Response, Problem> {
        let mut body = Vec::new();
        for item in &page.items {
            serde_json::to_writer(&mut body, item)
                .map_err(|_| Problem::bug("a line of a page can't be written"))?;
            body.push(b'\n');
        }
        Ok(linked(body, "application/x-ndjson", self.next(page)?))
    }
}

fn linked(body: Vec<u8>, kind: &'static str, next: Option<Next>) -> Response {
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.extend(next.and_then(|next| next.link()).map(|link| (header::LINK, link)));
    response
}

impl Params {
    /// The query as it was sent, encoded anew, without one of its parameters.
    fn query_without(&self, left_out: &str) -> String {
        /// All but RFC 3986's unreserved characters.
        const ENCODED: &AsciiSet =
            &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        let pairs = self.given().filter(|(name, _)| *name != left_out);
        let encoded = |text| utf8_percent_encode(text, ENCODED);
        let pairs: Vec<_> =
            pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        pairs.join("&")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal(secrets: &str) -> Option<CursorSeal> {
        RotatingSecret::parse(secrets, 1).map(|secrets| CursorSeal::new(&secrets))
    }

    fn position() -> Position {
        Position { after: "019b".to_owned(), asked_at_ms: 7 }
    }

    #[test]
    fn a_cursor_opens_for_what_it_is_bound_to_and_nothing_else() {
        let seal = seal("one").unwrap_or(CursorSeal(vec![]));
        let cursor = seal.seal(&position(), "ada /coupons []").unwrap_or_default();
        assert_eq!(seal.open(&cursor, "ada /coupons []").map(|p| p.after).as_deref(), Some("019b"));
        assert!(seal.open(&cursor, "bob /coupons []").is_none());
        assert!(!cursor.contains("019b"));
    }

    #[test]
    fn after_a_rotation_old_cursors_still_open() {
        let (old, new) = (seal("old"), seal("new,old"));
        let cursor = old.and_then(|old| old.seal(&position(), "x")).unwrap_or_default();
        assert!(new.is_some_and(|new| new.open(&cursor, "x").is_some()));
        assert!(seal("new").is_some_and(|new| new.open(&cursor, "x").is_none()));
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_cursor(text in "\\PC{0,80}", byte in 0..100usize, bit in 0..8u8) {
            let seal = seal("one").unwrap_or(CursorSeal(vec![]));
            prop_assert!(seal.open(&text, "x").is_none());
            let cursor = seal.seal(&position(), "x").unwrap_or_default();
            let mut bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
            let at = byte % bytes.len();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            prop_assert!(seal.open(&URL_SAFE_NO_PAD.encode(bytes), "x").is_none());
        }
    }
}
