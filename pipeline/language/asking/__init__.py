"""The model: one client, how much may be asked at once, what it costs and who pays, batches, and recorded answers."""
