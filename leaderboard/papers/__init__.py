"""Papers' tables, run here and set beside what is printed: `plasticity-bench reproduce`.

A paper is a TOML file (`paper_file`); `verdicts` judges its numbers and `claims` its sentences.
Whether a run of this project comes out the same when it is made again is the matter of `trust`.

May import: harness/execution, harness/metrics, harness/plugins, harness/specs, leaderboard/report,
            leaderboard/statistics, leaderboard/store.

For others:
    measured: by_spec, measured
    paper: Scale, SCALES
    paper_file: paper_names
    report: as_json, report_of, terminal, write
    runs: Case, cases, choose, Chosen
    times: known_seconds, row_times
"""
