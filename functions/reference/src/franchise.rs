//! What is known of a franchise: rows of others, each with an id of theirs.

use serde::{Deserialize, Serialize};
use shared::fields::{Members, Object, Wrong};
use shared::values::{self, string, text, word};
use uuid::Uuid;

use crate::search::words_of;

pub const MEMBERS: Members =
    Members { writable: &["franchise_id", "name", "status"], read_only: &["id", "dataset"] };

/// The most words of one name, and characters of one word, that an index has.
const MOST_WORDS: usize = 40;
const MOST_OF_A_WORD: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Active,
    Inactive,
}

/// All of a franchise that can be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Listing {
    pub franchise_id: String,
    pub name: String,
    pub status: Status,
}

#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Franchise {
    /// Our own, by which the audit names it.
    pub id: Uuid,
    #[serde(flatten)]
    pub listing: Listing,
}

impl Listing {
    pub fn read(row: &mut Object) -> Option<Self> {
        let franchise_id = row.required("franchise_id", string(franchise_id));
        let name = row.required("name", string(name));
        let status = row.required("status", string(|text| word(text, &["active", "inactive"])));
        Some(Self { franchise_id: franchise_id?, name: name?, status: status? })
    }

    /// The names of the members in which it differs from another.
    pub fn changed(&self, other: &Self) -> Vec<&'static str> {
        let members = [("name", self.name != other.name), ("status", self.status != other.status)];
        members.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    pub fn words(&self) -> String {
        words(&self.franchise_id, &self.name)
    }
}

/// The words that find a franchise: those of its name, and its id.
pub fn words(franchise_id: &str, name: &str) -> String {
    let id = franchise_id.trim_matches('-').to_ascii_lowercase();
    format!("{} {id}", words_of(name))
}

/// Of the words that find a franchise those which an index needs, sorted: one that another begins
/// with is found with it.
pub fn indexed(words: &str) -> Vec<String> {
    let mut words: Vec<_> = words.split(' ').filter(|word| !word.is_empty()).map(key).collect();
    words.sort_unstable();
    let next = words.iter().skip(1).map(Some).chain([None]);
    let needed = words
        .iter()
        .zip(next)
        .filter(|(word, next)| next.is_none_or(|next| !next.starts_with(word.as_str())));
    needed.map(|(word, _)| word.clone()).collect()
}

/// A word as far as an index has it.
pub fn key(word: &str) -> String {
    word.chars().take(MOST_OF_A_WORD).collect()
}

/// 1 to 32 of `[A-Za-z0-9-]`.
pub fn franchise_id(text: &str) -> Result<String, Wrong> {
    values::name::<32>(text, b"-", "Letters and digits of ASCII and - are allowed here.")
}

fn name(name: &str) -> Result<String, Wrong> {
    let name = text::<256>(name)?;
    if indexed(&words_of(&name)).len() > MOST_WORDS {
        return Err(Wrong::new("too_long", "A name has at most 40 different words."));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::Query;

    fn listing(name: &str) -> Listing {
        Listing { franchise_id: "FR-001".into(), name: name.into(), status: Status::Active }
    }

    #[test]
    fn a_word_that_another_begins_with_is_found_with_it() {
        let words = listing("McDonald's of the Theatre").words();
        assert_eq!(indexed(&words), ["fr-001", "mcdonalds", "of", "s", "theatre"]);
    }

    #[test]
    fn a_word_or_an_id_of_any_length_is_cut_for_the_index() {
        let long = "é".repeat(256);
        assert_eq!(indexed(&listing(&long).words()), ["e".repeat(64), "fr-001".to_owned()]);
    }

    #[test]
    fn a_name_of_more_words_than_a_transaction_holds_is_refused() {
        let words = |count: u32| {
            let word = |n| char::from_u32(0x4e00 + n).map(String::from).unwrap_or_default();
            (0..count).map(word).collect::<Vec<_>>().join(" ")
        };
        assert!(name(&words(40)).is_ok());
        assert_eq!(name(&words(41)).map_err(|wrong| wrong.code), Err("too_long"));
    }

    proptest! {
        #[test]
        fn whatever_finds_a_franchise_is_in_the_index(name in "[a-cA-C' &-]{1,20}", q in "[a-c'-]{1,4}") {
            let words = listing(&name).words();
            let query = Query::parse(&q);
            if let Some(word) = query.longest_word() {
                let begins = |indexed: &String| indexed.starts_with(&key(word));
                prop_assert_eq!(query.finds(&words), indexed(&words).iter().any(begins));
            }
        }
    }
}
