-- Bulk operations: stored before they are acknowledged, and run from here.
CREATE TABLE operation (
    id TEXT PRIMARY KEY,
    app TEXT NOT NULL,
    idempotency_key TEXT,
    -- What the key stands for: another request with the same key is another one.
    fingerprint TEXT,
    created_by TEXT NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    request TEXT NOT NULL,
    settings TEXT NOT NULL,
    plan TEXT NOT NULL,
    customers TEXT NOT NULL,
    error TEXT,
    retry_of TEXT,
    planned BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    queued BIGINT NOT NULL,
    dispatched BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    indeterminate BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    verified BIGINT NOT NULL,
    verifying BIGINT NOT NULL,
    cancel_requested BIGINT NOT NULL,
    settle_tries BIGINT NOT NULL,
    last_event BIGINT NOT NULL,
    -- From when on a worker has something to do with it; nothing any more where it is absent.
    due BIGINT,
    created BIGINT NOT NULL,
    started BIGINT,
    ended BIGINT
);
CREATE INDEX operation_due ON operation (due);
CREATE INDEX operation_newest ON operation (created, id);
CREATE INDEX operation_newest_of_app ON operation (app, created, id);
CREATE UNIQUE INDEX operation_key ON operation (app, idempotency_key);
CREATE INDEX operation_retry ON operation (retry_of);

CREATE TABLE operation_item (
    operation_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    customer TEXT NOT NULL,
    site TEXT NOT NULL,
    path TEXT NOT NULL,
    target_id TEXT NOT NULL,
    name TEXT,
    state TEXT NOT NULL,
    code TEXT,
    message TEXT,
    attempts BIGINT NOT NULL,
    -- The API client that acted: nobody else can see its jobs.
    credential TEXT,
    job_id TEXT,
    transaction_id TEXT,
    evidence TEXT,
    verification TEXT,
    -- An answer that reached a worker which had lost the operation by then.
    late TEXT,
    dispatched BIGINT,
    ended BIGINT,
    PRIMARY KEY (operation_id, seq)
);
CREATE INDEX operation_item_state ON operation_item (operation_id, state, customer, site, seq);

CREATE TABLE operation_event (
    operation_id TEXT NOT NULL,
    id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (operation_id, id)
);

-- Plans that a later request may quote.
CREATE TABLE operation_plan (
    app TEXT NOT NULL,
    digest TEXT NOT NULL,
    action TEXT NOT NULL,
    selector TEXT NOT NULL,
    targets TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (app, digest)
);
CREATE INDEX operation_plan_expires ON operation_plan (expires);
