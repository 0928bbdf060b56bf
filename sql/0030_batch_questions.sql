-- Any question may travel in a batch: what its reader needs besides the answer, which products it is about, whose export goes on.

ALTER TABLE language_batches ADD COLUMN site text; -- the connection whose export asked; null where none did

ALTER TABLE language_batch_requests
    ADD COLUMN about jsonb NOT NULL DEFAULT '[]', -- of each of the keys, as its task wrote it down
    ADD COLUMN product_ids text[] NOT NULL DEFAULT '{}';
