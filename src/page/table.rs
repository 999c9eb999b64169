//! Which pages there are, and what each asks the API for.

/// Whose page it is. The API decides what is on it; this only spares a person pages of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    Everybody,
    /// Admins, and who stands above the company.
    Admin,
    /// Operators and resellers, above the companies.
    Staff,
}

/// A page.
#[derive(Debug)]
pub struct Page {
    /// As axum reads it.
    pub path: &'static str,
    pub template: &'static str,
    /// Its entry in the navigation.
    pub name: &'static str,
    pub area: Area,
    /// In this order: later ones may be about what earlier ones gave.
    pub asks: &'static [Asked],
}

/// Whether a page is nothing without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Must,
    /// Without it the template has `none`.
    May,
}

/// One request to the API.
#[derive(Debug)]
pub struct Asked {
    /// What the template calls the answer.
    pub name: &'static str,
    /// Below `/api/v1`; `{name}` is a part of the page's path, or of its query.
    pub path: &'static str,
    /// Always asked.
    pub fixed: &'static str,
    /// Passed on from the page's query.
    pub query: &'static [&'static str],
    /// `from` and `until` may be days there; `until` is the last one.
    pub days: bool,
    pub need: Need,
    /// Once for each thing of a list in an earlier answer: its name, and where the list stands in it.
    pub over: Option<(&'static str, &'static str)>,
    /// The earlier answer whose values its path has; without one nothing is asked.
    pub about: Option<&'static str>,
    /// Not asked where an earlier answer has a value there: its name, and where it stands in it.
    pub unless: Option<(&'static str, &'static str)>,
    /// The list in the answer, where all of it is wanted and not its first page.
    pub whole: Option<&'static str>,
    /// It is for what stands around the parts of a page that change: not asked where only a part is wanted.
    pub around: bool,
}

impl Asked {
    pub const fn must(name: &'static str, path: &'static str) -> Self {
        Asked {
            name,
            path,
            fixed: "",
            query: &[],
            days: false,
            need: Need::Must,
            over: None,
            about: None,
            unless: None,
            whole: None,
            around: false,
        }
    }

    const fn may(name: &'static str, path: &'static str) -> Self {
        Asked { need: Need::May, ..Self::must(name, path) }
    }

    const fn each(name: &'static str, path: &'static str, over: (&'static str, &'static str)) -> Self {
        Asked { over: Some(over), ..Self::may(name, path) }
    }

    const fn about(self, thing: &'static str) -> Self {
        Asked { about: Some(thing), ..self }
    }

    const fn unless(self, name: &'static str, pointer: &'static str) -> Self {
        Asked { unless: Some((name, pointer)), ..self }
    }

    pub const fn fixed(self, fixed: &'static str) -> Self {
        Asked { fixed, ..self }
    }

    pub const fn of(self, query: &'static [&'static str]) -> Self {
        Asked { query, ..self }
    }

    pub const fn whole(self, list: &'static str) -> Self {
        Asked { whole: Some(list), ..self }
    }

    pub const fn around(self) -> Self {
        Asked { around: true, ..self }
    }

    pub const fn days(self) -> Self {
        Asked { days: true, ..self }
    }
}

const fn page(
    path: &'static str,
    template: &'static str,
    name: &'static str,
    area: Area,
    asks: &'static [Asked],
) -> Page {
    Page { path, template, name, area, asks }
}

use Area::{Admin, Everybody, Staff};

const INBOXES: Asked = Asked::may("inboxes", "/inboxes").fixed("limit=200").whole("inboxes");
const USERS: Asked = Asked::may("users", "/users").fixed("limit=200");
const GROUPS: Asked = Asked::may("groups", "/groups").fixed("limit=200").whole("groups");
const NUMBERS: Asked = Asked::may("numbers", "/numbers").fixed("limit=200");
const FLOWS: Asked = Asked::may("flows", "/flows").fixed("limit=200").whole("flows");
const BOXES: Asked = Asked::may("boxes", "/voicemails").fixed("limit=200").whole("voicemails");
const PROMPTS: Asked = Asked::may("prompts", "/prompts").fixed("limit=200").whole("prompts");
/// For a list to choose one from; where several are picked, the page's script fetches those beyond the first.
const ALL_USERS: Asked = USERS.whole("users");
const ALL_NUMBERS: Asked = NUMBERS.whole("numbers");
const SETTINGS: Asked = Asked::must("settings", "/settings");
/// Which calls are counted.
const FIGURES: &[&str] = &["from", "until", "direction", "number", "inbox", "group", "user"];

