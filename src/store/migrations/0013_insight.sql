-- What people look up: lists by any filter, outside numbers, figures.
-- What is kept beside a call is kept by triggers: whoever changes or removes a call, and be it to
-- erase a number, changes that too.

-- Direction, whether it was recorded, and whether it was missed, as one value: a list by any of
-- these is read from as many places of one index as there are values asked for.
ALTER TABLE calls ADD COLUMN kind INTEGER GENERATED ALWAYS AS (
    (CASE direction WHEN 'inbound' THEN 0 WHEN 'outbound' THEN 4 ELSE 8 END)
    + (CASE WHEN recorded THEN 1 ELSE 0 END)
    + (CASE WHEN answered IS NULL AND ended IS NOT NULL AND direction <> 'outbound' THEN 2 ELSE 0 END)) VIRTUAL;
CREATE INDEX calls_of_kind ON calls (company_id, kind, id);
CREATE INDEX calls_of_number_and_kind ON calls (number_id, kind, id);
DROP INDEX calls_missed;
DROP INDEX calls_of_direction;
DROP INDEX calls_with_recording;

-- All that figures are made of, in the order of time.
CREATE INDEX calls_in_time ON calls (company_id, started, direction, number_id, answered, ended, recorded, id);

-- A user's calls by kind, and over one number.
ALTER TABLE call_users ADD COLUMN number_id BIGINT;
ALTER TABLE call_users ADD COLUMN kind INTEGER;
UPDATE call_users SET (number_id, kind) = (SELECT number_id, kind FROM calls WHERE id = call_id);
CREATE INDEX call_users_of_kind ON call_users (user_id, kind, call_id);
CREATE INDEX call_users_of_number ON call_users (user_id, number_id, call_id, kind);
CREATE TRIGGER call_users_follow AFTER UPDATE OF direction, answered, ended, recorded, number_id ON calls
WHEN OLD.kind IS NOT NEW.kind OR OLD.number_id IS NOT NEW.number_id
BEGIN
    UPDATE call_users SET number_id = NEW.number_id, kind = NEW.kind WHERE call_id = NEW.id;
END;

-- What a user has heard, by call.
ALTER TABLE heard ADD COLUMN call_id TEXT;
UPDATE heard SET call_id = (SELECT call_id FROM recordings WHERE id = recording_id);
CREATE INDEX heard_of_user ON heard (user_id, call_id);
CREATE TRIGGER heard_of_call AFTER INSERT ON heard WHEN NEW.call_id IS NULL
BEGIN
    UPDATE heard SET call_id = (SELECT call_id FROM recordings WHERE id = NEW.recording_id)
    WHERE recording_id = NEW.recording_id AND user_id = NEW.user_id;
END;

-- Names and addresses, by every three characters that follow each other. What is taken out is
-- taken out of the index too, not only marked.
CREATE TABLE call_texts (
    seq INTEGER PRIMARY KEY,
    call_id TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL
);
CREATE VIRTUAL TABLE call_search USING fts5 (
    text, content = 'call_texts', content_rowid = 'seq', tokenize = 'trigram', detail = 'none', columnsize = 0
);
INSERT INTO call_search (call_search, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER call_texts_added AFTER INSERT ON call_texts
BEGIN
    INSERT INTO call_search (rowid, text) VALUES (NEW.seq, NEW.text);
END;
CREATE TRIGGER call_texts_removed AFTER DELETE ON call_texts
BEGIN
    INSERT INTO call_search (call_search, rowid, text) VALUES ('delete', OLD.seq, OLD.text);
END;
CREATE TRIGGER call_texts_changed AFTER UPDATE OF text ON call_texts
BEGIN
    INSERT INTO call_search (call_search, rowid, text) VALUES ('delete', OLD.seq, OLD.text);
    INSERT INTO call_search (rowid, text) VALUES (NEW.seq, NEW.text);
END;
INSERT INTO call_texts (call_id, text)
    SELECT id, caller_address || char(10) || caller_name || char(10) || callee_address || char(10) || callee_name
    FROM calls ORDER BY id;
CREATE TRIGGER calls_text_added AFTER INSERT ON calls
BEGIN
    INSERT INTO call_texts (call_id, text) VALUES (NEW.id, NEW.caller_address || char(10) || NEW.caller_name
        || char(10) || NEW.callee_address || char(10) || NEW.callee_name);
END;
CREATE TRIGGER calls_text_changed AFTER UPDATE OF caller_address, caller_name, callee_address, callee_name ON calls
WHEN OLD.caller_address IS NOT NEW.caller_address OR OLD.caller_name IS NOT NEW.caller_name
    OR OLD.callee_address IS NOT NEW.callee_address OR OLD.callee_name IS NOT NEW.callee_name
BEGIN
    UPDATE call_texts SET text = NEW.caller_address || char(10) || NEW.caller_name
        || char(10) || NEW.callee_address || char(10) || NEW.callee_name WHERE call_id = NEW.id;
END;

-- Outside numbers that a call was with: who called, who was called, and who came by transfer.
CREATE VIEW outside_parties (call_id, company_id, e164, name) AS
    SELECT id, company_id, caller_address, caller_name FROM calls
    WHERE direction = 'inbound' AND caller_user_id IS NULL AND caller_address GLOB '+[0-9]*'
    UNION ALL
    SELECT id, company_id, callee_address, callee_name FROM calls
    WHERE direction = 'outbound' AND callee_user_id IS NULL AND callee_address GLOB '+[0-9]*'
    UNION ALL
    SELECT calls.id, calls.company_id, json_extract(joined.value, '$.party.address'),
        json_extract(joined.value, '$.party.name')
    FROM calls, json_each(calls.detail, '$.joined') AS joined
    WHERE json_extract(joined.value, '$.party.user') IS NULL
        AND json_extract(joined.value, '$.party.address') GLOB '+[0-9]*';

CREATE TABLE call_contacts (
    company_id BIGINT NOT NULL,
    e164 TEXT NOT NULL,
    call_id TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (company_id, e164, call_id)
) WITHOUT ROWID;
CREATE INDEX call_contacts_of_call ON call_contacts (call_id);

-- One line an outside number, with its newest call and the name that it had there.
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY,
    company_id BIGINT NOT NULL,
    e164 TEXT NOT NULL,
    name TEXT NOT NULL,
    calls BIGINT NOT NULL,
    last_call TEXT NOT NULL,
    UNIQUE (company_id, e164)
);
CREATE INDEX contacts_in_time ON contacts (company_id, last_call, e164);
INSERT INTO call_contacts (company_id, e164, call_id, name)
    SELECT company_id, e164, call_id, MAX(name) FROM outside_parties GROUP BY company_id, e164, call_id;
