//! How reference data is answered: with what it is taken from, and a tag by which a caller needs
//! to fetch it but once.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde::Serialize;
use shared::list::Paging;
use shared::precondition::IfNoneMatch;
use shared::problem::Problem;
use shared::store::Page;

use crate::dataset::Dataset;

#[derive(Serialize)]
struct Beside<'a> {
    dataset: &'a Dataset,
}

impl Dataset {
    /// One row with the dataset as a member.
    pub fn one(&self, row: &impl Serialize, known: &IfNoneMatch) -> Result<Response, Problem> {
        #[derive(Serialize)]
        struct One<'a, T> {
            #[serde(flatten)]
            row: &'a T,
            #[serde(flatten)]
            beside: Beside<'a>,
        }
        let body = json(&One { row, beside: Beside { dataset: self } })?;
        let tag = tag(&body);
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        self.answer((kind, body).into_response(), &tag, "", known)
    }

    /// A page of rows. Its tag is weak: a cursor is written in other letters each time.
    pub fn list<T: Serialize>(
        &self,
        paging: &Paging,
        page: &Page<T>,
        known: &IfNoneMatch,
    ) -> Result<Response, Problem> {
        let beside = Beside { dataset: self };
        let tag = tag(&json(&(&page.items, page.next.is_some(), &beside))?);
        self.answer(paging.answer_beside(page, &beside)?, &tag, "W/", known)
    }

    /// The answer with its tag, or 304 in its place where the caller has it already.
    fn answer(
        &self,
        mut answer: Response,
        tag: &str,
        weak: &str,
        known: &IfNoneMatch,
    ) -> Result<Response, Problem> {
        if known.has(tag) {
            answer = StatusCode::NOT_MODIFIED.into_response();
        }
        let etag = format!("{weak}\"{tag}\"");
        let cache = format!("private, max-age={}", self.max_age_s);
        for (name, value) in [(header::ETAG, etag), (header::CACHE_CONTROL, cache)] {
            let value = HeaderValue::try_from(value)
                .map_err(|_| Problem::bug("a header can't be written"))?;
            answer.headers_mut().insert(name, value);
        }
        Ok(answer)
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|_| Problem::bug("reference data can't be written"))
}

fn tag(content: &[u8]) -> String {
    let hash = digest(&SHA256, content);
    hex::encode(hash.as_ref().get(..16).unwrap_or_default())
}
