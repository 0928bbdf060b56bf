-- What people decided about the categories of a connection.

-- For a product, for all of a product type, or for all that Shopify's taxonomy puts into a category: one category is accepted,
-- any number are rejected, which are not suggested again. Decisions are about ids and names, so an import leaves them alone.
CREATE TABLE category_decisions (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    site text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('product', 'product_type', 'taxonomy')),
    key text NOT NULL CHECK (key <> ''), -- product id; product type in lower case; id in Shopify's taxonomy
    category text NOT NULL CHECK (category <> '' AND length(category) <= 100), -- the marketplace's id
    accepted boolean NOT NULL, -- else rejected
    who text NOT NULL,
    why text NOT NULL DEFAULT '',
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (store_id, site, scope, key, category)
);

CREATE UNIQUE INDEX category_decisions_accepted ON category_decisions (store_id, site, scope, key) WHERE accepted;
