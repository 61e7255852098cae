//! Rows that a process knows from its start, and the words that they are found by.

use shared::list::Paging;
use shared::store::Page;

use crate::search::{Query, words_of};

/// Rows in the order of their codes.
pub struct Catalogue<T> {
    rows: Vec<T>,
    code: fn(&T) -> &str,
    /// The words of all rows, one row behind the other.
    words: String,
    /// Where each row's words end.
    ends: Vec<usize>,
}

impl<T> Catalogue<T> {
    /// `found_by`: the texts whose words find a row.
    pub fn new(mut rows: Vec<T>, code: fn(&T) -> &str, found_by: impl Fn(&T) -> String) -> Self {
        rows.sort_by(|a, b| code(a).cmp(code(b)));
        let (mut words, mut ends) = (String::new(), Vec::new());
        for row in &rows {
            words.push_str(&words_of(&found_by(row)));
            words.push('\n');
            ends.push(words.len());
        }
        Self { rows, code, words, ends }
    }

    pub fn rows(&self) -> &[T] {
        &self.rows
    }

    /// The row of a code.
    pub fn get(&self, code: &str) -> Option<&T> {
        let at = self.rows.binary_search_by(|row| (self.code)(row).cmp(code)).ok()?;
        self.rows.get(at)
    }

    /// Up to a page of the rows that a query finds, if there is one, and that `keep` takes.
    pub fn page(
        &self,
        paging: &Paging,
        query: Option<&Query>,
        keep: impl Fn(&T) -> bool,
    ) -> Page<&T> {
        let begin = paging.after.as_deref().map_or(0, |after| self.behind(after));
        let all = query.is_none().then(|| self.rows.iter().skip(begin));
        let found = query.map(|query| self.found(query).skip_while(|(at, _)| *at < begin));
        let found = found.into_iter().flatten().map(|(_, row)| row);
        let mut rows = all.into_iter().flatten().chain(found).filter(|row| keep(row));
        let items: Vec<_> = rows.by_ref().take(paging.limit).collect();
        let last = items.last().filter(|_| rows.next().is_some());
        Page { next: last.map(|row| (self.code)(row).to_owned()), items }
    }

    fn behind(&self, code: &str) -> usize {
        self.rows.partition_point(|row| (self.code)(row) <= code)
    }

    /// The rows that a query finds, each with its place.
    fn found<'a>(&'a self, query: &Query) -> impl Iterator<Item = (usize, &'a T)> {
        let mut last = None;
        query.places(&self.words).filter_map(move |offset| {
            let at = self.ends.partition_point(|end| *end <= offset);
            // A row that has the word twice is looked at once.
            if last.replace(at) == Some(at) {
                return None;
            }
            let begin = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
            let words = self.words.get(begin.unwrap_or(0)..*self.ends.get(at)?)?;
            query.finds(words).then_some((at, self.rows.get(at)?))
        })
    }
}
