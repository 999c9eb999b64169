//! Prompts by name: a company's own before those of the service.

use crate::audio::prompt::{BuiltIn, Pcm};
use crate::base::CompanyId;
use crate::directory::Directory;

/// What is said for `name`; silence of no length where there is nothing of that name.
pub(super) fn prompt(directory: &Directory, company: CompanyId, name: &str) -> Pcm {
    let own = directory.prompt(company, name).map(|sound| sound.0.clone());
    own.or_else(|| BuiltIn::named(name).map(BuiltIn::pcm)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::BUILT_IN_PROMPTS;

    #[test]
    fn what_the_company_file_may_name_of_the_service_is_there() {
        assert_eq!(BuiltIn::ALL.map(BuiltIn::name), BUILT_IN_PROMPTS);
        for name in BUILT_IN_PROMPTS {
            assert!(!prompt(&Directory::default(), CompanyId(1), name).is_empty(), "{name}");
        }
    }
}
