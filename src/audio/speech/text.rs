//! What each clip says, in words: for those who record their own.

use super::Clip;
use crate::base::Language;

/// The words that the service's own clip was made from. `None`: there is no such clip, which a test
/// excludes.
pub fn text(language: Language, clip: Clip) -> Option<&'static str> {
    let name = clip.to_string();
    spoken(language).find(|(found, _)| *found == name).map(|(_, text)| text)
}

/// Every clip's name and words, ordered by name.
pub fn spoken(language: Language) -> impl Iterator<Item = (&'static str, &'static str)> {
    let file = match language {
        Language::English => include_str!("make/spoken/en.txt"),
        Language::German => include_str!("make/spoken/de.txt"),
        Language::French => include_str!("make/spoken/fr.txt"),
        Language::Spanish => include_str!("make/spoken/es.txt"),
    };
    file.lines().filter_map(|line| line.split_once(": "))
}
