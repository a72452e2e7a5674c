"""The local board on Weights & Biases: a projection of the store that can be made again any time.

`publication` is the way in; what was seen to be there has a receipt (`receipts`), and without one a
thing is sent again. wandb is never imported in the caller's process: one of its own is, with all it
starts in one group, which is killed when the time is over.

May import: leaderboard/board, leaderboard/page, leaderboard/store.

For others:
    connect: connect, Deferred
    job: Job
    live: live, MODES
    publication: Outcome, plan, publish, to_do
    run_plan: with_clean_reason
"""
