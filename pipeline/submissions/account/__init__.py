"""The marketplace's account as it is: what it sells of ours before anything is sent, and where it drifted from what we sent."""
