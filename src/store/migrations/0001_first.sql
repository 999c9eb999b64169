-- Ids of the directory are never used again (AUTOINCREMENT): history names them.
-- Times are µs since 1970-01-01T00:00:00Z.

CREATE TABLE directory_version (
    version BIGINT NOT NULL
);
INSERT INTO directory_version (version) VALUES (0);

CREATE TABLE companies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    realm TEXT NOT NULL,
    settings TEXT NOT NULL,
    default_number_id BIGINT REFERENCES numbers (id) ON DELETE SET NULL
);

CREATE TABLE domains (
    domain TEXT PRIMARY KEY,
    company_id BIGINT NOT NULL REFERENCES companies (id),
    position BIGINT NOT NULL
);
CREATE INDEX domains_of_company ON domains (company_id, position);

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL REFERENCES companies (id),
    extension TEXT NOT NULL,
    name TEXT NOT NULL,
    auth_name TEXT NOT NULL,
    ha1_md5 TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    overrides TEXT NOT NULL,
    number_id BIGINT REFERENCES numbers (id) ON DELETE SET NULL,
    auth TEXT,
    UNIQUE (company_id, extension),
    UNIQUE (company_id, auth_name)
);

CREATE TABLE numbers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL REFERENCES companies (id),
    e164 TEXT NOT NULL UNIQUE,
    route_user_id BIGINT REFERENCES users (id) ON DELETE SET NULL,
    recording TEXT NOT NULL
);
CREATE INDEX numbers_of_company ON numbers (company_id);
CREATE INDEX numbers_of_route ON numbers (route_user_id);

CREATE TABLE trunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    addresses TEXT NOT NULL,
    host TEXT NOT NULL,
    port BIGINT NOT NULL,
    transport TEXT NOT NULL,
    UNIQUE (company_id, name)
);

-- Devices of users: what is registered outlives a restart.
CREATE TABLE bindings (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    contact TEXT NOT NULL,
    instance TEXT,
    expires BIGINT NOT NULL,
    source TEXT NOT NULL,
    transport TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (user_id, contact)
);

-- History has no foreign keys into the directory: what happened can be stored whatever
-- the directory says by then, and stays when a user goes.
CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    company_id BIGINT NOT NULL,
    direction TEXT NOT NULL,
    started BIGINT NOT NULL,
    answered BIGINT,
    ended BIGINT,
    outcome TEXT NOT NULL,
    number_id BIGINT,
    caller_user_id BIGINT,
    caller_address TEXT NOT NULL,
    caller_name TEXT NOT NULL,
    callee_user_id BIGINT,
    callee_address TEXT NOT NULL,
    callee_name TEXT NOT NULL,
    record BOOLEAN NOT NULL,
    because TEXT NOT NULL,
    ended_paused BOOLEAN NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX calls_of_company ON calls (company_id, id);
CREATE INDEX calls_open ON calls (id) WHERE ended IS NULL;

CREATE TABLE recordings (
    id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    state TEXT NOT NULL,
    path TEXT NOT NULL,
    started BIGINT NOT NULL,
    samples BIGINT NOT NULL,
    rate BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    audio_sha256 TEXT NOT NULL,
    frame_sha256 TEXT NOT NULL,
    problem TEXT NOT NULL,
    sidecar TEXT NOT NULL
);
CREATE INDEX recordings_of_call ON recordings (call_id);
CREATE INDEX recordings_of_company ON recordings (company_id, id);
CREATE INDEX recordings_of_state ON recordings (state, id);

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    recording_id TEXT NOT NULL,
    UNIQUE (recording_id, kind)
);

-- How far each reader of the outbox has come.
CREATE TABLE outbox_readers (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO outbox_readers (name, position) VALUES ('feed', 0);

-- seq is the outbox entry's: an entry can be fed once only.
CREATE TABLE feed (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    fed BIGINT NOT NULL,
    kind TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    recording_id TEXT NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX feed_of_company ON feed (company_id, seq);
