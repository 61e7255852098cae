//! Finding by words, whatever their case and accents: each word that is looked for begins a word
//! of what is found.

use icu_normalizer::{DecomposingNormalizer, DecomposingNormalizerBorrowed};
use memchr::memmem::Finder;

const CANONICAL: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizer::new_nfd();

/// The words that are looked for, as far as there are any: of no word, nothing is found.
pub struct Query {
    words: Vec<Word>,
}

struct Word {
    text: String,
    /// Of the word behind a space.
    finder: Finder<'static>,
}

impl Query {
    pub fn parse(text: &str) -> Self {
        let folded = folded(text);
        let words = folded.split_whitespace().map(whole).filter(|word| !word.is_empty());
        let word = |text: String| Word {
            finder: Finder::new(format!(" {text}").as_bytes()).into_owned(),
            text,
        };
        Self { words: words.map(word).collect() }
    }

    /// The word that probably tells most: the longest.
    fn foremost(&self) -> Option<&Word> {
        self.words.iter().max_by_key(|word| word.text.len())
    }

    /// The word to look up in an index.
    pub fn longest_word(&self) -> Option<&str> {
        self.foremost().map(|word| word.text.as_str())
    }

    /// `words` as `words_of` gives them.
    pub fn finds(&self, words: &str) -> bool {
        let found = |word: &Word| word.finder.find(words.as_bytes()).is_some();
        !self.words.is_empty() && self.words.iter().all(found)
    }

    /// Where in many rows' words the foremost word is.
    pub fn places(&self, words: &str) -> impl Iterator<Item = usize> {
        let finder = self.foremost().map(|word| &word.finder);
        finder.into_iter().flat_map(|finder| finder.find_iter(words.as_bytes()))
    }
}

/// The words by which a text is found, each behind a space: what stands between spaces as a whole,
/// and the parts of it where signs divide it. `d'Ivoire` is found by `ivoire`, `McDonald's` by
/// `mcdonalds`.
pub fn words_of(text: &str) -> String {
    let mut words = String::new();
    let folded = folded(text);
    for run in folded.split_whitespace() {
        let whole = whole(run);
        let parts = run.split(|c: char| !c.is_alphanumeric()).filter(|part| *part != whole);
        for word in parts.chain([whole.as_str()]).filter(|word| !word.is_empty()) {
            words.push(' ');
            words.push_str(word);
        }
    }
    words
}

/// What stands between spaces, without apostrophes and without signs around it.
fn whole(run: &str) -> String {
    let trimmed = run.trim_matches(|c: char| !c.is_alphanumeric());
    trimmed.chars().filter(|c| !matches!(c, '\'' | '\u{2019}')).collect()
}

/// In lower case, without accents.
fn folded(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut folded = String::with_capacity(lower.len());
    for c in CANONICAL.normalize(&lower).chars() {
        match c {
            // Combining Diacritical Marks.
            '\u{300}'..='\u{36f}' => {}
            // Letters whose accent Unicode doesn't take apart.
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'đ' => folded.push('d'),
            'ł' => folded.push('l'),
            'ı' => folded.push('i'),
            c => folded.push(c),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(query: &str, text: &str) -> bool {
        Query::parse(query).finds(&words_of(text))
    }

    #[test]
    fn case_and_accents_make_no_difference() {
        for query in ["cote", "CÔTE", "côte", "co\u{302}te", "ivoire", "D'IVOIRE", "d’ivoire"] {
            assert!(finds(query, "Côte d'Ivoire"), "{query}");
        }
        assert!(finds("aland", "Åland Islands") && finds("ÅLAND", "Aland"));
        assert!(finds("strasse", "Große Straße") && finds("STRASSE", "straße"));
        assert!(finds("moller", "Møller") && finds("istanbul", "İstanbul"));
    }

    #[test]
    fn each_word_begins_a_word_in_any_order() {
        assert!(finds("king bur", "Burger King"));
        assert!(!finds("king burgers", "Burger King"));
        assert!(!finds("urger", "Burger King"));
        assert!(!finds("oman", "Romania"));
    }

    #[test]
    fn signs_divide_words_and_are_no_words() {
        for query in ["7-eleven", "7-el", "eleven", "7 eleven", "(7-eleven)", "- eleven"] {
            assert!(finds(query, "7-Eleven, Inc."), "{query}");
        }
        assert!(finds("mcdonalds", "McDonald's") && finds("McDonald’s", "McDonald's"));
        assert!(finds("a&w", "A&W Restaurants"));
        for query in ["", " ", "-", "!!! ..."] {
            assert!(!finds(query, "Anything - at all"), "{query:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_found_by_itself_and_by_any_beginning_of_it(text in "\\PC{0,60}", cut in 0..60usize) {
            let letters = text.chars().any(char::is_alphanumeric);
            prop_assert_eq!(finds(&text, &text), letters && !words_of(&text).is_empty());
            let begin: String = text.chars().take(cut).collect();
            if Query::parse(&begin).longest_word().is_some() && begin.is_ascii() && text.is_ascii() {
                prop_assert!(finds(&begin, &text));
            }
        }
    }
}
