"""What Amazon's product type definitions want of a listing: reading, validating, and filling what they require.

Nothing here asks Amazon: definitions come in through `Knowledge`, which the listings stage reads from its cache.
"""
