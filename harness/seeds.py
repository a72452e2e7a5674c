"""Which numbers are seeds."""

LARGEST_SEED = 2**32 - 1
"""The largest that NumPy's global generator takes."""
