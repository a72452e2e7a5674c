"""The local store of results, statistics over seeds, tables and figures."""

if __name__ != "plasticity_bench.leaderboard":
    raise ImportError(
        "import plasticity_bench.leaderboard, not leaderboard: the repository root is on sys.path"
    )
