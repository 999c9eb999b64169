-- What a restart needs: devices in their order.
-- Two phones behind different routers may write the same contact; their instances differ.
DROP TABLE bindings;
CREATE TABLE bindings (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Oldest first.
    position BIGINT NOT NULL,
    contact TEXT NOT NULL,
    instance TEXT,
    expires BIGINT NOT NULL,
    source TEXT NOT NULL,
    transport TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (user_id, position)
);
CREATE INDEX bindings_by_end ON bindings (expires);
