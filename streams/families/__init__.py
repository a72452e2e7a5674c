"""How task k differs from the others, one file a kind of shift.

The kinds are pixels, labels, classes, drifts, regression, several at once, and none. Each family is
a dataclass of settings that draws its tasks from the seed alone.

May import: harness/specs, streams/augmentation.py, streams/base.py.
"""
