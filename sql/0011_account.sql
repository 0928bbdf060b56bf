-- What the account already has on the marketplace: looked up when a connection goes live, and read back every night.

ALTER TABLE export_lanes
    ADD COLUMN account text, -- the seller account that the state is about
    ADD COLUMN reconciled_at timestamptz; -- every SKU of the catalog was looked up in it; nothing is sent before

ALTER TABLE listing_state
    -- The marketplace keeps and ships it: its quantity is never ours to say.
    ADD COLUMN stock_elsewhere boolean NOT NULL DEFAULT false;

-- One row a SKU of ours that was looked up, and what a person decided about it.
CREATE TABLE account_lookups (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    sku text NOT NULL,
    looked_at timestamptz NOT NULL DEFAULT now(),
    -- sku: adopted. gtin: the account sells its GTIN as another SKU. gone: it was live, and somebody deleted it there.
    found text NOT NULL CHECK (found IN ('nothing', 'sku', 'gtin', 'gone')),
    account_sku text,
    gtin text,
    item_id text,
    differs text[] NOT NULL DEFAULT '{}', -- kinds in which an adopted one was not as we would say it
    decided text CHECK (decided IN ('map', 'sell_anyway')),
    PRIMARY KEY (store_id, site, transport, sku),
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE,
    CHECK (account_sku IS NOT NULL OR (found <> 'gtin' AND decided IS DISTINCT FROM 'map'))
);
CREATE UNIQUE INDEX account_lookups_mapped ON account_lookups (store_id, site, transport, account_sku) WHERE decided = 'map';

-- Where the marketplace holds something else than it acknowledged. `open` waits for a person; `said_again`: ours is in the
-- next export; `accepted`: theirs stays until ours changes.
CREATE TABLE listing_drift (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    sku text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('content', 'images', 'price', 'quantity', 'missing')),
    ours text NOT NULL, -- what was acknowledged: a value, or a hash of it
    theirs text NOT NULL, -- a value, or the attributes that differ
    state text NOT NULL CHECK (state IN ('open', 'said_again', 'accepted')),
    times integer NOT NULL DEFAULT 1, -- how often it was seen
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, site, transport, sku, kind),
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE
);

-- Who decided what about listings of the account, and why. Kept.
CREATE TABLE account_decisions (
    store_id uuid NOT NULL,
    site text NOT NULL,
    transport text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    sku text NOT NULL,
    decision text NOT NULL, -- map SKU | sell_anyway | forget | ours KIND | theirs KIND
    who text NOT NULL CHECK (who <> ''),
    why text NOT NULL,
    FOREIGN KEY (store_id, site, transport) REFERENCES export_lanes ON DELETE CASCADE
);
