"""Commands about results, from `run` to `import`; named as they are called, but for those below.

`leaderboard` and `compare` are in `board`, `leaderboard build` and `serve` in `page`; `submit`,
`verify` and `import` in `trust`. Which results a selection means, and their board, is in `found`.

May import: harness/commands, harness/execution, harness/loop, harness/plugins, harness/specs,
            leaderboard/board, leaderboard/page, leaderboard/papers, leaderboard/publish,
            leaderboard/report, leaderboard/statistics, leaderboard/store, leaderboard/trust.
"""
