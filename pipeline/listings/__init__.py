"""From fixed products to listings of one marketplace site, and from listings to the plan of what to send.

Here belong prices, stock, categories, assortment, families and the diff against what was sent. Not here: repairs and rules
of the data (`quality`), the wording and limits of a marketplace (`marketplaces`), feed files (`feeds`), writing state
(`submissions`).
"""
