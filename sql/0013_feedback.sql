-- What is done by itself about refused listings, and what exports came to.

-- Values that a SKU has on a connection in place of its own, because the marketplace refused those. One row a field and attempt.
CREATE TABLE listing_overrides (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    sku text NOT NULL,
    product_id text NOT NULL,
    field text NOT NULL, -- a column of the listings
    attempt integer NOT NULL CHECK (attempt > 0), -- of this SKU; all fields that are fixed at once share one
    source_value jsonb NOT NULL, -- the value that it takes the place of; another one undoes it
    value jsonb NOT NULL,
    fix text NOT NULL,
    fix_class text NOT NULL CHECK (fix_class IN ('lossless', 'lossy-safe')),
    submission_id bigint REFERENCES submissions ON DELETE SET NULL, -- that was refused
    code text NOT NULL, -- of the marketplace's issue
    attribute text,
    text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- replaced: by the next attempt. undone: the source has another value now. withdrawn: by a person, and not made again.
    ended text CHECK (ended IN ('replaced', 'undone', 'withdrawn')),
    ended_at timestamptz,
    who text, -- withdrew it
    why text,
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE,
    CHECK ((ended IS NULL) = (ended_at IS NULL))
);
CREATE UNIQUE INDEX listing_overrides_active ON listing_overrides (store_id, site, transport, sku, field) WHERE ended IS NULL;
CREATE INDEX listing_overrides_sku ON listing_overrides (store_id, site, transport, sku);

-- What was decided about a refused change: null until it was looked at.
ALTER TABLE listing_changes_sent ADD COLUMN repair text;

-- An export of some products that something asked for. Closed when a run of it has ended well, or was tried often enough.
CREATE TABLE export_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id uuid NOT NULL,
    site text NOT NULL,
    product_ids text[] NOT NULL CHECK (cardinality(product_ids) > 0),
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    error text, -- of the last run, when it was given up
    FOREIGN KEY (store_id, site) REFERENCES marketplace_credentials (store_id, site) ON DELETE CASCADE
);
CREATE INDEX export_requests_open ON export_requests (id) WHERE closed_at IS NULL;

-- How long the run took that handed an export over.
ALTER TABLE exports ADD COLUMN duration_seconds double precision;

ALTER TABLE marketplace_issues ADD COLUMN fix text; -- what would mend it by itself, where something does
