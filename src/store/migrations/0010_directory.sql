-- Since when a user can do nothing; NULL: they are active.
ALTER TABLE users ADD COLUMN deactivated BIGINT;

-- Answers to requests that say who they are (Idempotency-Key), so that one that is sent again is not
-- carried out again. Kept for a day.
CREATE TABLE repeats (
    -- Whose key it is.
    who TEXT NOT NULL,
    key TEXT NOT NULL,
    -- SHA-256 of method, path and body, hex
    digest TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- NULL: under way
    status BIGINT,
    content_type TEXT NOT NULL DEFAULT '',
    -- NULL: it held a secret, which was shown once
    body BLOB,
    PRIMARY KEY (who, key)
);
CREATE INDEX repeats_by_time ON repeats (at);
