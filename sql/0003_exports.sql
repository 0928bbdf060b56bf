-- What was sent to each marketplace and what it acknowledged. A lane is one store on one site through one transport;
-- going live starts a lane of its own and never inherits what file mode acknowledged.

-- The version of a lane's state: a plan names the version it was made from, and only that version can be committed on.
CREATE TABLE export_lanes (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    site text NOT NULL,
    transport text NOT NULL CHECK (transport IN ('file', 'api')),
    version bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    PRIMARY KEY (store_id, site, transport)
);

-- One row a live SKU: the last values that the marketplace acknowledged.
CREATE TABLE listing_state (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    sku text NOT NULL,
    product_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('single', 'parent', 'child')),
    parent_sku text,
    content_hash text,
    images_hash text,
    price bigint,
    list_price bigint,
    quantity bigint,
    left_at timestamptz, -- when it left the assortment; deleted after a grace period
    version bigint NOT NULL, -- of the lane, when this row was written
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, site, transport, sku),
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE
);

-- One row a plan. Its messages lie in the plan's folder, named by the id.
CREATE TABLE exports (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    export_id text NOT NULL,
    import_id text NOT NULL,
    base_version bigint NOT NULL,
    status text NOT NULL CHECK (status IN ('planned', 'dry_run', 'waiting_approval', 'superseded', 'committed')),
    counts jsonb NOT NULL CHECK (jsonb_typeof(counts) = 'object'),
    scope jsonb NOT NULL CHECK (jsonb_typeof(scope) = 'object'),
    feed_files jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(feed_files) = 'array'),
    created_at timestamptz NOT NULL DEFAULT now(),
    planned_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- when this plan was made last; the same plan has the same id
    committed_at timestamptz,
    PRIMARY KEY (store_id, site, transport, export_id),
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE,
    CHECK ((status = 'committed') = (committed_at IS NOT NULL))
);

CREATE INDEX exports_committed ON exports (store_id, site, transport, committed_at DESC);

-- Who let a plan, or the changes that its guards held, pass.
CREATE TABLE approvals (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    export_id text NOT NULL,
    who text NOT NULL CHECK (who <> ''),
    why text NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, site, transport, export_id),
    FOREIGN KEY (store_id, site, transport, export_id) REFERENCES exports ON DELETE CASCADE
);
