-- Credentials of a store's own source, sealed by the vault like those of its connections.
ALTER TABLE stores
    -- Empty without credentials, else the sealed envelope of the vault: plain text cannot be written by mistake.
    ADD COLUMN credentials jsonb NOT NULL DEFAULT '{}' CHECK (
        credentials = '{}' OR (jsonb_typeof(credentials) = 'object' AND credentials ?& ARRAY['v', 'kid', 'dek', 'ct'])
    ),
    ADD COLUMN status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'error')),
    ADD COLUMN last_error text;
