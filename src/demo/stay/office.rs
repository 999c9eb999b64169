//! The rest of the company, as a company file.

use crate::base::Random;
use crate::demo::company::{NUMBER, Person};
use crate::directory::Role;

/// Its key.
pub const COMPANY: &str = "demo";
/// The number of the support team: a shared inbox, and a call flow that records whatever the company says.
pub const SUPPORT: &str = "+12025550101";
/// Nobody answers it: callers leave a message for everybody.
pub const NIGHT: &str = "+12025550102";

/// Who works there besides those of the three calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Office {
    pub ada: Person,
    pub emil: Person,
    pub finn: Person,
    pub grace: Person,
    /// Of the boxes, for `*98`.
    pub pin: String,
}

impl Office {
    /// With new passwords.
    pub fn new(random: &mut dyn Random) -> Self {
        let mut person = |extension, name| Person::new(extension, name, random);
        let (ada, emil, finn, grace) =
            (person("100", "Ada"), person("105", "Emil"), person("106", "Finn"), person("107", "Grace"));
        Office { ada, emil, finn, grace, pin: format!("{:06}", random.u32() % 1_000_000) }
    }

    /// Goes on where the file of the three calls ends.
    pub fn file(&self) -> String {
        let Office { ada, emil, finn, grace, pin } = self;
        let people = [(ada, Role::Admin), (emil, Role::Supervisor), (finn, Role::Agent), (grace, Role::Agent)];
        // In analytics the company's setting is for admins too: without one of their own these two have few figures.
        let sees_all = |role| match role {
            Role::Admin | Role::Supervisor => "call_visibility = \"all\"\nplay = \"all\"\n",
            Role::Analyst | Role::Agent => "",
        };
        let people: String = people.into_iter().map(|(person, role)| person.table(role) + sees_all(role)).collect();
        format!(
            r#"{people}
[[group]]
name = "sales"
label = "Sales"
members = ["101", "102"]

[[group]]
name = "support"
label = "Support"
members = ["106", "107"]
subscribe_members = true

[[inbox]]
name = "sales"
label = "Sales"
numbers = ["{NUMBER}"]
members = ["101", "102", "105"]

# Calls and texts of one number, for the whole team.
[[inbox]]
name = "support"
label = "Support"
numbers = ["{SUPPORT}"]
primary = "{SUPPORT}"
members = ["105", "106", "107"]
flow = "support"
messaging = ["{SUPPORT}"]
history = true

[[number]]
number = "{SUPPORT}"

[[number]]
number = "{NIGHT}"
route = "flow:night"

[[flow]]
name = "support"

[[flow.step]]
name = "record"
do = "recording"
on = true
next = "team"

[[flow.step]]
name = "team"
do = "ring"
target = "group:support"
seconds = 20
next = "message"

[[flow.step]]
name = "message"
do = "voicemail"
box = "8500"

[[flow]]
name = "night"

[[flow.step]]
name = "message"
do = "voicemail"
box = "8000"

[[voicemail]]
number = "8107"
name = "Grace"
owner = "user:107"
password = "{pin}"
review = false

[[voicemail]]
number = "8500"
name = "Support"
owner = "group:support"
password = "{pin}"
review = false

[[voicemail]]
number = "8000"
name = "Everybody"
access = "global"
password = "{pin}"
review = false
"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Seeded;
    use crate::demo::company::{self, People};
    use crate::directory::Directory;
    use crate::directory::file::CompanyFile;
    use crate::directory::plan::plan;
    use std::net::SocketAddr;

    #[test]
    fn the_whole_file_can_be_applied() {
        let carrier = SocketAddr::from(([127, 0, 0, 2], 5062));
        let text =
            company::file(&People::new(&mut Seeded(1)), carrier.ip(), carrier) + &Office::new(&mut Seeded(2)).file();
        let file = CompanyFile::parse(&text).expect("a right file");
        plan(&Directory::default(), &file, false).expect("a sound company");
    }
}
