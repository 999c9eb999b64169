-- The keeping of recordings: how long, what is held, what was exported, and what has gone.

-- Days that recordings of a number are kept; NULL: as the company says; 0: for ever.
ALTER TABLE numbers ADD COLUMN retention_days BIGINT;

-- Of a recording that was deleted: when, why and by whom.
ALTER TABLE recordings ADD COLUMN gone_at BIGINT;
ALTER TABLE recordings ADD COLUMN gone_because TEXT NOT NULL DEFAULT '';
ALTER TABLE recordings ADD COLUMN gone_by TEXT NOT NULL DEFAULT '';
-- Its files have not been taken away yet.
ALTER TABLE recordings ADD COLUMN to_remove BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE recordings SET gone_because = 'deleted', to_remove = TRUE,
    gone_at = (SELECT at FROM outbox WHERE subject_id = recordings.id AND kind = 'recording.deleted')
    WHERE state = 'deleted';
CREATE INDEX recordings_kept ON recordings (company_id, id) WHERE state <> 'deleted';
CREATE INDEX recordings_to_remove ON recordings (id) WHERE to_remove;

-- What nobody deletes: a recording, or all of a call.
CREATE TABLE holds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL,
    -- recording, call
    kind TEXT NOT NULL,
    thing TEXT NOT NULL,
    reason TEXT NOT NULL,
    placed BIGINT NOT NULL,
    placed_by TEXT NOT NULL,
    -- Who asked to lift it: another one confirms. `asked_key` is the same for the same person.
    asked BIGINT,
    asked_by TEXT,
    asked_key TEXT,
    lifted BIGINT,
    lifted_by TEXT
);
CREATE UNIQUE INDEX holds_now ON holds (kind, thing) WHERE lifted IS NULL;
CREATE INDEX holds_of_company ON holds (company_id, id) WHERE lifted IS NULL;

-- Archives of calls and recordings that somebody asked for.
CREATE TABLE exports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL,
    -- The same for the same person.
    owner TEXT NOT NULL,
    who TEXT NOT NULL,
    -- JSON
    what TEXT NOT NULL,
    -- waiting, making, ready, failed, withdrawn, expired
    state TEXT NOT NULL,
    problem TEXT NOT NULL DEFAULT '',
    tries BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    finished BIGINT,
    expires BIGINT,
    calls BIGINT NOT NULL DEFAULT 0,
    recordings BIGINT NOT NULL DEFAULT 0,
    bytes BIGINT NOT NULL DEFAULT 0,
    sha256 TEXT NOT NULL DEFAULT ''
);
CREATE INDEX exports_of_owner ON exports (company_id, owner, id);
CREATE INDEX exports_by_state ON exports (state, id);

-- What is in an archive: it goes when one of it goes. A call that is only in the index has no recording.
CREATE TABLE export_items (
    export_id BIGINT NOT NULL REFERENCES exports (id) ON DELETE CASCADE,
    call_id TEXT NOT NULL,
    recording_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (export_id, call_id, recording_id)
) WITHOUT ROWID;
CREATE INDEX export_items_of_recording ON export_items (recording_id);
CREATE INDEX export_items_of_call ON export_items (call_id);
