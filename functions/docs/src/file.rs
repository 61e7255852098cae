//! The files that are served, packed when the function is built.

use std::io::Read;

use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::precondition::IfNoneMatch;
use shared::problem::Problem;

/// Scripts and styles of this address alone, none of them in the page; the style sheet has its
/// icons in itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

#[derive(Clone, Copy)]
pub struct File {
    pub name: &'static str,
    pub kind: &'static str,
    /// By gzip.
    packed: &'static [u8],
}

macro_rules! file {
    ($name:literal, $kind:literal) => {
        File {
            name: $name,
            kind: $kind,
            packed: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
        }
    };
}

pub const DESCRIPTION: File = file!("openapi.json", "application/json");
pub const PAGE: File = file!("index.html", "text/html; charset=utf-8");

pub const OF_PAGE: [File; 6] = [
    file!("start.js", "text/javascript; charset=utf-8"),
    file!("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    file!("swagger-ui.css", "text/css; charset=utf-8"),
    file!("favicon-32x32.png", "image/png"),
    file!("LICENSE", "text/plain; charset=utf-8"),
    file!("NOTICE", "text/plain; charset=utf-8"),
];

impl File {
    pub fn of_page(name: &str) -> Option<Self> {
        OF_PAGE.into_iter().find(|file| file.name == name)
    }

    /// The file, packed where the caller unpacks it; 304 in place of one that it has.
    pub fn answer(self, headers: &HeaderMap, known: &IfNoneMatch) -> Result<Response, Problem> {
        let tag = self.tag();
        let etag = HeaderValue::try_from(format!("W/\"{tag}\""))
            .map_err(|_| Problem::bug("a tag can't be written"))?;
        let mut answer = if known.has(&tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if takes_gzip(headers) {
            ([(header::CONTENT_ENCODING, "gzip")], self.packed).into_response()
        } else {
            let mut bytes = Vec::new();
            let unpacked = GzDecoder::new(self.packed).read_to_end(&mut bytes);
            unpacked.map_err(|_| Problem::bug("a file can't be unpacked"))?;
            bytes.into_response()
        };
        let headers = answer.headers_mut();
        if !known.has(&tag) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        }
        if self.kind.starts_with("text/html") {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        }
        headers.insert(header::ETAG, etag);
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        Ok(answer)
    }

    /// What gzip ends with: a CRC-32 of the content and its length (RFC 1952, section 2.3.1).
    fn tag(&self) -> String {
        let trailer = self.packed.last_chunk::<8>().copied().unwrap_or_default();
        format!("{:016x}", u64::from_be_bytes(trailer))
    }
}

/// Whether `Accept-Encoding` names gzip, and not to refuse it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut codings = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f64>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}
