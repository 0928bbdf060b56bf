-- UI labels: which label files a store has, and into which languages they are translated.

CREATE TABLE label_files (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    resource text NOT NULL CHECK (resource ~ '^[a-z0-9][a-z0-9._-]{0,62}$'), -- what the file is called within the store
    locale text NOT NULL,
    is_source boolean NOT NULL, -- else it holds translations of the source file of the same resource
    name text NOT NULL, -- what the operator knows the file by
    path text NOT NULL, -- of the copy, below the data directory
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    imported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (store_id, resource, locale)
);

CREATE UNIQUE INDEX label_files_source ON label_files (store_id, resource) WHERE is_source;

CREATE TABLE label_locales (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    locale text NOT NULL,
    PRIMARY KEY (store_id, locale)
);
