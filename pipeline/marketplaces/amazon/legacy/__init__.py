"""The AmazonEnvelope XML of MWS, for archives and other programs. Amazon has refused it since 2025-07-31; nothing sends it."""
