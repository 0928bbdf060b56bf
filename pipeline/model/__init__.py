"""The words everyone shares: errors, money, quality and listing vocabulary. No logic beyond them, no I/O."""
