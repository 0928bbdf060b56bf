"""Handing over a plan, and recording what the marketplace acknowledged. The only writer of listing state."""
