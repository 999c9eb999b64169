//! Users, as far as a client needs to know who has logged in.

use crate::directory::{Mailbox, User};
use crate::subscription::Uuids;
use serde_json::{Value, json};

/// What clients look for to know which fields there are: the version that first had the messages of all
/// boxes in one list.
const VERSION: &str = "25.14";

/// A user with the extension as a line and the box, where they have one. There are no forwards here that a
/// user sets, and no switch against being disturbed.
pub fn user_body(uuids: &Uuids, user: &User, key: &str, mailbox: Option<&Mailbox>) -> Value {
    let (first, last) = user.name.split_once(' ').unwrap_or((&user.name, ""));
    let off = json!({ "enabled": false, "destination": null });
    let extension = json!({ "id": user.id, "exten": user.extension, "context": "default" });
    json!({
        "uuid": uuids.users.get(&user.id),
        "id": user.id,
        "tenant_uuid": uuids.company,
        "firstname": first,
        "lastname": last,
        "username": format!("{}@{key}", user.extension),
        "email": null,
        "mobile_phone_number": null,
        "enabled": true,
        "ring_seconds": user.calls.ring_s,
        "lines": [{
            "id": user.id,
            "extensions": [extension],
            "endpoint_sip": null,
            "endpoint_sccp": null,
            "endpoint_custom": null,
        }],
        "incalls": [],
        "groups": [],
        "switchboards": [],
        "agent": null,
        "forwards": { "busy": off, "noanswer": off, "unconditional": off },
        "services": { "dnd": { "enabled": false }, "incallfilter": { "enabled": false } },
        "voicemail": mailbox.map(|mailbox| json!({ "id": mailbox.id, "name": mailbox.name })),
    })
}

pub fn infos_body(uuids: &Uuids) -> Value {
    json!({ "uuid": uuids.company, "wazo_version": VERSION })
}
