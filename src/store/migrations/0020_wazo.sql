-- The compatible API names companies and users by UUIDs (RFC 9562, version 4): random, and the same for
-- ever. Each gets one when it is made.

CREATE TABLE company_uuids (
    company_id BIGINT PRIMARY KEY REFERENCES companies (id) ON DELETE CASCADE,
    uuid TEXT NOT NULL UNIQUE
);
CREATE TABLE user_uuids (
    user_id BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    uuid TEXT NOT NULL UNIQUE
);
-- One row that is a new UUID at each look.
CREATE VIEW new_uuid AS SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4'
    || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1)
    || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))) AS uuid;
CREATE TRIGGER company_uuid AFTER INSERT ON companies BEGIN
    INSERT OR IGNORE INTO company_uuids (company_id, uuid) SELECT NEW.id, uuid FROM new_uuid;
END;
CREATE TRIGGER user_uuid AFTER INSERT ON users BEGIN
    INSERT OR IGNORE INTO user_uuids (user_id, uuid) SELECT NEW.id, uuid FROM new_uuid;
END;
INSERT INTO company_uuids (company_id, uuid) SELECT id, (SELECT uuid FROM new_uuid WHERE companies.id > 0) FROM companies;
INSERT INTO user_uuids (user_id, uuid) SELECT id, (SELECT uuid FROM new_uuid WHERE users.id > 0) FROM users;
