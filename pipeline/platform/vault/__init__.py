"""The credential vault: `envelope.py` seals and opens, `keys.py` holds master keys, `key_files.py` knows where they lie.

It knows neither stores nor marketplaces: what is sealed for which row is `pipeline/stores/credentials.py`.
"""
