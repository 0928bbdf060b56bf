"""Which category of a marketplace a product belongs to: people's choices, rules, and a ranking of the words.

`text` and `index` rank categories by the words of a product; `taxonomy` holds category trees, the shipped one and those of files
that operators name; `decisions` are people's choices; `rules` are those of the connection; `overlay` puts it all together.
"""
