-- Voicemail: messages, what each reader has done with them, who receives them, greetings. The boxes
-- themselves are facilities of their company.

-- One row a message, whoever hears it.
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    company_id BIGINT NOT NULL,
    box_id BIGINT NOT NULL,
    call_id TEXT,
    caller_user_id BIGINT,
    caller_address TEXT NOT NULL,
    caller_name TEXT NOT NULL,
    number_id BIGINT,
    left_at BIGINT NOT NULL,
    samples BIGINT NOT NULL,
    rate BIGINT NOT NULL,
    path TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    -- SHA-256, hex
    digest TEXT NOT NULL,
    urgent BOOLEAN NOT NULL,
    -- JSON: where it was sent on from
    forwarded TEXT
);
CREATE INDEX messages_of_box ON messages (box_id, left_at, id);
CREATE INDEX messages_of_company ON messages (company_id, left_at, id);
CREATE INDEX messages_of_caller ON messages (company_id, caller_address, left_at, id);
-- Few, whatever the box holds.
CREATE INDEX urgent_messages ON messages (box_id, left_at, id) WHERE urgent;
CREATE INDEX messages_of_call ON messages (call_id) WHERE call_id IS NOT NULL;

-- Where a message stands for whom it is for; reader 0 is everybody who reads a global box. Written
-- with the message, so that what is new is counted without looking at what is old.
CREATE TABLE message_states (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    reader_id BIGINT NOT NULL,
    box_id BIGINT NOT NULL,
    left_at BIGINT NOT NULL,
    -- 1 inbox, 2 old, 3 urgent, 4 work, 5 family, 6 friends
    folder BIGINT NOT NULL,
    -- This reader has thrown it away.
    removed BOOLEAN NOT NULL DEFAULT FALSE,
    -- When: it can be brought back for a while
    removed_at BIGINT,
    read_at BIGINT,
    -- Of a global box: who read it.
    read_by BIGINT,
    PRIMARY KEY (message_id, reader_id)
) WITHOUT ROWID;
CREATE INDEX message_states_of_reader ON message_states (reader_id, box_id, folder, left_at) WHERE NOT removed;
CREATE INDEX message_states_in_order ON message_states (reader_id, left_at, message_id) WHERE NOT removed;
CREATE INDEX message_states_removed ON message_states (removed_at) WHERE removed;

-- The right of a user to the messages of a box that are left in an interval. What was received
-- stays when it is over (`until`); what was withdrawn is deleted.
CREATE TABLE box_subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL,
    box_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT
);
CREATE INDEX box_subscriptions_of_user ON box_subscriptions (user_id);
CREATE INDEX box_subscriptions_of_box ON box_subscriptions (box_id);
CREATE UNIQUE INDEX box_subscriptions_now ON box_subscriptions (box_id, user_id) WHERE until IS NULL;

-- Files below the folder of recordings that no row names any more: they are deleted after the
-- transaction that has taken their rows away, at the next start at the latest.
CREATE TABLE doomed_files (
    path TEXT PRIMARY KEY
) WITHOUT ROWID;

-- What callers of a box hear, where it was recorded or uploaded.
CREATE TABLE greetings (
    box_id BIGINT NOT NULL,
    -- unavailable, busy, name
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    samples BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (box_id, kind)
) WITHOUT ROWID;
