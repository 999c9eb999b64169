//! Reading a TOML table so that everything that is wrong with it is known at once.
//!
//! Serde stops at the first error. A shape in which every key may be absent can be read
//! one key at a time, so each key is tried alone and each complaint is kept.

use serde::de::DeserializeOwned;
use std::fmt;
use toml::{Table, Value};

/// One step down into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// A key that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafError {
    pub path: Vec<Step>,
    /// The value as TOML writes it.
    pub value: String,
    /// What serde said, on one line.
    pub message: String,
}

/// Reads `table` as `T`, whose keys must all be optional, down through tables and arrays of
/// tables. Keys that cannot be read are left out of the value and said in the list, so that
/// the rest can be checked all the same.
pub fn read<T: DeserializeOwned + Default>(table: &Table) -> (T, Vec<LeafError>) {
    let mut errors: Vec<LeafError> = leaves(table).into_iter().filter_map(|leaf| leaf.error::<T>()).collect();
    let mut right = Value::Table(table.clone());
    for error in &errors {
        remove(&mut right, &error.path);
    }
    let value = right.clone().try_into().or_else(|_| whole_keys_removed(right, &errors).try_into());
    let value = value.unwrap_or_else(|error: toml::de::Error| {
        errors.push(LeafError { path: Vec::new(), value: String::new(), message: one_line(error.message()) });
        T::default()
    });
    (value, errors)
}

/// Without the top-level keys in which there is a mistake: the key itself may be the mistake.
fn whole_keys_removed(mut right: Value, errors: &[LeafError]) -> Value {
    for error in errors {
        remove(&mut right, error.path.get(..1).unwrap_or(&[]));
    }
    right
}

/// Takes the value at `path` away; tables that become empty go too, items of arrays stay,
/// so that their numbers keep their meaning.
fn remove(value: &mut Value, path: &[Step]) {
    match (value, path) {
        (Value::Table(table), [Step::Key(key)]) => {
            table.remove(key);
        }
        (Value::Table(table), [Step::Key(key), rest @ ..]) => {
            if let Some(inner) = table.get_mut(key) {
                remove(inner, rest);
                if inner.as_table().is_some_and(Table::is_empty) {
                    table.remove(key);
                }
            }
        }
        (Value::Array(items), [Step::Index(index), rest @ ..]) => {
            if let Some(item) = items.get_mut(*index) {
                remove(item, rest);
            }
        }
        (_, _) => {}
    }
}

/// `a.b[2].c`, the index from 1 as people count.
pub struct Dotted<'a>(pub &'a [Step]);

impl fmt::Display for Dotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if depth == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{}]", index + 1)?,
            }
        }
        Ok(())
    }
}

struct Leaf<'a> {
    path: Vec<Step>,
    value: &'a Value,
}

impl Leaf<'_> {
    fn error<T: DeserializeOwned>(self) -> Option<LeafError> {
        let alone = self.path.iter().rev().fold(self.value.clone(), |value, step| match step {
            Step::Key(key) => Value::Table(Table::from_iter([(key.clone(), value)])),
            Step::Index(_) => Value::Array(vec![value]),
        });
        let error = alone.try_into::<T>().err()?;
        let message = one_line(error.message());
        Some(LeafError { path: self.path, value: self.value.to_string(), message })
    }
}

fn leaves(table: &Table) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    for (key, value) in table {
        descend(vec![Step::Key(key.clone())], value, &mut found);
    }
    found
}

fn descend<'a>(path: Vec<Step>, value: &'a Value, found: &mut Vec<Leaf<'a>>) {
    let deeper = |step: Step| path.iter().cloned().chain([step]).collect::<Vec<_>>();
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                descend(deeper(Step::Key(key.clone())), value, found);
            }
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_table) => {
            for (index, value) in items.iter().enumerate() {
                descend(deeper(Step::Index(index)), value, found);
            }
        }
        Value::Table(_)
        | Value::Array(_)
        | Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => found.push(Leaf { path, value }),
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Shape {
        size: Option<u16>,
        inner: Inner,
        item: Vec<Inner>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        name: Option<String>,
    }

    #[test]
    fn every_wrong_key_is_named_at_once() {
        let table: Table =
            toml::from_str("size = 70000\nwidth = 1\n[inner]\nname = 7\n[[item]]\nname = 'a'\n[[item]]\nnam = 'b'")
                .unwrap();
        let (shape, errors) = read::<Shape>(&table);
        assert_eq!(shape.item.len(), 2, "what is right is read all the same");
        let paths: Vec<_> = errors.iter().map(|error| Dotted(&error.path).to_string()).collect();
        assert_eq!(paths, ["inner.name", "item[2].nam", "size", "width"]);
        assert!(errors[3].message.contains("unknown field `width`"), "{}", errors[3].message);
    }

    #[test]
    fn a_right_table_is_read_whole() {
        let table: Table = toml::from_str("size = 7\n[inner]\nname = 'x'\n[[item]]\nname = 'a'").unwrap();
        let (shape, errors) = read::<Shape>(&table);
        assert_eq!(errors, []);
        assert_eq!((shape.size, shape.inner.name.as_deref(), shape.item.len()), (Some(7), Some("x"), 1));
        assert_eq!(shape.item[0].name.as_deref(), Some("a"));
    }
}
