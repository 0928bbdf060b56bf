-- Several reasons at once, each with its own products.

ALTER TABLE open_texts DROP CONSTRAINT open_texts_pkey, ADD PRIMARY KEY (store_id, site, task, why);
