"""Methods that switch units off or cut single weights, with or without a rewind.

The scores by which units go are in `unit_scores`; what becomes of a pruned unit's weights and
optimiser state is the engine's matter (`harness/engine/edits.py`).

May import: harness/engine, harness/metrics, strategies/budget.py, strategies/rewiring,
            strategies/selection.py.
"""