/// Every page.
pub const PAGES: &[Page] = &[
    page(
        "/calls",
        "calls.html",
        "calls",
        Everybody,
        &[
            Asked::must("list", "/calls").fixed("limit=50").days().of(&[
                "before",
                "inbox",
                "number",
                "user",
                "group",
                "direction",
                "recorded",
                "missed",
                "played",
                "contact",
                "text",
                "from",
                "until",
            ]),
            Asked::may("live", "/calls/live"),
            INBOXES.around(),
            ALL_USERS.around(),
            GROUPS.around(),
        ],
    ),
    page(
        "/calls/{id}",
        "call.html",
        "calls",
        Everybody,
        &[
            Asked::must("call", "/calls/{id}"),
            Asked::may("live", "/calls/live").unless("call", "/ended"),
            Asked::each("recordings", "/recordings/{id}", ("call", "/recordings")),
            Asked::may("notes", "/calls/{id}/notes"),
        ],
    ),
    page("/live", "live.html", "live", Everybody, &[Asked::must("live", "/calls/live").of(&["inbox"]), INBOXES]),
    page(
        "/voicemail",
        "voicemail.html",
        "voicemail",
        Everybody,
        &[
            Asked::must("list", "/messages")
                .fixed("limit=50")
                .days()
                .of(&["before", "box", "inbox", "folder", "caller", "text", "removed", "from", "until"]),
            Asked::may("counts", "/messages/counts").of(&["inbox"]),
            Asked::may("own_box", "/me/voicemail").around(),
            Asked::may("cover", "/voicemails/{key}/subscribers").about("own_box").around(),
            BOXES,
            INBOXES,
            USERS,
        ],
    ),
    page(
        "/voicemail/{id}",
        "message.html",
        "voicemail",
        Everybody,
        &[Asked::must("message", "/messages/{id}"), Asked::may("counts", "/messages/counts"), BOXES, USERS],
    ),
    page(
        "/mailbox/{box}",
        "mailbox.html",
        "voicemail",
        Everybody,
        &[
            Asked::must("box", "/voicemails/{box}"),
            Asked::may("greetings", "/voicemails/{box}/greetings"),
            Asked::may("subscribers", "/voicemails/{box}/subscribers"),
            USERS,
        ],
    ),
    page(
        "/messages",
        "messages.html",
        "messages",
        Everybody,
        &[
            Asked::must("list", "/conversations")
                .fixed("limit=50")
                .of(&["before", "inbox", "number", "contact", "user", "unread", "text"]),
            INBOXES,
            NUMBERS,
            USERS,
        ],
    ),
    page(
        "/messages/{id}",
        "conversation.html",
        "messages",
        Everybody,
        &[
            Asked::must("conversation", "/conversations/{id}"),
            Asked::must("texts", "/conversations/{id}/messages").fixed("limit=50").of(&["before"]),
            Asked::may("list", "/conversations").fixed("limit=50").of(&["inbox", "unread", "text"]),
            INBOXES,
            NUMBERS,
            USERS,
        ],
    ),
    page(
        "/contacts",
        "contacts.html",
        "contacts",
        Everybody,
        &[Asked::must("list", "/contacts").fixed("limit=50").of(&["after", "text", "inbox"]), INBOXES],
    ),
    page(
        "/contacts/{number}",
        "contact.html",
        "contacts",
        Everybody,
        &[
            Asked::must("contact", "/contacts/{number}").fixed("limit=50").of(&["before", "inbox"]),
            Asked::may("exports", "/exports"),
            INBOXES,
            NUMBERS,
        ],
    ),
    page(
        "/analytics",
        "analytics.html",
        "analytics",
        Everybody,
        &[
            Asked::must("days", "/analytics").fixed("by=day").days().of(FIGURES),
            Asked::must("users_by", "/analytics").fixed("by=user").days().of(FIGURES),
            Asked::must("groups_by", "/analytics").fixed("by=group").days().of(FIGURES),
            Asked::must("numbers_by", "/analytics").fixed("by=number").days().of(FIGURES),
            Asked::must("inboxes_by", "/analytics").fixed("by=inbox").days().of(FIGURES),
            Asked::may("settings", "/settings"),
            INBOXES,
            ALL_USERS,
            GROUPS,
            ALL_NUMBERS,
        ],
    ),
    page(
        "/me",
        "me.html",
        "me",
        Everybody,
        &[
            INBOXES,
            GROUPS,
            BOXES,
            Asked::may("own_box", "/me/voicemail"),
            Asked::may("push", "/me/push"),
            Asked::may("tokens", "/tokens"),
        ],
    ),
    page(
        "/welcome",
        "welcome.html",
        "welcome",
        Admin,
        &[
            USERS,
            NUMBERS,
            Asked::may("phones", "/devices"),
            Asked::may("trunks", "/trunks").fixed("limit=200"),
            SETTINGS,
            Asked::may("of_company", "/company"),
            Asked::may("list", "/calls").fixed("limit=50"),
            Asked::may("recorded", "/calls").fixed("recorded=true&limit=1"),
        ],
    ),
    page(
        "/settings",
        "settings.html",
        "settings",
        Admin,
        &[SETTINGS, Asked::must("of_company", "/company"), USERS, NUMBERS, FLOWS],
    ),
    page(
        "/users",
        "users.html",
        "users",
        Admin,
        &[Asked::must("list", "/users").fixed("limit=200").of(&["after", "deactivated"]), SETTINGS, INBOXES, NUMBERS],
    ),
    page(
        "/users/{name}",
        "user.html",
        "users",
        Admin,
        &[
            Asked::must("user", "/users/{name}"),
            Asked::may("phones", "/users/{name}/devices"),
            SETTINGS,
            USERS,
            GROUPS,
            NUMBERS,
            INBOXES,
            FLOWS,
            BOXES,
        ],
    ),
    page(
        "/groups",
        "groups.html",
        "groups",
        Admin,
        &[Asked::must("list", "/groups").fixed("limit=200").of(&["after"]), USERS, INBOXES],
    ),
    page(
        "/groups/{name}",
        "group.html",
        "groups",
        Admin,
        &[Asked::must("group", "/groups/{name}"), USERS, NUMBERS, FLOWS, BOXES],
    ),
    page(
        "/numbers",
        "numbers.html",
        "numbers",
        Admin,
        &[
            Asked::must("list", "/numbers").fixed("limit=200").of(&["after", "type", "inbox"]),
            Asked::may("licences", "/licences"),
            INBOXES,
            USERS,
            FLOWS,
            GROUPS,
        ],
    ),
    page(
        "/numbers/{name}",
        "number.html",
        "numbers",
        Admin,
        &[
            Asked::must("number", "/numbers/{name}"),
            Asked::may("shared", "/numbers/{name}/shared-inbox"),
            Asked::may("subscribers", "/numbers/{name}/subscribers"),
            SETTINGS,
            USERS,
            GROUPS,
            INBOXES,
            FLOWS,
            BOXES,
        ],
    ),
    page(
        "/inboxes",
        "inboxes.html",
        "inboxes",
        Admin,
        &[Asked::must("list", "/inboxes").fixed("limit=200").of(&["after"]), USERS, NUMBERS],
    ),
    page(
        "/inboxes/{name}",
        "inbox.html",
        "inboxes",
        Admin,
        &[Asked::must("inbox", "/inboxes/{name}"), INBOXES, USERS, NUMBERS, FLOWS, SETTINGS],
    ),
    page(
        "/boxes",
        "boxes.html",
        "boxes",
        Admin,
        &[Asked::must("list", "/voicemails").fixed("limit=200").of(&["after"]), USERS, GROUPS, INBOXES, SETTINGS],
    ),
    page(
        "/boxes/{name}",
        "box.html",
        "boxes",
        Admin,
        &[
            Asked::must("box", "/voicemails/{name}"),
            Asked::may("greetings", "/voicemails/{name}/greetings"),
            Asked::may("subscribers", "/voicemails/{name}/subscribers"),
            Asked::may("counts", "/voicemails/{name}/counts"),
            USERS,
            GROUPS,
            SETTINGS,
        ],
    ),
    page(
        "/trunks",
        "trunks.html",
        "trunks",
        Admin,
        &[
            Asked::must("list", "/trunks").fixed("limit=200").of(&["after"]),
            Asked::each("states", "/trunks/{name}/state", ("list", "/trunks")),
        ],
    ),
    page(
        "/trunks/{name}",
        "trunk.html",
        "trunks",
        Admin,
        &[Asked::must("trunk", "/trunks/{name}"), Asked::may("state", "/trunks/{name}/state")],
    ),
    page(
        "/flows",
        "flows.html",
        "flows",
        Admin,
        &[Asked::must("list", "/flows").fixed("limit=200").of(&["after"]), USERS, GROUPS, NUMBERS, INBOXES, PROMPTS],
    ),
    page(
        "/flows/{name}",
        "flow.html",
        "flows",
        Admin,
        &[Asked::must("flow", "/flows/{name}"), USERS, GROUPS, NUMBERS, INBOXES, FLOWS, BOXES, PROMPTS, SETTINGS],
    ),
    page(
        "/prompts",
        "prompts.html",
        "flows",
        Admin,
        &[Asked::must("list", "/prompts").fixed("limit=200").of(&["after"]), FLOWS],
    ),
    page(
        "/subscriptions",
        "subscriptions.html",
        "subscriptions",
        Admin,
        &[
            Asked::must("numbers", "/numbers").fixed("limit=50").of(&["after", "inbox"]),
            Asked::each("subscribers", "/numbers/{number}/subscribers", ("numbers", "/numbers")),
            USERS,
            INBOXES,
        ],
    ),
    page(
        "/audit",
        "audit.html",
        "audit",
        Admin,
        &[Asked::must("log", "/access-log")
            .fixed("newest=true&limit=50")
            .days()
            .of(&["before", "action", "text", "from", "until"])],
    ),
    page(
        "/keeping",
        "keeping.html",
        "keeping",
        Admin,
        &[
            SETTINGS,
            Asked::must("holds", "/holds").of(&["after"]),
            Asked::each("held_calls", "/calls/{call}", ("holds", "/holds")),
            Asked::each("held_recordings", "/recordings/{recording}", ("holds", "/holds")),
            Asked::each("calls_of_held", "/calls/{call}", ("held_recordings", "")),
            Asked::may("exports", "/exports").fixed("limit=50").of(&["before"]),
            NUMBERS,
            INBOXES,
            GROUPS,
            USERS,
        ],
    ),
    page(
        "/webhooks",
        "webhooks.html",
        "webhooks",
        Admin,
        &[
            Asked::must("list", "/webhooks"),
            Asked::may("gateway", "/push-gateway"),
            Asked::may("notices", "/notices").fixed("limit=50").of(&["before", "state"]),
        ],
    ),
    page(
        "/webhooks/{id}",
        "webhook.html",
        "webhooks",
        Admin,
        &[
            Asked::must("hook", "/webhooks/{id}"),
            Asked::may("deliveries", "/webhooks/{id}/deliveries").fixed("limit=50").of(&["before", "state"]),
        ],
    ),
    page("/lockouts", "lockouts.html", "lockouts", Admin, &[Asked::must("list", "/lockouts").of(&["after"])]),
    page("/companies", "companies.html", "companies", Staff, &[]),
    page("/staff/lockouts", "lockouts.html", "companies", Staff, &[Asked::must("list", "/lockouts").of(&["after"])]),
    page("/staff/me", "me.html", "me", Staff, &[Asked::may("tokens", "/tokens")]),
    page("/staff", "staff.html", "companies", Staff, &[Asked::must("list", "/staff")]),
];
