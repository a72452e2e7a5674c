"""The plasticity-loss metric suite: pure functions of tensors, one file per family.

`METRICS` says of every number in a result what it means. Importing it imports no tensor library: it
is what `plasticity-bench list metrics` and the leaderboard read.
"""

from .table import METRICS, Metric

__all__ = ["METRICS", "Metric"]
