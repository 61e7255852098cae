//! `If-Match` on resources that PUT, PATCH and DELETE change, `If-None-Match` where they are read.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::fields::{Errors, Wrong};
use crate::problem::Problem;

const FORM: Wrong = Wrong::invalid("This must be * or a list of quoted tags.");

/// Which versions the caller would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// No header, or `*`: any version that is there.
    Any,
    OneOf(Vec<Tag>),
}

/// Which versions the caller has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfNoneMatch {
    None,
    Any,
    OneOf(Vec<Tag>),
}

/// An entity tag without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    weak: bool,
    tag: String,
}

impl IfMatch {
    /// Refuses to go on where the resource has another version than those asked for. A weak tag
    /// never matches.
    pub fn check(&self, version: u64) -> Result<(), Problem> {
        let matches = |tag: &Tag| !tag.weak && tag.tag == version.to_string();
        match self {
            Self::OneOf(tags) if !tags.iter().any(matches) => Err(Problem::VERSION_MISMATCH),
            Self::Any | Self::OneOf(_) => Ok(()),
        }
    }
}

impl IfNoneMatch {
    /// Whether the caller has what this tag, without its quotes, stands for. A weak tag is as good
    /// as a strong one.
    pub fn has(&self, tag: &str) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|known| known.tag == tag),
        }
    }
}

/// The tags of a header: None without one, an empty list for `*`.
fn tags_of(
    headers: &HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<Vec<Tag>>, Problem> {
    let wrong = || Problem::from(Errors::of_header(shown, FORM));
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        lines.push(line.to_str().map_err(|_| wrong())?);
    }
    match lines.join(",").trim() {
        "" if lines.is_empty() => Ok(None),
        "*" => Ok(Some(Vec::new())),
        list => tags(list).map(Some).ok_or_else(wrong),
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
        Ok(match tags_of(&parts.headers, &header::IF_MATCH, "If-Match")? {
            Some(tags) if !tags.is_empty() => Self::OneOf(tags),
            _ => Self::Any,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(match tags_of(&parts.headers, &header::IF_NONE_MATCH, "If-None-Match")? {
            None => Self::None,
            Some(tags) if tags.is_empty() => Self::Any,
            Some(tags) => Self::OneOf(tags),
        })
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
        let (change, have) = (IfMatch::OneOf(tags.clone()), IfNoneMatch::OneOf(tags));
        assert!(change.check(3).is_err() && change.check(4).is_ok());
        assert!(have.has("3") && have.has("4") && !have.has("5"));
    }
}
