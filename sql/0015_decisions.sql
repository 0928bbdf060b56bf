-- What operators decide: what was done by whom and why, what was rejected, what went back to an earlier state, and which feeds
-- were withdrawn before they were sent.

-- Keys, no references: what was decided stays known after a store or a connection is gone.
CREATE TABLE operator_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL CHECK (who <> ''),
    why text NOT NULL,
    action text NOT NULL CHECK (action ~ '^[a-z_]+$'),
    store text NOT NULL,
    marketplace text,
    export_id text,
    details jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
    run_id text -- of the job, if it was one
);
CREATE INDEX operator_actions_of ON operator_actions (store, marketplace, id DESC);

-- Feeds that are withdrawn when this export is committed: nothing of them has gone out, and this export says all of it anew.
ALTER TABLE exports ADD COLUMN supersedes bigint[] NOT NULL DEFAULT '{}';
-- Ended before anything of it was sent, because something newer took its place.
ALTER TABLE submissions ADD COLUMN withdrawn boolean NOT NULL DEFAULT false;

-- The held changes that an approval lets pass, as [SKU, change] pairs; null: all of them, and the plan.
ALTER TABLE approvals ADD COLUMN only_changes jsonb CHECK (jsonb_typeof(only_changes) = 'array');

-- Changes that a person does not want: what equals one is not planned again.
CREATE TABLE rejected_changes (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    sku text NOT NULL,
    change text NOT NULL CHECK (change IN ('create', 'update', 'price', 'quantity', 'images', 'delete')),
    content_hash text,
    images_hash text,
    price bigint,
    list_price bigint,
    sale_price bigint,
    sale_start timestamptz,
    sale_end timestamptz,
    quantity bigint,
    export_id text NOT NULL,
    who text NOT NULL CHECK (who <> ''),
    why text NOT NULL CHECK (why <> ''),
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, site, transport, sku, change),
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE
);

-- What a rollback brought back, and holds until the source says something else than it did then.
CREATE TABLE pinned_values (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    sku text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('content', 'price', 'images')),
    source text NOT NULL, -- fingerprint of what the source said when it was pinned
    listing jsonb NOT NULL CHECK (jsonb_typeof(listing) = 'object'), -- columns of the listing, as they were
    export_id text NOT NULL, -- that was gone back to
    pinned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, site, transport, sku, kind),
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE
);
