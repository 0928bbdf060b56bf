-- One row an import. Its id is in the metadata of every table that it wrote; its verdict says whether listings may use them.

CREATE TABLE imports (
    id text PRIMARY KEY, -- time-ordered: later imports sort after earlier ones
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('all', 'products', 'collections', 'inventory')),
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'complete', 'failed')),
    source text NOT NULL,
    source_name text, -- what the operator knows the raw data by, e.g. the name of the file
    raw_location text, -- where the exact copy lies
    raw_sha256 text CHECK (raw_sha256 ~ '^[0-9a-f]{64}$'),
    raw_bytes bigint CHECK (raw_bytes >= 0),
    counts jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(counts) = 'object'),
    error text,
    quality_passed boolean, -- null until the quality stage has looked
    quality_reason text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CHECK ((status = 'running') = (finished_at IS NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL)),
    CHECK (quality_passed IS NULL OR status = 'complete')
);

CREATE INDEX imports_of_store ON imports (store_id, id DESC);
