"""Methods that switch units off or cut single weights, with or without a rewind.

The scores by which units go are in `unit_scores`.

May import: harness/engine, harness/metrics, strategies/budget.py, strategies/rewiring,
            strategies/selection.py.
"""
