-- Products of which a model is still to be asked something, and why it was not: what the last export with all texts left.

CREATE TABLE open_texts (
    store_id uuid NOT NULL,
    site text NOT NULL,
    task text NOT NULL CHECK (task ~ '^[a-z_]+$'),
    products bigint NOT NULL CHECK (products > 0),
    why text NOT NULL CHECK (why <> ''),
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (store_id, site, task),
    FOREIGN KEY (store_id, site) REFERENCES marketplace_credentials (store_id, site) ON DELETE CASCADE
);
