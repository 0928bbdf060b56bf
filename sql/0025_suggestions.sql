-- What people decided about suggested texts of products on a connection.

-- A decision is about one field of a product, and holds while what the suggestion was made from (`source_hash`) is the same: an
-- import that changes nothing leaves it alone. An accepted one keeps its text, as it was suggested or as a person edited it.
CREATE TABLE suggestion_decisions (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    site text NOT NULL,
    product_id text NOT NULL CHECK (product_id <> ''),
    field text NOT NULL CHECK (field IN ('title', 'description', 'bullets', 'keywords')),
    source_hash text NOT NULL CHECK (source_hash ~ '^[0-9a-f]{64}$'),
    accepted boolean NOT NULL, -- else rejected
    value text NOT NULL CHECK (length(value) <= 20000), -- accepted: is used; rejected: was refused
    engine text NOT NULL, -- who wrote it: rules | model:<name> | human
    who text NOT NULL,
    why text NOT NULL DEFAULT '',
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (store_id, site, product_id, field, source_hash)
);
