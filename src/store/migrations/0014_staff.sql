-- Who stands above the companies: operators run the service, resellers administer the companies
-- that were given to them.

CREATE TABLE staff (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    -- operator, reseller
    kind TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE staff_companies (
    staff_id BIGINT NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    company_id BIGINT NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    PRIMARY KEY (staff_id, company_id)
) WITHOUT ROWID;

-- A session or token is a user's or one of the staff's.
CREATE TABLE tokens_of_all (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- session, token
    kind TEXT NOT NULL,
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    staff_id BIGINT REFERENCES staff (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- SHA-256, hex
    hash TEXT NOT NULL UNIQUE,
    -- JSON
    scopes TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    CHECK ((user_id IS NULL) <> (staff_id IS NULL))
);
INSERT INTO tokens_of_all (id, kind, user_id, name, hash, scopes, created, expires)
    SELECT id, kind, user_id, name, hash, scopes, created, expires FROM tokens;
DROP TABLE tokens;
ALTER TABLE tokens_of_all RENAME TO tokens;
CREATE INDEX tokens_of_user ON tokens (user_id);
CREATE INDEX tokens_of_staff ON tokens (staff_id);
CREATE INDEX tokens_by_end ON tokens (expires);
