-- Several targets a trunk, its settings, and what is proven towards it and by it.

ALTER TABLE trunks ADD COLUMN targets TEXT NOT NULL DEFAULT '[]';
UPDATE trunks SET targets =
    json_array(json_object('host', host, 'port', port, 'transport', transport, 'order', 0, 'weight', 1));
ALTER TABLE trunks DROP COLUMN host;
ALTER TABLE trunks DROP COLUMN port;
ALTER TABLE trunks DROP COLUMN transport;
ALTER TABLE trunks ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
-- What we prove to the carrier: hashes for one realm, or, where the realm is unknown, the password.
ALTER TABLE trunks ADD COLUMN login_user TEXT;
ALTER TABLE trunks ADD COLUMN login_realm TEXT;
ALTER TABLE trunks ADD COLUMN login_ha1_md5 TEXT NOT NULL DEFAULT '';
ALTER TABLE trunks ADD COLUMN login_ha1_sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE trunks ADD COLUMN login_password TEXT NOT NULL DEFAULT '';
-- What the carrier proves to us: hashes only.
ALTER TABLE trunks ADD COLUMN inbound_user TEXT;
ALTER TABLE trunks ADD COLUMN inbound_ha1_md5 TEXT NOT NULL DEFAULT '';
ALTER TABLE trunks ADD COLUMN inbound_ha1_sha256 TEXT NOT NULL DEFAULT '';
