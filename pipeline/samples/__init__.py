"""The sample store of the demo: `demo.csv`, described in the README beside it. No code."""
