"""The report: figures, tests between entrants, controls, and a page for each entrant.

`figures` is the way in.

May import: harness/loop, harness/metrics, harness/plugins, leaderboard/board, leaderboard/curves,
            leaderboard/statistics, leaderboard/store.

For others:
    controls_table: controls_beside
    critical_difference: CAPTION, diagram, mean_ranks
    figures: report
    pictures: file_stem, look, Picture, saved, svg
    styles: drawn
"""
