-- Stores and their marketplace connections.

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

-- The id is what other tables and the credential vault refer to; the key is what people type, and part of paths and partition keys.
CREATE TABLE stores (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    key text NOT NULL UNIQUE CHECK (key ~ '^[a-z0-9][a-z0-9.-]{0,62}$' AND key !~ '[.][.]'),
    name text NOT NULL,
    source text NOT NULL CHECK (source IN ('shopify', 'shopify-file', 'akeneo')),
    source_settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(source_settings) = 'object'),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    language text NOT NULL CHECK (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TRIGGER stores_touch BEFORE UPDATE ON stores FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- One row a store and marketplace site. The marketplace is not a closed list, because third parties may add theirs.
CREATE TABLE marketplace_credentials (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    marketplace text NOT NULL CHECK (marketplace ~ '^[a-z][a-z0-9_]{0,31}$'),
    site text NOT NULL CHECK (site ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    marketplace_account_name text,
    -- Empty in file mode, else the sealed envelope of the vault: plain text cannot be written by mistake.
    credentials jsonb NOT NULL DEFAULT '{}' CHECK (
        credentials = '{}' OR (jsonb_typeof(credentials) = 'object' AND credentials ?& ARRAY['v', 'kid', 'dek', 'ct'])
    ),
    marketplace_id text CHECK (marketplace_id <> ''),
    region text,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'error', 'testing')),
    last_sync_at timestamptz,
    last_error text,
    sync_settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(sync_settings) = 'object'),
    export_settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(export_settings) = 'object'),
    statistics jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(statistics) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (store_id, site)
);

-- NULLS NOT DISTINCT in the words of Postgres 14: no marketplace_id is empty, so '' stands for null alone.
CREATE UNIQUE INDEX marketplace_credentials_account
    ON marketplace_credentials (store_id, marketplace, coalesce(marketplace_id, ''));

CREATE TRIGGER marketplace_credentials_touch BEFORE UPDATE ON marketplace_credentials
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
