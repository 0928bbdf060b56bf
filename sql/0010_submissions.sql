-- Sending to marketplaces: rate limits, the ledger of submissions, and what the marketplace answered.

-- A token bucket that all processes share: one a seller account and operation.
CREATE TABLE rate_limits (
    bucket text PRIMARY KEY,
    rate double precision NOT NULL CHECK (rate > 0), -- tokens a second
    burst double precision NOT NULL CHECK (burst >= 1),
    tokens double precision NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Whoever works a lane takes the next fence; writes with an older one are refused. A lane is one account on one site.
CREATE TABLE submission_lanes (
    lane text PRIMARY KEY,
    fence bigint NOT NULL DEFAULT 0
);

-- One row a feed file that is, or was, to be sent.
CREATE TABLE submissions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    export_id text NOT NULL,
    lane text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('product', 'price', 'inventory', 'images')),
    path text NOT NULL, -- relative to the storage
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    messages integer NOT NULL CHECK (messages > 0),
    idem_key text NOT NULL UNIQUE,
    state text NOT NULL DEFAULT 'planned' CHECK (state IN (
        'planned', 'documented', 'uploaded', 'sending', 'submitted', 'held', 'done', 'fatal', 'cancelled'
    )),
    reason text, -- why it is held, ended otherwise than done, or is late
    document_id text,
    documented_at timestamptz, -- by our clock
    server_time timestamptz, -- by the marketplace's clock, when it gave the document
    sending_at timestamptz,
    deadline timestamptz, -- until when an unknown outcome is looked for
    feed_id text, -- unique only together with the account
    submitted_at timestamptz,
    remote_status text,
    report_id text,
    next_at timestamptz NOT NULL, -- nothing is to be done before
    polls integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0, -- in a row, of the present step
    resends integer NOT NULL DEFAULT 0,
    adopted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    counts jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(counts) = 'object'), -- messages by outcome
    FOREIGN KEY (store_id, site, transport, export_id) REFERENCES exports ON DELETE CASCADE,
    CHECK ((state IN ('done', 'fatal', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK (state NOT IN ('submitted', 'done') OR feed_id IS NOT NULL),
    CHECK (state <> 'sending' OR (sending_at IS NOT NULL AND document_id IS NOT NULL AND server_time IS NOT NULL))
);

-- At most one unknown outcome a lane: only then one unknown feed in the marketplace's list must be ours.
CREATE UNIQUE INDEX submissions_one_in_flight ON submissions (lane) WHERE state = 'sending';
CREATE UNIQUE INDEX submissions_feed ON submissions (lane, feed_id) WHERE feed_id IS NOT NULL;
CREATE INDEX submissions_open ON submissions (next_at) WHERE ended_at IS NULL;
CREATE INDEX submissions_of_connection ON submissions (store_id, site, id DESC);

-- Every transition, for people.
CREATE TABLE submission_events (
    submission_id bigint NOT NULL REFERENCES submissions ON DELETE CASCADE,
    at timestamptz NOT NULL,
    state text NOT NULL,
    who text, -- a person; null: the pipeline
    note text
);
CREATE INDEX submission_events_of ON submission_events (submission_id);

-- One row a message: what the marketplace said of it.
CREATE TABLE submission_results (
    submission_id bigint NOT NULL REFERENCES submissions ON DELETE CASCADE,
    message_id integer NOT NULL,
    sku text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'rejected', 'unknown')),
    reason text, -- of one that was not accepted
    PRIMARY KEY (submission_id, message_id)
);
CREATE INDEX submission_results_sku ON submission_results (sku);

-- What the marketplace says of a listing now. Replaced by the newest report about the SKU.
CREATE TABLE marketplace_issues (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    sku text NOT NULL, -- '' for one about a whole feed
    submission_id bigint NOT NULL REFERENCES submissions ON DELETE CASCADE,
    of_message boolean NOT NULL, -- refused as a message, or found in the listing after processing
    code text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('error', 'warning', 'info')),
    attribute text, -- the marketplace's name
    field text, -- ours
    rule text, -- of our quality rules about that field, where there is one
    text text NOT NULL,
    actions text[] NOT NULL DEFAULT '{}', -- what the marketplace did to the listing, e.g. SEARCH_SUPPRESSED
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE
);
CREATE INDEX marketplace_issues_sku ON marketplace_issues (store_id, site, transport, sku);

-- What was sent of a SKU and is not acknowledged: one row a kind of change. `pending` waits for the verdict;
-- `rejected` was refused (or nobody knows), and the same is not sent again by itself.
CREATE TABLE listing_changes_sent (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    sku text NOT NULL,
    change text NOT NULL CHECK (change IN ('create', 'update', 'price', 'quantity', 'images', 'delete')),
    version bigint NOT NULL, -- of the lane, when it was handed over: later ones count
    export_id text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'rejected')),
    reason text,
    submission_id bigint REFERENCES submissions ON DELETE SET NULL, -- that was refused
    product_id text NOT NULL,
    role text NOT NULL,
    parent_sku text,
    content_hash text,
    images_hash text,
    price bigint,
    list_price bigint,
    quantity bigint,
    PRIMARY KEY (store_id, site, transport, sku, change, version),
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE
);

ALTER TABLE listing_state
    ADD COLUMN marketplace_item_id text, -- the marketplace's own id of the listing: ASIN, item id
    ADD COLUMN marketplace_status text[], -- its words: BUYABLE, DISCOVERABLE
    -- A feed about it ended without a verdict: what the marketplace holds is unknown, so all of it is sent again.
    ADD COLUMN uncertain boolean NOT NULL DEFAULT false;
