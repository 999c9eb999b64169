-- Text messages: shared inboxes in time, conversations, what goes out, and what devices have.

-- What texts over HTTP are signed with, both ways: the service has to know it.
ALTER TABLE trunks ADD COLUMN texts_secret TEXT NOT NULL DEFAULT '';

-- Who is a member of the shared inbox of a number, from one moment to another. A number that is
-- switched off keeps its members until it is somebody else's.
CREATE TABLE inbox_members (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL,
    number_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    since BIGINT NOT NULL,
    -- The newest text of then: without history what came after it is theirs.
    after_seq BIGINT NOT NULL,
    until BIGINT
);
CREATE UNIQUE INDEX inbox_members_now ON inbox_members (number_id, user_id) WHERE until IS NULL;
CREATE INDEX inbox_members_of_user ON inbox_members (user_id) WHERE until IS NULL;

-- Shared inboxes that a company pays for. Switching one off frees its licence; an operator or a
-- reseller releases it.
CREATE TABLE inbox_licences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL,
    allocated BIGINT NOT NULL,
    -- The number that it is on, or was on last
    number_id BIGINT NOT NULL,
    in_use BOOLEAN NOT NULL,
    -- Since when it is free
    freed BIGINT,
    released BIGINT,
    released_by TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX inbox_licences_in_use ON inbox_licences (number_id) WHERE in_use;
CREATE INDEX inbox_licences_of_company ON inbox_licences (company_id, id) WHERE released IS NULL;

-- All that was written between a number of the company and one outside number; or between two users.
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL,
    -- 0: between two users
    number_id BIGINT NOT NULL,
    -- Whose it is; 0: of the number's shared inbox. Between two users the one with the smaller id.
    owner_id BIGINT NOT NULL,
    -- The other user, between two; else 0
    peer_id BIGINT NOT NULL,
    -- The outside number, E.164 where it is one; between two users empty
    contact TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    -- Of the newest text
    last_seq BIGINT NOT NULL DEFAULT 0,
    UNIQUE (company_id, number_id, owner_id, peer_id, contact)
);
CREATE INDEX conversations_of_number ON conversations (number_id, last_seq) WHERE owner_id = 0;
CREATE INDEX conversations_of_owner ON conversations (owner_id, last_seq) WHERE owner_id > 0;
CREATE INDEX conversations_of_peer ON conversations (peer_id, last_seq) WHERE peer_id > 0;
CREATE INDEX conversations_in_order ON conversations (company_id, last_seq);
CREATE INDEX conversations_with ON conversations (company_id, contact);

CREATE TABLE texts (
    -- In the order in which they came: who joined when is told in it.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    conversation_id BIGINT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- in, out, note; between two users `out` of the one who wrote it
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- The user who wrote it
    user_id BIGINT,
    body TEXT NOT NULL,
    -- received, queued, sent, delivered, failed
    state TEXT NOT NULL,
    state_at BIGINT NOT NULL,
    problem TEXT NOT NULL DEFAULT '',
    -- As it was told by who brought it: what comes twice is there once.
    origin TEXT UNIQUE
);
CREATE INDEX texts_of_conversation ON texts (conversation_id, seq);
CREATE INDEX texts_unread ON texts (conversation_id, kind, seq);

-- Up to where somebody has read a conversation.
CREATE TABLE text_reads (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
) WITHOUT ROWID;

-- What is to go out, part by part. A later part of a conversation waits for the earlier ones.
CREATE TABLE text_sends (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    text_id TEXT NOT NULL REFERENCES texts (id) ON DELETE CASCADE,
    conversation_id BIGINT NOT NULL,
    company_id BIGINT NOT NULL,
    -- As the carrier is told: of which text, the place from 1, of how many
    reference BIGINT NOT NULL,
    part BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    body TEXT NOT NULL,
    -- The trunk that took it, or is tried next
    trunk_id BIGINT NOT NULL,
    -- pending, sent, delivered, failed
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    problem TEXT NOT NULL DEFAULT ''
);
CREATE INDEX text_sends_due ON text_sends (next_at) WHERE state = 'pending';
CREATE INDEX text_sends_in_order ON text_sends (conversation_id, id) WHERE state = 'pending';
CREATE INDEX text_sends_of_text ON text_sends (text_id);

-- Parts of texts over HTTP, each by the carrier's id. Those of a text that is whole stay for a day,
-- empty: so one that comes again is known.
CREATE TABLE text_parts (
    trunk_id BIGINT NOT NULL,
    id TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    number_id BIGINT NOT NULL,
    contact TEXT NOT NULL,
    reference TEXT NOT NULL,
    part BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    done BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (trunk_id, id)
) WITHOUT ROWID;
CREATE INDEX text_parts_open ON text_parts (trunk_id, number_id, contact, reference, parts) WHERE NOT done;
CREATE INDEX text_parts_done ON text_parts (at) WHERE done;

-- Up to which text each device of a user has them.
CREATE TABLE text_devices (
    user_id BIGINT NOT NULL,
    -- Its instance (RFC 5626), or its contact
    device TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device)
) WITHOUT ROWID;

-- Bodies, by every three characters that follow each other. What is taken out is taken out of the
-- index too, not only marked.
CREATE VIRTUAL TABLE text_search USING fts5 (
    body, content = 'texts', content_rowid = 'seq', tokenize = 'trigram', detail = 'none', columnsize = 0
);
INSERT INTO text_search (text_search, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER texts_added AFTER INSERT ON texts
BEGIN
    INSERT INTO text_search (rowid, body) VALUES (NEW.seq, NEW.body);
    UPDATE conversations SET last_seq = NEW.seq WHERE id = NEW.conversation_id;
END;
CREATE TRIGGER texts_removed AFTER DELETE ON texts
BEGIN
    INSERT INTO text_search (text_search, rowid, body) VALUES ('delete', OLD.seq, OLD.body);
END;
