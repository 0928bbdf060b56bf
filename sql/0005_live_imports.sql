-- Imports from live sources: what a fetch remembers should its process die, and what an incremental import builds on.

ALTER TABLE imports
    DROP CONSTRAINT imports_kind_check,
    ADD CONSTRAINT imports_kind_check
        CHECK (kind IN ('all', 'products', 'collections', 'inventory', 'attributes', 'families')),
    ADD COLUMN run_id text, -- the run that works on it, or worked last
    ADD COLUMN source_state jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(source_state) = 'object'),
    ADD COLUMN since timestamptz, -- only what changed since then was asked for; null: everything
    -- The import whose tables this one changes: of an incremental import, and of one of inventory alone.
    ADD COLUMN base_import_id text,
    ADD COLUMN watermark timestamptz, -- the newest change that it has seen; null: nothing can be added to it
    ADD COLUMN reconciled boolean NOT NULL DEFAULT false, -- it saw the id of every product of the source
    ADD CHECK (since IS NULL OR base_import_id IS NOT NULL);
