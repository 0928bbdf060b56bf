-- Who asked for an import, and which run answered. Requests of one store that wait together are answered by one run: that of
-- the newest of them, the lead.

CREATE TABLE import_requests (
    id bigserial PRIMARY KEY,
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('all', 'products', 'collections', 'inventory')),
    reason text NOT NULL CHECK (reason IN ('webhook', 'inbox', 'change', 'manual', 'schedule')),
    reference text NOT NULL CHECK (reference <> ''), -- what makes it one request: a webhook's id, a file's digest, a watermark
    detail jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- waits until then, in case more comes
    lead_id bigint REFERENCES import_requests (id) ON DELETE CASCADE,
    requested_at timestamptz, -- when its run was seen to exist
    run_id text,
    import_id text, -- what the run imported
    closed_at timestamptz,
    error text, -- why nothing was imported
    UNIQUE (store_id, reason, reference),
    CHECK (closed_at IS NULL OR lead_id IS NOT NULL),
    CHECK (error IS NULL OR closed_at IS NOT NULL)
);

CREATE INDEX import_requests_open ON import_requests (store_id) WHERE closed_at IS NULL;
CREATE INDEX import_requests_lead ON import_requests (lead_id);

-- What the watcher saw of each live store last, and of which change an import was requested last.
CREATE TABLE source_watches (
    store_id uuid PRIMARY KEY REFERENCES stores (id) ON DELETE CASCADE,
    looked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_change timestamptz,
    seen_products bigint,
    waiting_since timestamptz, -- since when there is a change that no import was requested of
    requested_change timestamptz,
    requested_products bigint,
    error text -- why the store could not be looked at; the same sentence is on the store until a good look
);
