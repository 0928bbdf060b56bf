-- What was asked of marketplaces about their catalogs. All of it may be deleted: it is asked for again.

-- What a category wants (a product type's JSON Schema), by site and set of requirements; the same for all stores.
CREATE TABLE category_definitions (
    site text NOT NULL,
    category text NOT NULL,
    requirements text NOT NULL, -- LISTING | LISTING_PRODUCT_ONLY | LISTING_OFFER_ONLY
    document bytea, -- deflated (zlib); null when the marketplace has none
    checksum text NOT NULL, -- the marketplace's, of the document
    version text,
    label text, -- the category's name for people
    problem text, -- why nothing can be listed in it
    given boolean NOT NULL DEFAULT false, -- a person gave it as a file: it is never asked for again
    fetched_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- the document
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- that it is still the newest
    PRIMARY KEY (site, category, requirements),
    CHECK (document IS NOT NULL OR problem IS NOT NULL)
);

-- The category that a marketplace suggests for a title. Without any confidence: a rule or a setting must accept it.
CREATE TABLE category_suggestions (
    site text NOT NULL,
    title_hash bytea NOT NULL,
    title text NOT NULL,
    categories text[] NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (site, title_hash)
);

-- Items of the marketplace's catalog that have a GTIN of ours. Of GTINs that are live a row never changes by itself.
CREATE TABLE catalog_matches (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    site text NOT NULL,
    gtin text NOT NULL,
    items jsonb NOT NULL CHECK (jsonb_typeof(items) = 'array'),
    chosen text, -- by a person: one item id, or '' for none
    who text,
    looked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (store_id, site, gtin)
);

-- What the marketplace's own validation said of a listing that was not sent. One row a SKU, of the message that was validated.
CREATE TABLE listing_previews (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    site text NOT NULL,
    sku text NOT NULL,
    message bytea NOT NULL, -- its hash
    status text NOT NULL CHECK (status IN ('valid', 'invalid')),
    issues jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(issues) = 'array'),
    previewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (store_id, site, sku)
);
