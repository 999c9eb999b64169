-- Who is told of a new voicemail message, and how: by mail, by Web Push, over a gateway.

-- What is to be told to whom; each once, whatever dies between. What is written is made when it is
-- sent: a message that has gone is not told of.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    -- mail, pager, push, gateway
    channel TEXT NOT NULL,
    message_id TEXT NOT NULL,
    box_id BIGINT NOT NULL,
    -- An address, a subscription, or the user whom the gateway reaches
    target TEXT NOT NULL,
    -- pending, sent, dead, dropped
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    created BIGINT NOT NULL,
    -- It is given up after this
    ends BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    last_at BIGINT,
    last_error TEXT NOT NULL DEFAULT '',
    -- It was mailed with its audio, and its box keeps nothing that was
    erases BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX notices_erasing ON notices (message_id) WHERE erases;
CREATE UNIQUE INDEX notices_once ON notices (message_id, channel, target);
CREATE INDEX notices_due ON notices (next_at) WHERE state = 'pending';
CREATE INDEX notices_of_company ON notices (company_id, id);
CREATE INDEX notices_by_state ON notices (state, last_at);

-- Events of the feed up to here are queued.
CREATE TABLE notice_reader (
    position BIGINT NOT NULL
);
INSERT INTO notice_reader (position) SELECT COALESCE(MAX(seq), 0) FROM feed;

-- Browsers and apps of users (RFC 8030, 8291).
CREATE TABLE push_subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    endpoint TEXT NOT NULL,
    p256dh TEXT NOT NULL,
    auth TEXT NOT NULL,
    -- For people
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    last_success BIGINT,
    last_error TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX push_subscriptions_once ON push_subscriptions (user_id, endpoint);

-- Who wakes a company's mobile apps.
CREATE TABLE push_gateways (
    company_id BIGINT PRIMARY KEY REFERENCES companies (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    -- What each delivery is signed with: the service has to know it
    secret TEXT NOT NULL,
    created BIGINT NOT NULL
);

-- What push services know the service by; subscriptions are bound to it.
CREATE TABLE push_key (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- PKCS #8
    pkcs8 BLOB NOT NULL
);
