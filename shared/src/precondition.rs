//! `If-Match` on resources that PUT, PATCH and DELETE change, `If-None-Match` where they are read.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::fields::{Errors, Wrong};
use crate::problem::Problem;

const FORM: Wrong = Wrong::invalid("This must be * or a list of quoted tags.");

/// Which versions a header names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// There is no header.
    None,
    /// `*`
    Any,
    OneOf(Vec<Tag>),
}

/// Which versions the caller would change: any that is there, where it names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Named);

/// Which versions the caller has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfNoneMatch(Named);

/// An entity tag without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    weak: bool,
    tag: String,
}

impl IfMatch {
    /// Refuses to go on where the resource has another version than those asked for. A weak tag
    /// never matches.
    pub fn check(&self, version: u64) -> Result<(), Problem> {
        let matches = |tag: &Tag| !tag.weak && tag.tag == version.to_string();
        match &self.0 {
            Named::OneOf(tags) if !tags.iter().any(matches) => Err(Problem::VERSION_MISMATCH),
            _ => Ok(()),
        }
    }
}

impl IfNoneMatch {
    /// Whether the caller has what this tag, without its quotes, stands for. A weak tag is as good
    /// as a strong one.
    pub fn has(&self, tag: &str) -> bool {
        match &self.0 {
            Named::None => false,
            Named::Any => true,
            Named::OneOf(tags) => tags.iter().any(|known| known.tag == tag),
        }
    }
}

fn named(headers: &HeaderMap, name: &HeaderName, shown: &'static str) -> Result<Named, Problem> {
    let wrong = || Problem::from(Errors::of_header(shown, FORM));
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        lines.push(line.to_str().map_err(|_| wrong())?);
    }
    match lines.join(",").trim() {
        "" if lines.is_empty() => Ok(Named::None),
        "*" => Ok(Named::Any),
        list => tags(list).map(Named::OneOf).ok_or_else(wrong),
    }
}

/// One tag or more, as RFC 9110, section 8.8.3, has them.
fn tags(list: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags).filter(|tags| !tags.is_empty());
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
        tags.push(Tag { weak, tag: tag.to_owned() });
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        named(&parts.headers, &header::IF_MATCH, "If-Match").map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        named(&parts.headers, &header::IF_NONE_MATCH, "If-None-Match").map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Option<Vec<String>> {
        let shown = |tag: &Tag| format!("{}{}", if tag.weak { "~" } else { "" }, tag.tag);
        Some(tags(list)?.iter().map(shown).collect())
    }

    #[test]
    fn a_list_has_quoted_tags_and_nothing_else() {
        assert_eq!(
            parse(r#""3" , W/"a,b","4""#),
            Some(vec!["3".into(), "~a,b".into(), "4".into()])
        );
        for wrong in ["3", r#""3"#, r#"3""#, r#""3" "4""#, r#"w/"3""#, ",", "", r#"*, "3""#] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_weak_tag_is_good_enough_to_have_and_not_to_change() {
        let tags = tags(r#"W/"3", "4""#).unwrap_or_default();
        let named = Named::OneOf(tags);
        let (change, have) = (IfMatch(named.clone()), IfNoneMatch(named));
        assert!(change.check(3).is_err() && change.check(4).is_ok());
        assert!(have.has("3") && have.has("4") && !have.has("5"));
    }
}
