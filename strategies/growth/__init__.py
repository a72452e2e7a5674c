"""Methods that add units, or move them.

Each has a file of its own. What they share, a small seed and a schedule, is in `seeded`.

May import: harness/engine, harness/metrics, strategies/budget.py, strategies/newborns,
            strategies/selection.py.
"""
