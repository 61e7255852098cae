//! What a handler decides to store.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update,
};
use serde::Serialize;

use super::counters::Counting;
use super::{Item, ItemKey, Table, written};
use crate::answer::Answer;
use crate::audit::{Access, Entry, Subject};
use crate::auth::Caller;
use crate::problem::Problem;

/// What to do where a write's condition doesn't hold.
#[derive(Clone)]
pub enum Otherwise {
    /// The state was another by then: read it again and decide anew.
    DecideAnew,
    Refuse(Problem),
    /// Nothing but a bug makes it fail: what that is, told where it does.
    Bug(&'static str),
}

/// What a handler decided: the writes, who made them as audit entries, and the answer once all
/// of it is stored.
pub struct Change {
    pub(super) writes: Vec<Write>,
    pub(super) entries: Vec<Entry>,
    pub(super) answer: Answer,
    /// Something on the way to a decision, which is made anew behind it.
    pub(super) is_step: bool,
}

pub(super) struct Write {
    pub(super) table: Table,
    action: Action,
    condition: Option<&'static str>,
    names: HashMap<String, String>,
    values: Item,
    pub(super) otherwise: Otherwise,
}

enum Action {
    Put(Item),
    Update { key: Item, expression: String },
    Delete(Item),
    Check(Item),
}

impl Action {
    /// The item with its key beside its own attributes.
    fn put(key: &ItemKey, item: &impl Serialize) -> Result<Self, Problem> {
        let mut item = written(item)?;
        item.extend(key.attributes());
        Ok(Self::Put(item))
    }
}

impl Change {
    /// A change begins with its audit entry, so that none goes without.
    pub fn new(
        caller: &Caller,
        access: Access,
        subject: Subject,
        changed: &[&'static str],
        answer: Answer,
    ) -> Self {
        Self::entered(Entry::new(caller, access, subject, changed), answer)
    }

    /// The same with an entry that says more.
    pub fn entered(entry: Entry, answer: Answer) -> Self {
        Self { entries: vec![entry], ..Self::nothing(answer) }
    }

    /// Nothing to change: the answer alone, which a key remembers like any other. What an import
    /// adds to it comes with entries of its own.
    pub fn nothing(answer: Answer) -> Self {
        Self { writes: Vec::new(), entries: Vec::new(), answer, is_step: false }
    }

    /// Writes without an entry, for what is nobody's doing alone: the bookkeeping of workers, of
    /// uploads that nobody sees as yet, and of imports, whose rows have their own entries. Beside
    /// steps, all such writes begin here.
    pub fn unaudited() -> Self {
        Self::nothing(Answer::no_content())
    }

    /// Another answer, once all of it is stored.
    #[must_use]
    pub fn answering(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// A step on the way: what it writes is stored, and everything decided anew behind it. For
    /// what is no change in the audit's sense, such as noting that a time has passed. A step that
    /// writes nothing waits.
    pub fn step() -> Self {
        Self { is_step: true, ..Self::unaudited() }
    }

    /// One more entry, for a change of several items.
    #[must_use]
    pub fn also(
        mut self,
        caller: &Caller,
        access: Access,
        subject: Subject,
        changed: &[&'static str],
    ) -> Self {
        self.entries.push(Entry::new(caller, access, subject, changed));
        self
    }

    /// Puts an item where none is.
    pub fn insert(
        mut self,
        table: Table,
        key: &ItemKey,
        item: &impl Serialize,
        otherwise: Otherwise,
    ) -> Result<Self, Problem> {
        let write = Write::new(table, Action::put(key, item)?).on_condition(ABSENT);
        self.writes.push(Write { otherwise, ..write });
        Ok(self)
    }

    /// Puts an item whatever is there; another write of the change has to guard it.
    pub fn put(
        mut self,
        table: Table,
        key: &ItemKey,
        item: &impl Serialize,
    ) -> Result<Self, Problem> {
        self.writes.push(Write::new(table, Action::put(key, item)?));
        Ok(self)
    }

    /// Deletes an item that must be there.
    #[must_use]
    pub fn delete_existing(mut self, table: Table, key: &ItemKey) -> Self {
        let write = Write::new(table, Action::Delete(key.attributes()));
        self.writes.push(write.on_condition("attribute_exists(pk)"));
        self
    }

    /// Deletes an item whatever it is; another write of the change has to guard it.
    #[must_use]
    pub fn remove(mut self, table: Table, key: &ItemKey) -> Self {
        self.writes.push(Write::new(table, Action::Delete(key.attributes())));
        self
    }

    /// Puts an item in place of the `version` that was read.
    pub fn replace(
        mut self,
        table: Table,
        key: &ItemKey,
        item: &impl Serialize,
        version: u64,
    ) -> Result<Self, Problem> {
        self.writes.push(Write::of_version(table, Action::put(key, item)?, version));
        Ok(self)
    }

    /// Deletes the `version` of an item that was read.
    #[must_use]
    pub fn delete(mut self, table: Table, key: &ItemKey, version: u64) -> Self {
        self.writes.push(Write::of_version(table, Action::Delete(key.attributes()), version));
        self
    }

    /// Adds to the counters of an item, which is made if need be.
    #[must_use]
    pub fn count(mut self, table: Table, counting: Counting) -> Self {
        let (mut names, mut values, mut sums) = (HashMap::new(), HashMap::new(), Vec::new());
        let amounts = counting.amounts.into_iter().filter(|(_, amount)| !amount.is_zero());
        for (at, (counter, amount)) in amounts.enumerate() {
            names.insert(format!("#c{at}"), counter);
            values.insert(format!(":c{at}"), AttributeValue::N(amount.normalize().to_string()));
            sums.push(format!("#c{at} :c{at}"));
        }
        let condition = counting.below.map(|(counter, limit)| {
            names.insert("#below".to_owned(), counter.to_owned());
            values.insert(":below".to_owned(), AttributeValue::N(limit.to_string()));
            "attribute_not_exists(#below) OR #below < :below"
        });
        let key = counting.key.attributes();
        let action = match (sums.is_empty(), condition) {
            (true, None) => return self,
            (true, Some(_)) => Action::Check(key),
            (false, _) => Action::Update { key, expression: format!("ADD {}", sums.join(", ")) },
        };
        let otherwise = Otherwise::DecideAnew;
        self.writes.push(Write { table, action, condition, names, values, otherwise });
        self
    }

    /// Deletes an item whose `counter` has come down to zero.
    #[must_use]
    pub fn delete_at_zero(mut self, table: Table, key: &ItemKey, counter: &'static str) -> Self {
        let mut write = Write::new(table, Action::Delete(key.attributes()))
            .on_condition("attribute_not_exists(#counter) OR #counter = :zero");
        write.names.insert("#counter".to_owned(), counter.to_owned());
        write.values.insert(":zero".to_owned(), AttributeValue::N("0".to_owned()));
        self.writes.push(write);
        self
    }

    /// Changes nothing of an item, but the whole only happens while it has the `version` that was
    /// read.
    #[must_use]
    pub fn check(mut self, table: Table, key: &ItemKey, version: u64) -> Self {
        self.writes.push(Write::of_version(table, Action::Check(key.attributes()), version));
        self
    }
}

pub(super) const ABSENT: &str = "attribute_not_exists(pk)";

impl Write {
    /// Unconditional as yet.
    fn new(table: Table, action: Action) -> Self {
        Self {
            table,
            action,
            condition: None,
            names: HashMap::new(),
            values: Item::new(),
            otherwise: Otherwise::DecideAnew,
        }
    }

    fn on_condition(self, condition: &'static str) -> Self {
        Self { condition: Some(condition), ..self }
    }

    fn of_version(table: Table, action: Action, version: u64) -> Self {
        let mut write = Self::new(table, action).on_condition("version = :version");
        write.values.insert(":version".to_owned(), AttributeValue::N(version.to_string()));
        write
    }

    pub(super) fn item(&self, name: &str) -> Result<TransactWriteItem, Problem> {
        let condition = self.condition.map(str::to_owned);
        let names = Some(self.names.clone()).filter(|names| !names.is_empty());
        let values = Some(self.values.clone()).filter(|values| !values.is_empty());
        let item = TransactWriteItem::builder();
        Ok(match &self.action {
            Action::Put(put) => item.put(built(
                Put::builder()
                    .table_name(name)
                    .set_item(Some(put.clone()))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .build(),
            )?),
            Action::Update { key, expression } => item.update(built(
                Update::builder()
                    .table_name(name)
                    .set_key(Some(key.clone()))
                    .update_expression(expression)
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .build(),
            )?),
            Action::Delete(key) => item.delete(built(
                Delete::builder()
                    .table_name(name)
                    .set_key(Some(key.clone()))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .build(),
            )?),
            Action::Check(key) => item.condition_check(built(
                ConditionCheck::builder()
                    .table_name(name)
                    .set_key(Some(key.clone()))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .build(),
            )?),
        }
        .build())
    }
}

pub(super) fn built<T>(built: Result<T, BuildError>) -> Result<T, Problem> {
    built.map_err(|_| Problem::bug("a write without its table or key"))
}
