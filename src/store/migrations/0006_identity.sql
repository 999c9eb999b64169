-- Caller ids by dial prefix, and where users may call (JSON; NULL: where the company may).

ALTER TABLE numbers ADD COLUMN dial_prefix TEXT;
ALTER TABLE users ADD COLUMN destinations TEXT;
