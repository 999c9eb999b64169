-- Groups, inboxes, call flows and prompts: what a company has besides people, numbers and trunks.
-- They name each other and users and numbers as people do; applying a company file checks that
-- all of it exists.

CREATE TABLE facilities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL REFERENCES companies (id),
    -- group, inbox, flow, prompt
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- JSON; of a prompt empty
    detail TEXT NOT NULL,
    -- Samples of a prompt: 8 kHz, 16 bit, little-endian
    sound BLOB,
    UNIQUE (company_id, kind, name)
);

-- Where a call to a number goes, where that is no user: `group:NAME`, `inbox:NAME`, `flow:NAME`.
ALTER TABLE numbers ADD COLUMN route TEXT;

-- How a user makes and takes calls: JSON.
ALTER TABLE users ADD COLUMN calls TEXT NOT NULL DEFAULT '{}';

-- Who is told that a call over the number is recorded, where that is not as the company says.
ALTER TABLE numbers ADD COLUMN notice TEXT;
