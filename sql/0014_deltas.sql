-- Prices with dates, the version of what was read, and messages that are said one SKU at a time.

-- The newest import that a whole plan of a lane was handed over from. Ids of imports sort by when their reading began.
ALTER TABLE export_lanes ADD COLUMN source_version text COLLATE "C";

ALTER TABLE listing_state
    ADD COLUMN sale_price bigint, -- from sale_start until before sale_end
    ADD COLUMN sale_start timestamptz,
    ADD COLUMN sale_end timestamptz,
    ADD COLUMN price_version text COLLATE "C", -- the import that the price, and the quantity, were said from
    ADD COLUMN quantity_version text COLLATE "C";

ALTER TABLE listing_changes_sent
    ADD COLUMN sale_price bigint,
    ADD COLUMN sale_start timestamptz,
    ADD COLUMN sale_end timestamptz,
    ADD COLUMN source_version text COLLATE "C",
    ADD COLUMN via text NOT NULL DEFAULT 'feed' CHECK (via IN ('feed', 'items')); -- as the submission that carries it

-- `items`: its messages are said one by one, each with its verdict at once; there is no feed and no report. One that may not be
-- said so any more becomes a feed.
ALTER TABLE submissions
    ADD COLUMN via text NOT NULL DEFAULT 'feed' CHECK (via IN ('feed', 'items')),
    DROP CONSTRAINT submissions_check1,
    ADD CONSTRAINT submissions_feed_id CHECK (state NOT IN ('submitted', 'done') OR via = 'items' OR feed_id IS NOT NULL);
