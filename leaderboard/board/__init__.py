"""The board: who stands where on each stream and over all, and how sure that is.

It is computed once, by `ranking`, as the plain values of `standings`; places are decided in
`placing`, from the tests of `leaderboard/statistics`. Terminal tables, exports and comparisons are
other forms of it.

May import: harness/metrics, harness/plugins, leaderboard/statistics, leaderboard/store.

For others:
    comparison: comparison
    comparison_words: family_sentence, not_run, sentences
    environments: made_otherwise
    exports: csv, latex, markdown, parquet
    grouping: EntrantRuns, grouped, Marks, R, StreamRuns
    ranking: Question, rank, stream_key, unusual_settings
    scoring: direction, Score, score, told_apart, worst_case
    standings: Board, Coverage, HEADLINE_FROM, Incomplete, LEAST_STREAMS, OtherCode, Overall,
        OverallStanding, PROVISIONAL_BELOW, Rank, Standing, Trust
    table: as_json, tables
    table_notes: environment_notes, incomplete_notes, other_code_notes
    versions: Current, Versions
    wanted: Wanted
"""
