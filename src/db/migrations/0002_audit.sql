-- Who changed what. The id is a UUID of version 7: it sorts by time. An entry without an outcome
-- is about a change that is being made, or whose process died.
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    time BIGINT NOT NULL,
    app TEXT NOT NULL,
    subject TEXT,
    key_id TEXT,
    on_behalf_of TEXT,
    action TEXT NOT NULL,
    via TEXT NOT NULL,
    customer TEXT,
    store TEXT,
    site TEXT,
    target_type TEXT,
    target_id TEXT,
    target_name TEXT,
    reason TEXT,
    request_id TEXT NOT NULL,
    transaction_id TEXT,
    operation_id TEXT,
    outcome TEXT,
    code TEXT,
    ended BIGINT
);
CREATE INDEX audit_customer ON audit (customer, id);
CREATE INDEX audit_app ON audit (app, id);
CREATE INDEX audit_operation ON audit (operation_id, id);
CREATE INDEX audit_pending ON audit (id) WHERE outcome IS NULL;
