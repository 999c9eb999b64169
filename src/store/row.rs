//! Columns as values of ours, with the row named where one makes no sense.

use super::StoreError;
use crate::base::Wall;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Row, Sqlite, Type};

/// One row of a table, for reading.
pub(super) struct Reading<'r> {
    pub table: &'static str,
    pub row: &'r SqliteRow,
}

impl<'r> Reading<'r> {
    pub fn new(table: &'static str, row: &'r SqliteRow) -> Self {
        Reading { table, row }
    }

    pub fn get<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
        &'static str: ColumnIndex<SqliteRow>,
    {
        Ok(self.row.try_get(column)?)
    }

    pub fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.get(column)
    }

    pub fn wall(&self, column: &'static str) -> Result<Wall, StoreError> {
        self.get(column).map(Wall::from_unix_micros)
    }

    pub fn wall_or_none(&self, column: &'static str) -> Result<Option<Wall>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Wall::from_unix_micros))
    }

    /// A number that is never negative.
    pub fn count<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        let value: i64 = self.get(column)?;
        T::try_from(value).map_err(|_| self.corrupt(column, &value.to_string()))
    }

    /// A word of ours.
    pub fn word<T>(&self, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| self.corrupt(column, &text))
    }

    pub fn word_or_none<T>(&self, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| parse(&text).ok_or_else(|| self.corrupt(column, &text))).transpose()
    }

    pub fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|error| self.corrupt(column, &error.to_string()))
    }

    pub fn corrupt(&self, column: &'static str, what: &str) -> StoreError {
        // Every table's first column is its key.
        let row = self.row.try_get::<String, _>(0);
        let row = row.or_else(|_| self.row.try_get::<i64, _>(0).map(|id| id.to_string()));
        StoreError::Corrupt { table: self.table, row: row.unwrap_or_default(), what: format!("{column}: {what}") }
    }
}

/// For a column: counts of ours are far below 2^63.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
