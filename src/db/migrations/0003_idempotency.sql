-- Requests that must not be carried out twice, by app and its key.
CREATE TABLE idempotency (
    app TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Of this reservation: what relies on it names it, so that an older one is of no use.
    id TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    -- 'reserved': nothing was sent; 'acting': something may have been; 'done': the answer is here.
    state TEXT NOT NULL,
    -- The process that works on it, and until when at the most.
    owner TEXT NOT NULL,
    busy_until BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    status BIGINT,
    headers TEXT,
    body TEXT,
    PRIMARY KEY (app, name)
);
CREATE INDEX idempotency_expires ON idempotency (expires);
