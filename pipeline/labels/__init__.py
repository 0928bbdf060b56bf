"""UI labels: the texts of a storefront that are not products. Reading label files, translating what changed, writing files back.

How texts are translated, paid and guarded belongs to `language`; here are files, keys, plural forms and the three tables.
"""
