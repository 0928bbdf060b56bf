-- Labels that were published to a live shop, what stores have to spend, and events that people are told of.

-- What a shop was given, so that words of people there are told from ours. `sending` is on its way, or was when the process died.
CREATE TABLE published_labels (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    resource_id text NOT NULL, -- of the shop
    key text NOT NULL,
    locale text NOT NULL,
    digest text NOT NULL, -- of the source text
    value text, -- that the shop acknowledged
    sending text,
    run_id text,
    published_at timestamptz,
    PRIMARY KEY (store_id, resource_id, key, locale),
    CHECK ((value IS NULL) = (published_at IS NULL))
);

-- Events that are worth a message to people. Whoever sends them sets `sent_at`; one event is noted once.
CREATE TABLE notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id uuid REFERENCES stores (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind ~ '^[a-z_]+$'),
    event text NOT NULL, -- names the event within its kind, such as the run's id
    subject text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    UNIQUE (kind, event)
);

CREATE INDEX notifications_unsent ON notifications (id) WHERE sent_at IS NULL;

-- A store that is not here works without limit. Balances are kept under this condition, whoever writes at once.
CREATE TABLE credit_accounts (
    store_id uuid PRIMARY KEY REFERENCES stores (id) ON DELETE CASCADE,
    balance bigint NOT NULL DEFAULT 0 CHECK (balance >= 0),
    active boolean NOT NULL DEFAULT true,
    at_zero text NOT NULL DEFAULT 'stop' CHECK (at_zero IN ('stop', 'go-on')),
    since timestamptz NOT NULL DEFAULT clock_timestamp() -- switched on; what was done before is free
);

-- Append-only. The sum of a store's amounts is its balance.
CREATE TABLE credit_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('grant', 'deduct')),
    service text, -- what was deducted for
    units bigint NOT NULL DEFAULT 1 CHECK (units > 0),
    amount bigint NOT NULL CHECK (CASE kind WHEN 'grant' THEN amount > 0 ELSE amount < 0 END),
    balance bigint NOT NULL CHECK (balance >= 0), -- after it
    work text NOT NULL, -- names what was paid for or granted: never twice
    run_id text,
    note text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (store_id, kind, work),
    CHECK ((kind = 'deduct') = (service IS NOT NULL))
);

-- Credits a unit of a service. Without a store: for all that have no price of their own.
CREATE TABLE credit_prices (
    store_id uuid REFERENCES stores (id) ON DELETE CASCADE,
    service text NOT NULL,
    credits bigint NOT NULL CHECK (credits >= 0)
);

CREATE UNIQUE INDEX credit_prices_scope ON credit_prices (coalesce(store_id::text, ''), service);

-- Which deduction paid for an accepted answer.
ALTER TABLE language_results ADD COLUMN credit_entry bigint REFERENCES credit_ledger;
CREATE INDEX language_results_unpaid ON language_results (store_id, task) WHERE status = 'accepted' AND credit_entry IS NULL;

-- Batches of questions that a model answers within a day. `run_key` is in the batch's metadata, by which a lost one is found.
CREATE TABLE language_batches (
    run_key text PRIMARY KEY,
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    task text NOT NULL,
    model text NOT NULL,
    base_url text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'), -- of the file that was handed in
    requests integer NOT NULL CHECK (requests > 0),
    batch_id text, -- the server's; null until it said so
    status text NOT NULL DEFAULT 'sending', -- then the server's words, or lost
    problem text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    polled_at timestamptz,
    ended_at timestamptz
);

CREATE INDEX language_batches_open ON language_batches (created_at) WHERE ended_at IS NULL;

-- The requests of a batch. One without a reply waits; one whose reply was read, or that was not answered, is gone.
CREATE TABLE language_batch_requests (
    custom_id text PRIMARY KEY,
    run_key text NOT NULL REFERENCES language_batches ON DELETE CASCADE,
    keys text[] NOT NULL, -- of the questions in it, in their order
    call_id bigint NOT NULL REFERENCES language_calls,
    reply jsonb -- kind, value, detail; its cost is settled
);

CREATE INDEX language_batch_requests_of_batch ON language_batch_requests (run_key);
