"""The engine beside its alternatives, timed in turns: `plasticity-bench speed`.

Who takes turns is in `contestants`, how they are timed and what is the goal in `measure`.

May import: harness/engine, harness/execution, harness/loop, harness/plugins, harness/specs.

For others:
    measure: as_json, measure, tables
"""
