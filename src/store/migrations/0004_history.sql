-- Histories may grow: a start does not read them, and events go after a time.

-- A call that should be recorded and has no recording yet, not even a failed one, is found
-- without reading all that ever were.
ALTER TABLE calls ADD COLUMN recorded BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE calls SET recorded = TRUE WHERE EXISTS (SELECT 1 FROM recordings WHERE call_id = calls.id);
CREATE INDEX calls_unrecorded ON calls (id) WHERE record AND answered IS NOT NULL AND NOT recorded;

-- Events go after a time. Of the feed it is kept up to where, so that a reader can be told.
CREATE INDEX outbox_by_time ON outbox (at);
CREATE INDEX feed_by_time ON feed (fed);
CREATE TABLE feed_purged (
    position BIGINT NOT NULL
);
INSERT INTO feed_purged (position) VALUES (0);
