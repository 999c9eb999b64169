//! Who may lift a legal hold: always two.

/// Who wants to lift it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifter {
    /// An admin of the company, by a key that is theirs alone.
    Admin(String),
    /// Who runs the service.
    Operator,
}

impl Lifter {
    /// The same for the same person.
    pub fn key(&self) -> &str {
        match self {
            Lifter::Admin(key) => key,
            Lifter::Operator => "operator",
        }
    }
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lift {
    /// They asked first: another one confirms.
    Asked(Second),
    /// They asked before: it is for another one.
    AskedAlready(Second),
    /// The operator confirms where there is no second admin, and not else.
    NotTheOperator,
    Lifted,
}

/// Who confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    AnotherAdmin,
    /// The company has one admin.
    Operator,
}

impl Second {
    pub const fn as_str(self) -> &'static str {
        match self {
            Second::AnotherAdmin => "another admin of the company",
            Second::Operator => "the operator, with `telegraphone recording lift`",
        }
    }
}

/// What becomes of a wish to lift a hold. `asked`: the key of who asked before, where they may still
/// do so; `admins`: how many the company has now.
pub fn lift(asked: Option<&str>, who: &Lifter, admins: usize) -> Lift {
    let second = match (who, admins) {
        (Lifter::Admin(_), 0 | 1) => Second::Operator,
        (Lifter::Admin(_) | Lifter::Operator, _) => Second::AnotherAdmin,
    };
    match (asked, who) {
        // Nobody else is there.
        (_, Lifter::Operator) if admins == 0 => Lift::Lifted,
        (Some(asked), who) if asked == who.key() => Lift::AskedAlready(second),
        (Some(_), Lifter::Operator) if admins > 1 => Lift::NotTheOperator,
        (Some(_), Lifter::Admin(_) | Lifter::Operator) => Lift::Lifted,
        (None, Lifter::Admin(_) | Lifter::Operator) => Lift::Asked(second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lift_a_hold_and_the_operator_is_the_second_only_where_no_admin_is() {
        let admin = |key: &str| Lifter::Admin(key.to_owned());
        let (other, operator) = (Second::AnotherAdmin, Second::Operator);
        let rows = [
            ("the first of two asks", None, admin("1"), 2, Lift::Asked(other)),
            ("asking twice is asking once", Some("1"), admin("1"), 2, Lift::AskedAlready(other)),
            ("another one confirms", Some("1"), admin("2"), 2, Lift::Lifted),
            ("the operator does not, where there is another", Some("1"), Lifter::Operator, 2, Lift::NotTheOperator),
            ("the only admin asks", None, admin("1"), 1, Lift::Asked(operator)),
            ("and cannot confirm", Some("1"), admin("1"), 1, Lift::AskedAlready(operator)),
            ("the operator does", Some("1"), Lifter::Operator, 1, Lift::Lifted),
            ("the operator asks too", None, Lifter::Operator, 1, Lift::Asked(other)),
            ("and does not confirm", Some("operator"), Lifter::Operator, 1, Lift::AskedAlready(other)),
            ("an admin does", Some("operator"), admin("1"), 1, Lift::Lifted),
            ("nobody else is there", None, Lifter::Operator, 0, Lift::Lifted),
        ];
        for (name, asked, who, admins, expected) in rows {
            assert_eq!(lift(asked, &who, admins), expected, "{name}");
        }
    }
}
