"""The quality engine: fixes and rules of a rule set over product-aligned frames. pandera runs them.

    evaluate(ruleset, products, variants, context) -> Evaluation

`products` has one row a product_id; rows of `variants` link by product_id and have variant_id (may be null) and sku; other
columns pass through. For listings pass the first row of each product as `products` and all rows as `variants`: a product
fix then also changes the rows of the product that have the same value.
"""
