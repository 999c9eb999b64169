-- Calls with a contact that is to be erased, which were up or being written when that was asked. A row
-- goes when its call was erased: until then, and nowhere else, the number stands here.

CREATE TABLE erasures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    call_id TEXT NOT NULL,
    -- E.164
    contact TEXT NOT NULL,
    asked BIGINT NOT NULL,
    -- Who asked, as they were called then.
    asked_by TEXT NOT NULL,
    UNIQUE (call_id, contact)
);
