//! `If-Match` on resources that PUT, PATCH and DELETE change.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};

use crate::fields::{Errors, Wrong};
use crate::problem::Problem;

/// Which versions the caller would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// No header, or `*`: any version that is there.
    Any,
    /// One of these strong tags, each without its quotes.
    OneOf(Vec<String>),
}

impl IfMatch {
    fn parse(headers: &HeaderMap) -> Result<Self, Problem> {
        const FORM: Wrong = Wrong::invalid("This must be * or a list of quoted tags.");
        let wrong = || Problem::from(Errors::of_header("If-Match", FORM));
        let mut lines = Vec::new();
        for line in headers.get_all(header::IF_MATCH) {
            lines.push(line.to_str().map_err(|_| wrong())?);
        }
        let list = lines.join(",");
        match list.trim() {
            "" if lines.is_empty() => Ok(Self::Any),
            "*" => Ok(Self::Any),
            list => tags(list).map(Self::OneOf).ok_or_else(wrong),
        }
    }

    /// Refuses to go on where the resource has another version than those asked for.
    pub fn check(&self, version: u64) -> Result<(), Problem> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(tags) if tags.contains(&version.to_string()) => Ok(()),
            Self::OneOf(_) => Err(Problem::VERSION_MISMATCH),
        }
    }
}

/// The strong tags of a list as RFC 9110, section 8.8.3, has it. A weak tag is well formed and
/// never matches, so it is left out.
fn tags(list: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    let mut found = false;
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found.then_some(tags);
        }
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if tag.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        found = true;
        if !weak {
            tags.push(tag.to_owned());
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Option<IfMatch> {
        let value = value.parse().ok()?;
        IfMatch::parse(&HeaderMap::from_iter([(header::IF_MATCH, value)])).ok()
    }

    #[test]
    fn a_star_or_quoted_tags_and_nothing_else() {
        let one_of = |tags: &[&str]| Some(IfMatch::OneOf(tags.iter().map(ToString::to_string).collect()));
        assert_eq!(parse("*"), Some(IfMatch::Any));
        assert_eq!(parse(r#""3""#), one_of(&["3"]));
        assert_eq!(parse(r#""3" , "a,b","4""#), one_of(&["3", "a,b", "4"]));
        assert_eq!(parse(r#"W/"3""#), one_of(&[]));
        for wrong in ["3", r#""3"#, r#"3""#, r#""3" "4""#, r#"w/"3""#, ",", "", r#"*, "3""#] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
