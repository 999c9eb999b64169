//! Groups, inboxes, call flows, prompts and voicemail boxes in the database.

use super::StoreError;
use super::row::Reading;
use crate::base::CompanyId;
use crate::directory::plan::FacilityState;
use crate::directory::{Facility, FacilityKind, FacilityRow, Sound};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

pub(super) async fn write(connection: &mut SqliteConnection, to: &FacilityState) -> Result<(), StoreError> {
    let (detail, sound) = match &to.facility {
        Facility::Group(group) => (serde_json::to_string(group)?, None),
        Facility::Inbox(inbox) => (serde_json::to_string(inbox)?, None),
        Facility::Flow(flow) => (serde_json::to_string(flow)?, None),
        Facility::Prompt(sound) => (String::new(), Some(sound.to_bytes())),
        Facility::Voicemail(mailbox) => (serde_json::to_string(mailbox)?, None),
    };
    let query = sqlx::query(
        "INSERT INTO facilities (company_id, kind, name, detail, sound)
         VALUES ((SELECT id FROM companies WHERE key = $1), $2, $3, $4, $5)
         ON CONFLICT (company_id, kind, name) DO UPDATE SET detail = excluded.detail, sound = excluded.sound",
    );
    let query = query.bind(&to.company).bind(to.kind().as_str()).bind(&to.name);
    query.bind(detail).bind(sound).execute(connection).await?;
    Ok(())
}

/// How many rows went.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    company: &str,
    kind: FacilityKind,
    name: &str,
) -> Result<u64, StoreError> {
    let query = sqlx::query(
        "DELETE FROM facilities
         WHERE kind = $2 AND name = $3 AND company_id = (SELECT id FROM companies WHERE key = $1)",
    );
    Ok(query.bind(company).bind(kind.as_str()).bind(name).execute(connection).await?.rows_affected())
}

pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<FacilityRow>, StoreError> {
    let rows = sqlx::query("SELECT id, company_id, kind, name, detail, sound FROM facilities ORDER BY id")
        .fetch_all(connection)
        .await?;
    rows.iter().map(facility).collect()
}

fn facility(row: &SqliteRow) -> Result<FacilityRow, StoreError> {
    let row = Reading::new("facilities", row);
    let facility = match row.word("kind", FacilityKind::parse)? {
        FacilityKind::Group => Facility::Group(row.json("detail")?),
        FacilityKind::Inbox => Facility::Inbox(row.json("detail")?),
        FacilityKind::Flow => Facility::Flow(row.json("detail")?),
        FacilityKind::Voicemail => Facility::Voicemail(row.json("detail")?),
        FacilityKind::Prompt => {
            Facility::Prompt(Sound::from_bytes(&row.get::<Option<Vec<u8>>>("sound")?.unwrap_or_default()))
        }
    };
    Ok(FacilityRow {
        id: row.get("id")?,
        company: CompanyId(row.get("company_id")?),
        name: row.text("name")?,
        facility,
    })
}
