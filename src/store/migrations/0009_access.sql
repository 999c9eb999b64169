-- Who may hear it: the parties of calls, subscriptions to recordings, log-ins of people and
-- programs, who has heard what, and the log of all that.

-- Every user who was a party of a call, from its beginning or by transfer.
CREATE TABLE call_users (
    user_id BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    PRIMARY KEY (user_id, call_id)
) WITHOUT ROWID;
CREATE INDEX call_users_of_call ON call_users (call_id);
INSERT OR IGNORE INTO call_users (user_id, call_id)
    SELECT caller_user_id, id FROM calls WHERE caller_user_id IS NOT NULL;
INSERT OR IGNORE INTO call_users (user_id, call_id)
    SELECT callee_user_id, id FROM calls WHERE callee_user_id IS NOT NULL;
INSERT OR IGNORE INTO call_users (user_id, call_id)
    SELECT json_extract(joined.value, '$.party.user'), calls.id
    FROM calls, json_each(calls.detail, '$.joined') AS joined
    WHERE json_extract(joined.value, '$.party.user') IS NOT NULL;

-- A page of a list is read from an index in the order of time, whatever is asked for.
CREATE INDEX calls_of_number ON calls (number_id, id);
CREATE INDEX calls_missed_of_number ON calls (number_id, id)
    WHERE answered IS NULL AND ended IS NOT NULL AND direction <> 'outbound';
CREATE INDEX calls_missed ON calls (company_id, id)
    WHERE answered IS NULL AND ended IS NOT NULL AND direction <> 'outbound';
CREATE INDEX calls_of_direction ON calls (company_id, direction, id);
CREATE INDEX calls_with_recording ON calls (company_id, id) WHERE recorded;
CREATE INDEX calls_recorded_of_number ON calls (number_id, id) WHERE recorded;

-- The outside party refused: nothing was kept, and no recording is to be expected.
ALTER TABLE calls ADD COLUMN refused BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX calls_unrecorded;
CREATE INDEX calls_unrecorded ON calls (id) WHERE record AND answered IS NOT NULL AND NOT recorded AND NOT refused;

-- The right of a user to the recordings of a number that end in an interval. What was received
-- stays when it is over (`until`); what was withdrawn is deleted.
CREATE TABLE number_subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL,
    number_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT
);
CREATE INDEX number_subscriptions_of_user ON number_subscriptions (user_id);
CREATE UNIQUE INDEX number_subscriptions_now ON number_subscriptions (number_id, user_id) WHERE until IS NULL;

-- Sessions of people and tokens of programs: of the secret only its hash.
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- session, token
    kind TEXT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- SHA-256, hex
    hash TEXT NOT NULL UNIQUE,
    -- JSON
    scopes TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX tokens_of_user ON tokens (user_id);
CREATE INDEX tokens_by_end ON tokens (expires);

-- Who has listened to what: the last time of each.
CREATE TABLE heard (
    recording_id TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    played BIGINT NOT NULL,
    PRIMARY KEY (recording_id, user_id)
) WITHOUT ROWID;

-- Only ever added to: each line's chain is the hash of the line and of the chain before it, so
-- that one that was changed or taken out shows.
CREATE TABLE access_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    company_id BIGINT NOT NULL,
    user_id BIGINT,
    who TEXT NOT NULL,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    thing TEXT NOT NULL,
    chain TEXT NOT NULL
);
CREATE INDEX access_log_of_company ON access_log (company_id, seq);
CREATE TRIGGER access_log_stays BEFORE UPDATE ON access_log BEGIN SELECT RAISE(ABORT, 'the access log is only added to'); END;
CREATE TRIGGER access_log_is_kept BEFORE DELETE ON access_log BEGIN SELECT RAISE(ABORT, 'the access log is only added to'); END;
