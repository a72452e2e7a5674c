"""Interventions on newborn units, whoever gave birth to them.

They act on weights, optimiser state and rates, and on what the elders may learn meanwhile. Who is
newborn and for how long is in `base`; weights worked out by hand are in `rules` and `slices`, which
growth methods use as well.

May import: harness/engine, harness/metrics, strategies/selection.py.

For others:
    rules: paired
    slices: at_units, best_of_each, column_blocks, column_norms, consumer_delta, consumer_of,
        fresh_slices, gate_at_zero, growth_matrix, like_blocks, like_rows, live_spread, mean_over,
        net2wider_slices, normal, random_columns, random_donors, rank_among, row_norms,
        share_columns, share_row_state, silent_rows, start_with_seed
"""
