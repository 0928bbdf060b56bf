-- What language models answered, what people translated, how terms are translated, and what it cost.

-- One row a question that was answered for good, so that it is never asked or paid again. Texts hold tokens for what was masked.
CREATE TABLE language_results (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    key text NOT NULL CHECK (key ~ '^[0-9a-f]{64}$'), -- hash of everything that the answer depends on
    task text NOT NULL,
    source_locale text NOT NULL,
    target_locale text NOT NULL,
    source_hash text NOT NULL CHECK (source_hash ~ '^[0-9a-f]{64}$'), -- of the masked text and the wanted forms alone
    status text NOT NULL CHECK (status IN ('accepted', 'rejected', 'quarantined')),
    answer jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(answer) = 'object'), -- form -> text
    problems jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(problems) = 'array'),
    engine text NOT NULL, -- model:<name>
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (store_id, key)
);

CREATE INDEX language_results_of_text ON language_results (store_id, task, source_locale, target_locale, source_hash);

-- Translations by people. A row with a context is for that label alone and goes before one without.
CREATE TABLE translation_memory (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    source_locale text NOT NULL,
    target_locale text NOT NULL,
    source_hash text NOT NULL CHECK (source_hash ~ '^[0-9a-f]{64}$'),
    context text NOT NULL,
    source jsonb NOT NULL CHECK (jsonb_typeof(source) = 'object'), -- form -> text
    target jsonb NOT NULL CHECK (jsonb_typeof(target) = 'object'),
    origin text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (store_id, source_locale, target_locale, source_hash, context)
);

-- Terms of a store. Without a translation a term is not translated; without a locale it counts for all languages.
CREATE TABLE glossary (
    store_id uuid NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
    term text NOT NULL CHECK (term <> ''),
    target_locale text NOT NULL DEFAULT '',
    translation text CHECK (translation <> ''),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, term, target_locale)
);

-- Budgets in micro-USD. Without a store: `run` is the default for all stores, `month` the sum of all stores.
CREATE TABLE language_budgets (
    store_id uuid REFERENCES stores (id) ON DELETE CASCADE,
    period text NOT NULL CHECK (period IN ('run', 'month')),
    usd_micro bigint NOT NULL CHECK (usd_micro >= 0)
);

CREATE UNIQUE INDEX language_budgets_scope ON language_budgets (coalesce(store_id::text, ''), period);

-- One row a request to a model. It is reserved, and committed, before the request leaves; what is never settled counts as spent.
-- The store's id is not called store_id: removing a store must not remove what was spent in a month.
CREATE TABLE language_calls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    spender uuid REFERENCES stores (id) ON DELETE SET NULL,
    store_key text NOT NULL,
    run_id text NOT NULL,
    task text NOT NULL,
    model text NOT NULL,
    month text NOT NULL CHECK (month ~ '^\d{4}-\d{2}$'), -- UTC
    state text NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'settled', 'released')),
    outcome text, -- ok, refused, truncated, invalid, http 429 ...
    reserved_usd_micro bigint NOT NULL CHECK (reserved_usd_micro >= 0),
    spent_usd_micro bigint CHECK (spent_usd_micro >= 0),
    tokens_in bigint, -- all of the prompt
    tokens_cached bigint,
    tokens_cache_write bigint,
    tokens_out bigint,
    estimated boolean NOT NULL DEFAULT false, -- the server did not say how many tokens it used
    reserved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    CHECK ((state = 'settled') = (spent_usd_micro IS NOT NULL)),
    CHECK ((state = 'reserved') = (settled_at IS NULL))
);

CREATE INDEX language_calls_of_run ON language_calls (run_id);
CREATE INDEX language_calls_of_month ON language_calls (month, spender);

-- Running sums of the calls: settled as spent, reserved as reserved. One row a run, a store and month, and a month.
CREATE TABLE language_spend (
    scope text PRIMARY KEY,
    usd_micro bigint NOT NULL CHECK (usd_micro >= 0)
);
