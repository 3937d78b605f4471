-- Who may act on something that several replicas could act on.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    -- Grows each time the lease changes hands: what carries an older number may not act.
    fence BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
