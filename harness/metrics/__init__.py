"""The plasticity-loss metric suite: what every number in a result means, one file a question.

Accuracy and its decline, newborns against incumbents (`cohorts`), integration time (`integration`),
dormancy and rank (`features`, `health`), norms (`weights`), FLOPs (`cost`); `summary` makes a run's
numbers from its rows, and `table` defines their names, units and bounds. Importing this face
imports no tensor library: it is what `list metrics` and the leaderboard read.

May import: nothing but the ground.

For others:
    accuracy: fresh_gap, recovery_times
    cohorts: activation_frequency, alignment, gate_rate, gradient_magnitude, incoming_gradient_norm,
        incumbents_are_silent, mean_parity, outgoing_norm, parity, utility
    cost: forward_flops, LayerCost, update_flops
    health: layer_health
    integration: censored_share, Ending, integration_time, IntegrationTime, kaplan_meier, log_rank,
        LogRank, median_time, next_measured_age, restricted_mean
    pooling: pooled_curves, SMALLEST_COHORT
    summary: cohort_curves, curve_of, FACTORS, INTEGRATION_QUANTITIES, integration_time_of,
        integration_times, PARITIES, Row, summarise
    table: INTEGRATION_RHOS
    weights: distance_from_init, gradient_norm, weight_norm
"""

from .table import FAMILIES, METRICS, Metric

__all__ = ["FAMILIES", "METRICS", "Metric"]
