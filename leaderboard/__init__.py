"""Results: kept, compared, ranked and shown.

They are in a `store`, compared by `statistics`, ranked on a `board`, and shown as tables, figures
(`report`), a `page` and on W&B (`publish`); suites are TOML files in `suites`. Results of others
are checked in `trust`, published tables are run and compared in `papers` with the numbers in
`reproductions`.

May import: harness.
"""

if __name__ != "plasticity_bench.leaderboard":
    raise ImportError(
        "import plasticity_bench.leaderboard, not leaderboard: the repository root is on sys.path"
    )
