//! Whether two snapshots say the same of a company.

use super::Directory;
use crate::base::CompanyId;

impl Directory {
    /// Whether nothing of that company is another than in `other`: settings, people, numbers, trunks and
    /// facilities. What has changed of other companies is no difference.
    pub fn is_same_for(&self, other: &Directory, company: CompanyId) -> bool {
        self.company(company) == other.company(company)
            && self.users_of(company).eq(other.users_of(company))
            && self.deactivated_of(company).eq(other.deactivated_of(company))
            && self.numbers_of(company).eq(other.numbers_of(company))
            && self.trunks_of(company).eq(other.trunks_of(company))
            && self.has_same_facilities(other, company)
    }
}
