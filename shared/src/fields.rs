//! From a JSON document to trusted values, collecting every wrong field on the way.

use std::collections::HashMap;

use crate::json::{Node, Value};
use crate::values::{idempotency_key, string};
use crate::wrong::Place;
pub use crate::wrong::{Errors, FieldError, Wrong};

/// The most errors from one array.
const MAX_ERRORS_OF_AN_ARRAY: usize = 10;

/// The names that an object may have. Read-only ones are taken and ignored, so that what was read
/// can be sent back.
#[derive(Clone, Copy)]
pub struct Members {
    pub writable: &'static [&'static str],
    pub read_only: &'static [&'static str],
}

/// Collects wrong fields while a body is read.
#[derive(Default)]
pub struct Fields {
    pointer: String,
    /// The arrays around the current value, by where they began.
    arrays: Vec<u32>,
    errors_of_array: HashMap<u32, usize>,
    errors: Errors,
}

impl Fields {
    /// Reads a whole body: its value, or every wrong field in it.
    pub fn read<'n, T>(
        node: &'n Node<'n>,
        members: Members,
        read: impl FnOnce(&mut Object<'_, 'n>) -> Option<T>,
    ) -> Result<T, Errors> {
        let mut fields = Self::default();
        let value = fields.object(node, members, read);
        match value {
            Some(value) if fields.errors.is_empty() => Ok(value),
            _ => Err(fields.errors.in_order()),
        }
    }

    fn object<'n, T>(
        &mut self,
        node: &'n Node<'n>,
        members: Members,
        read: impl FnOnce(&mut Object<'_, 'n>) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(given) = &node.value else {
            self.wrong(node.at, Wrong::NOT_AN_OBJECT);
            return None;
        };
        let known =
            |name: &str| members.writable.contains(&name) || members.read_only.contains(&name);
        if let Some((_, first)) = given.iter().find(|(name, _)| !known(name)) {
            self.wrong(first.at, Wrong::unknown("unknown_field", members.writable));
        }
        read(&mut Object { fields: self, node })
    }

    /// Enters `wrong` at the current pointer.
    fn wrong(&mut self, at: u32, wrong: Wrong) {
        let full = |array: &u32| {
            self.errors_of_array.get(array).is_some_and(|n| *n >= MAX_ERRORS_OF_AN_ARRAY)
        };
        if self.arrays.iter().any(full) {
            self.errors.leave_out();
            return;
        }
        for array in &self.arrays {
            *self.errors_of_array.entry(*array).or_default() += 1;
        }
        self.errors.enter(at as usize, Place::Pointer(self.pointer.clone()), wrong);
    }

    /// Runs `read` one step further down the pointer. No name of ours has a `/` or `~` to escape.
    fn within<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(step);
        let value = read(self);
        self.pointer.truncate(length);
        value
    }
}

/// One JSON object that is being read. A null counts as absent.
pub struct Object<'f, 'n> {
    fields: &'f mut Fields,
    node: &'n Node<'n>,
}

impl<'n> Object<'_, 'n> {
    fn member(&self, name: &str) -> Option<&'n Node<'n>> {
        self.node.member(name)
    }

    /// Whether the member was given, right or wrong.
    pub fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// Which of these members were given.
    pub fn given(&self, members: Members) -> Vec<&'static str> {
        members.writable.iter().copied().filter(|name| self.has(name)).collect()
    }

    /// A member of an object within this one, as it was given.
    pub fn node_within(&self, outer: &str, name: &str) -> Option<&'n Node<'n>> {
        self.member(outer)?.member(name)
    }

    /// A member as it was given, a null too.
    pub fn given_as(&self, name: &str) -> Option<&'n Node<'n>> {
        match &self.node.value {
            Value::Object(members) => {
                members.iter().find(|(given, _)| given == name).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// `idempotence_key`, which means what the header `Idempotency-Key` means and must not
    /// contradict it.
    pub fn idempotence_key(&mut self, header: Option<&str>) -> Option<String> {
        const NAME: &str = "idempotence_key";
        const OTHER: Wrong = Wrong::invalid("The header Idempotency-Key says another.");
        let key = self.optional(NAME, string(idempotency_key))?;
        if header.is_some_and(|header| header != key) {
            self.wrong(NAME, OTHER);
        }
        Some(key)
    }

    /// None where it is missing or wrong, which is then entered.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'n Node<'n>) -> Result<T, Wrong>,
    ) -> Option<T> {
        if self.member(name).is_none() {
            self.wrong(name, Wrong::REQUIRED);
        }
        self.optional(name, parse)
    }

    /// None where it is absent, or wrong, which is then entered.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'n Node<'n>) -> Result<T, Wrong>,
    ) -> Option<T> {
        parse(self.member(name)?).map_err(|wrong| self.wrong(name, wrong)).ok()
    }

    /// An object within this one.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        members: Members,
        read: impl FnOnce(&mut Object<'_, 'n>) -> Option<T>,
    ) -> Option<T> {
        let node = self.member(name)?;
        self.fields.within(name, |fields| fields.object(node, members, read))
    }

    /// An array of up to `most` values.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        most: usize,
        parse: impl Fn(&'n Node<'n>) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        self.each(name, most, |fields, item| {
            parse(item).map_err(|wrong| fields.wrong(item.at, wrong)).ok()
        })
    }

    /// An array of up to `most` objects.
    pub fn objects<T>(
        &mut self,
        name: &'static str,
        most: usize,
        members: Members,
        read: impl Fn(&mut Object<'_, 'n>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.each(name, most, |fields, item| fields.object(item, members, &read))
    }

    fn each<T>(
        &mut self,
        name: &'static str,
        most: usize,
        read: impl Fn(&mut Fields, &'n Node<'n>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let array = self.member(name)?;
        let Value::Array(items) = &array.value else {
            self.wrong(name, Wrong::NOT_AN_ARRAY);
            return None;
        };
        if items.len() > most {
            self.wrong(name, Wrong::TOO_LONG);
            return None;
        }
        self.fields.within(name, |fields| {
            fields.arrays.push(array.at);
            let values = items.iter().enumerate().map(|(index, item)| {
                fields.within(&index.to_string(), |fields| read(fields, item))
            });
            // Every item is looked at: a collected Option would stop at the first wrong one.
            let values: Vec<Option<T>> = values.collect();
            fields.arrays.pop();
            values.into_iter().collect()
        })
    }

    /// Enters a rule of the object's own that `name` breaks.
    pub fn wrong(&mut self, name: &'static str, wrong: Wrong) {
        let at = self.given_as(name).map_or(self.node.end, |node| node.at);
        self.fields.within(name, |fields| fields.wrong(at, wrong));
    }

    /// The same for a member of an object within this one, which may be absent altogether.
    pub fn wrong_within(&mut self, outer: &'static str, name: &'static str, wrong: Wrong) {
        let at = self.member(outer).map_or(self.node.end, |node| node.end);
        self.fields.within(outer, |fields| {
            fields.within(name, |fields| fields.wrong(at, wrong));
        });
    }
}
