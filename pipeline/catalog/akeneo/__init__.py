"""The source `akeneo`: a PIM's REST API into catalog rows.

`client` speaks HTTP, `fetch` writes the exact copy, `structure` reads what describes products (attributes, families, categories),
`values` and `roles` say what a value means, `rows` and `batches` make tables of it. Why it maps as it does is a page of
docs/decisions.
"""
