-- A running import may say why it was interrupted; the next one goes on with it.

ALTER TABLE imports
    DROP CONSTRAINT imports_check1,
    ADD CONSTRAINT imports_error CHECK (status = 'running' OR (status = 'failed') = (error IS NOT NULL));
