-- Made at every start, after the steps: a step that makes one of these tables anew takes its triggers
-- along. Whatever somebody may know less (or more) by grows `access_version`.

CREATE TRIGGER IF NOT EXISTS subscriptions_insert_rights AFTER INSERT ON number_subscriptions BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS subscriptions_update_rights AFTER UPDATE ON number_subscriptions BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS subscriptions_delete_rights AFTER DELETE ON number_subscriptions BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS tokens_update_rights AFTER UPDATE ON tokens BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS tokens_delete_rights AFTER DELETE ON tokens BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS staff_update_rights AFTER UPDATE ON staff BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS staff_delete_rights AFTER DELETE ON staff BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS staff_companies_insert_rights AFTER INSERT ON staff_companies BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS staff_companies_delete_rights AFTER DELETE ON staff_companies BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS box_subscriptions_insert_rights AFTER INSERT ON box_subscriptions BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS box_subscriptions_update_rights AFTER UPDATE ON box_subscriptions BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER IF NOT EXISTS box_subscriptions_delete_rights AFTER DELETE ON box_subscriptions BEGIN UPDATE access_version SET version = version + 1; END;
