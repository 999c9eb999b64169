//! What a company has, thing by thing, in the words of the company file: for lists and single views.

use super::super::file::Kind;
use super::super::{Company, Directory, FacilityKind};
use super::facility::FacilityState;
use super::state::{CompanyState, NumberState, UserState};
use super::trunk::TrunkState;
use super::{Keys, setting_keys};

/// One thing of a company.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Of its row; never used again for another.
    pub id: i64,
    /// By which it is named in the company.
    pub name: String,
    pub keys: Keys,
}

/// Everything of that kind in the company, by name.
pub fn listed(directory: &Directory, company: &Company, kind: Kind) -> Vec<Listed> {
    let mut all: Vec<Listed> = match kind {
        Kind::Company => {
            let keys = CompanyState::of(directory, company).keys();
            vec![Listed { id: company.id.0, name: company.key.clone(), keys }]
        }
        Kind::Settings => {
            let keys = setting_keys(&company.settings);
            vec![Listed { id: company.id.0, name: company.key.clone(), keys }]
        }
        Kind::User => directory
            .users_of(company.id)
            .chain(directory.deactivated_of(company.id))
            .map(|user| Listed {
                id: user.id.0,
                name: user.extension.clone(),
                keys: UserState::of(directory, &company.key, user).keys(),
            })
            .collect(),
        Kind::Number => directory
            .numbers_of(company.id)
            .map(|number| Listed {
                id: number.id.0,
                name: number.e164.clone(),
                keys: NumberState::of(directory, &company.key, number).keys(),
            })
            .collect(),
        Kind::Trunk => directory
            .trunks_of(company.id)
            .map(|trunk| Listed {
                id: trunk.id.0,
                name: trunk.name.clone(),
                keys: TrunkState::of(company, trunk).keys(),
            })
            .collect(),
        Kind::Facility(kind) => facilities(directory, company, kind),
    };
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

fn facilities(directory: &Directory, company: &Company, kind: FacilityKind) -> Vec<Listed> {
    let of_kind = directory.facilities_of(company.id).filter(|(_, facility)| facility.kind() == kind);
    let listed = of_kind.filter_map(|(name, facility)| {
        let id = directory.facility_id(company.id, kind, &name)?;
        let state = FacilityState { company: company.key.clone(), name, facility };
        Some(Listed { id, keys: state.keys(), name: state.name })
    });
    listed.collect()
}