-- The other columns of a MAX are those of its row.
INSERT INTO contacts (company_id, e164, name, calls, last_call)
    SELECT company_id, e164, name, COUNT(*), MAX(call_id) FROM call_contacts GROUP BY company_id, e164;

CREATE VIRTUAL TABLE contact_search USING fts5 (
    e164, name, content = 'contacts', content_rowid = 'id', tokenize = 'trigram', detail = 'none', columnsize = 0
);
INSERT INTO contact_search (contact_search, rank) VALUES ('secure-delete', 1);
INSERT INTO contact_search (contact_search) VALUES ('rebuild');
CREATE TRIGGER contacts_added AFTER INSERT ON contacts
BEGIN
    INSERT INTO contact_search (rowid, e164, name) VALUES (NEW.id, NEW.e164, NEW.name);
END;
CREATE TRIGGER contacts_removed AFTER DELETE ON contacts
BEGIN
    INSERT INTO contact_search (contact_search, rowid, e164, name) VALUES ('delete', OLD.id, OLD.e164, OLD.name);
END;
CREATE TRIGGER contacts_named AFTER UPDATE OF name ON contacts WHEN OLD.name IS NOT NEW.name
BEGIN
    INSERT INTO contact_search (contact_search, rowid, e164, name) VALUES ('delete', OLD.id, OLD.e164, OLD.name);
    INSERT INTO contact_search (rowid, e164, name) VALUES (NEW.id, NEW.e164, NEW.name);
END;

CREATE TRIGGER call_contacts_added AFTER INSERT ON call_contacts
BEGIN
    INSERT INTO contacts (company_id, e164, name, calls, last_call)
    VALUES (NEW.company_id, NEW.e164, NEW.name, 1, NEW.call_id)
    ON CONFLICT (company_id, e164) DO UPDATE SET calls = calls + 1,
        name = CASE WHEN excluded.name <> '' AND (name = '' OR excluded.last_call >= last_call)
            THEN excluded.name ELSE name END,
        last_call = MAX(last_call, excluded.last_call);
END;
CREATE TRIGGER call_contacts_named AFTER UPDATE OF name ON call_contacts WHEN NEW.name <> ''
BEGIN
    UPDATE contacts SET name = NEW.name
    WHERE company_id = NEW.company_id AND e164 = NEW.e164 AND (name = '' OR last_call = NEW.call_id);
END;
CREATE TRIGGER call_contacts_removed AFTER DELETE ON call_contacts
BEGIN
    DELETE FROM contacts WHERE company_id = OLD.company_id AND e164 = OLD.e164 AND calls <= 1;
    UPDATE contacts SET calls = calls - 1, last_call = COALESCE((SELECT MAX(call_id) FROM call_contacts
        WHERE company_id = OLD.company_id AND e164 = OLD.e164), last_call)
    WHERE company_id = OLD.company_id AND e164 = OLD.e164;
END;

CREATE TRIGGER calls_contacts_added AFTER INSERT ON calls
BEGIN
    INSERT INTO call_contacts (company_id, e164, call_id, name)
        SELECT company_id, e164, call_id, name FROM outside_parties WHERE call_id = NEW.id
        ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER calls_contacts_changed AFTER UPDATE ON calls
WHEN OLD.caller_address IS NOT NEW.caller_address OR OLD.caller_name IS NOT NEW.caller_name
    OR OLD.callee_address IS NOT NEW.callee_address OR OLD.callee_name IS NOT NEW.callee_name
    OR OLD.caller_user_id IS NOT NEW.caller_user_id OR OLD.callee_user_id IS NOT NEW.callee_user_id
    OR OLD.direction IS NOT NEW.direction
    OR json_extract(OLD.detail, '$.joined') IS NOT json_extract(NEW.detail, '$.joined')
BEGIN
    DELETE FROM call_contacts WHERE call_id = NEW.id
        AND e164 NOT IN (SELECT e164 FROM outside_parties WHERE call_id = NEW.id);
    INSERT INTO call_contacts (company_id, e164, call_id, name)
        SELECT company_id, e164, call_id, name FROM outside_parties WHERE call_id = NEW.id
        ON CONFLICT (company_id, e164, call_id) DO UPDATE SET name = excluded.name
            WHERE name IS NOT excluded.name AND excluded.name <> '';
END;
CREATE TRIGGER calls_removed AFTER DELETE ON calls
BEGIN
    DELETE FROM call_texts WHERE call_id = OLD.id;
    DELETE FROM call_contacts WHERE call_id = OLD.id;
    DELETE FROM call_users WHERE call_id = OLD.id;
END;
