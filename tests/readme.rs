//! What the README says of the configuration is what the configuration is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its expectation fails"
)]

use telegraphone::service::config::describe;

/// The configuration table, a row a key, as it stands in the README.
fn table() -> String {
    let mut rows = vec!["| key | default | unit | meaning |".to_owned(), "|---|---|---|---|".to_owned()];
    for key in describe() {
        let unit = if key.unit.is_empty() { "–" } else { key.unit };
        rows.push(format!("| `{}` | `{}` | {unit} | {} |", key.key, key.default, key.doc));
    }
    rows.join("\n")
}

#[test]
fn the_readme_has_every_key_with_its_default_unit_and_meaning() {
    let table = table();
    let readme = include_str!("../README.md");
    let missing: Vec<&str> = table.lines().filter(|row| !readme.contains(row)).collect();
    assert!(missing.is_empty(), "these rows belong into README.md:\n{}", missing.join("\n"));
}
