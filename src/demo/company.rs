//! The company that the demo plays, as a company file.

use crate::base::Random;
use crate::directory::Role;
use std::net::{IpAddr, SocketAddr};

/// The number that customers call.
pub const NUMBER: &str = "+12025550100";
/// A customer outside.
pub const CUSTOMER: &str = "+12025550147";
/// The address that phones are set up with.
pub const DOMAIN: &str = "127.0.0.1";

/// A user of the company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub extension: &'static str,
    pub name: &'static str,
    pub password: String,
}

impl Person {
    /// With a new password.
    pub fn new(extension: &'static str, name: &'static str, random: &mut dyn Random) -> Self {
        let mut bytes = [0; 6];
        random.fill(&mut bytes);
        Person { extension, name, password: hex::encode(bytes) }
    }

    /// Their table of the company file.
    pub fn table(&self, role: Role) -> String {
        let Person { extension, name, password } = self;
        let role = role.as_str();
        format!(
            "\n[[user]]\nextension = \"{extension}\"\nname = \"{name}\"\npassword = \"{password}\"\nrole = \"{role}\"\n"
        )
    }
}

/// Who works there. `you` is for the reader's own softphone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    pub anna: Person,
    pub ben: Person,
    pub clara: Person,
    pub dora: Person,
    pub you: Person,
}

impl People {
    /// With new passwords.
    pub fn new(random: &mut dyn Random) -> Self {
        let mut person = |extension, name| Person::new(extension, name, random);
        People {
            anna: person("101", "Anna"),
            ben: person("102", "Ben"),
            clara: person("103", "Clara"),
            dora: person("104", "Dora"),
            you: person("200", "You"),
        }
    }

    fn all(&self) -> [&Person; 5] {
        let People { anna, ben, clara, dora, you } = self;
        [anna, ben, clara, dora, you]
    }
}

/// The company file: inbound and outbound calls are recorded, internal ones are not.
pub fn file(people: &People, carrier_ip: IpAddr, carrier: SocketAddr) -> String {
    let mut text = format!(
        r#"# The demo company. Change it and say `telegraphone --data FOLDER apply FOLDER/company.toml`.

[[company]]
key = "demo"
name = "Telegraphone Demo"
domains = ["{DOMAIN}", "localhost"]
realm = "telegraphone-demo"
default_number = "{NUMBER}"

[company.settings]
record_inbound = true
record_outbound = true
record_internal = false
agent_pause = true
country_code = "1"

[[number]]
number = "{NUMBER}"
route = "user:{anna}"

[[trunk]]
name = "carrier"
addresses = ["{carrier_ip}"]
host = "{host}"
port = {port}
transport = "udp"
"#,
        anna = people.anna.extension,
        host = carrier.ip(),
        port = carrier.port(),
    );
    for person in people.all() {
        text.push_str(&person.table(Role::Agent));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Seeded;
    use crate::directory::Directory;
    use crate::directory::file::CompanyFile;
    use crate::directory::plan::plan;

    #[test]
    fn the_company_file_can_be_applied() {
        let people = People::new(&mut Seeded(1));
        let carrier = SocketAddr::from(([127, 0, 0, 2], 5062));
        let file = CompanyFile::parse(&file(&people, carrier.ip(), carrier)).expect("a right file");
        let plan = plan(&Directory::default(), &file, false).expect("a sound company");
        assert_eq!(plan.changes.len(), 1 + 1 + 1 + 5, "{plan}");
    }
}
