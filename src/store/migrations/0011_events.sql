-- One stream of a company for everything that happens, and hooks that are told of it.

-- An entry is a kind, a subject and what was so then. Positions go on: what was handed over keeps its
-- own, and none is given twice.
ALTER TABLE outbox RENAME TO outbox_before;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    -- The call that it belongs to, where it is of one
    call_id TEXT,
    -- call, recording
    subject TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    -- JSON: what its subject's row will not tell any more
    told TEXT NOT NULL,
    -- What happens to a subject once only is there once: the kind and the subject's id
    once TEXT UNIQUE
);
INSERT INTO outbox (seq, at, kind, company_id, call_id, subject, subject_id, told, once)
    SELECT seq, at, kind, company_id, call_id, 'recording', recording_id, '{"told":"row"}', kind || ' ' || recording_id
    FROM outbox_before ORDER BY seq;
DELETE FROM sqlite_sequence WHERE name = 'outbox';
INSERT INTO sqlite_sequence (name, seq) SELECT 'outbox', seq FROM sqlite_sequence WHERE name = 'outbox_before';
DROP TABLE outbox_before;
CREATE INDEX outbox_by_time ON outbox (at);
CREATE INDEX outbox_of_subject ON outbox (subject_id, kind);

ALTER TABLE feed RENAME TO feed_before;
CREATE TABLE feed (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    fed BIGINT NOT NULL,
    kind TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    call_id TEXT,
    subject TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    event TEXT NOT NULL
);
INSERT INTO feed (seq, at, fed, kind, company_id, call_id, subject, subject_id, event)
    SELECT seq, at, fed, kind, company_id, call_id, 'recording', recording_id, event FROM feed_before ORDER BY seq;
DROP TABLE feed_before;
CREATE INDEX feed_of_company ON feed (company_id, seq);
CREATE INDEX feed_by_time ON feed (fed);

-- Grows with every change of what somebody may know that the directory's version does not tell: an
-- open stream looks at this one number.
CREATE TABLE access_version (
    version BIGINT NOT NULL
);
INSERT INTO access_version (version) VALUES (0);

-- Whom a company tells of its events.
CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    -- JSON
    kinds TEXT NOT NULL,
    -- What each delivery is signed with: the service has to know it
    secret TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    -- The admin who made it; NULL where nobody of the company did
    made_by BIGINT,
    created BIGINT NOT NULL,
    -- Events of the feed up to here are in its queue
    position BIGINT NOT NULL,
    last_success BIGINT,
    last_failure BIGINT,
    last_status BIGINT,
    last_error TEXT NOT NULL DEFAULT '',
    -- Since when nothing has come through; NULL while it works
    failing_since BIGINT
);
CREATE INDEX webhooks_of_company ON webhooks (company_id, id);

-- What is to be told to whom. A later event of a call waits for the earlier ones.
CREATE TABLE webhook_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id BIGINT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    -- Position of the event; 0 of a test
    seq BIGINT NOT NULL,
    -- What is kept in order: the call, or the delivery's own subject
    lane TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    -- pending, delivered, dead
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    created BIGINT NOT NULL,
    -- It is given up after this
    ends BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    last_at BIGINT,
    last_status BIGINT,
    last_error TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (webhook_id, seq) WHERE seq > 0;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (webhook_id, lane, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_of_hook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (state, last_at);
