-- What people write on a call. The writer is named as they were called then: a note outlives its writer.

CREATE TABLE call_notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- NULL: an operator or a reseller
    user_id BIGINT,
    extension TEXT,
    name TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX call_notes_of_call ON call_notes (call_id, id);
