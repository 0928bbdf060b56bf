-- When an operator last changed what imports of a store depend on: source, settings, currency, credentials. Other than
-- updated_at it does not move when the pipeline itself notes an error or another file.

ALTER TABLE stores ADD COLUMN changed_at timestamptz;
