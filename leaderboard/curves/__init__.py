"""From rows to curves as plain arrays, without drawing.

Accuracy and parity are in `lines`, what develops over a run in `over_time`, when cohorts integrate
in `integration_study`. Figures, the page and the checks of archives take them from here, so that
they cannot disagree.

May import: harness/metrics, leaderboard/board, leaderboard/statistics, leaderboard/store.

For others:
    integration_study: Cohort, cohorts_in, EntrantStudy, groups, Key, pace, Pace, QUESTIONS, Study,
        study_of
    lines: accuracy_over_steps, accuracy_over_tasks, alive_over_steps, cohorts_of, Line,
        parity_by_age, PARITY_QUANTITIES, ratio_by_age, smoothing_window
    over_time: edit_steps, layer_names, newborn_ratio, over_time, Panel, Trace
"""
