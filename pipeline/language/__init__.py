"""Everything that speaks to a language model or stands in for one: client, cache, memory, glossary, budget, masks, guards.

Below the stages and above `stores`: it knows texts and money, not labels, products or marketplaces. Nothing here imports the
openai package at load.
"""
