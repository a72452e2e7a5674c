"""Many runs: made ready, grouped into stacks, trained in this process or in workers.

The steps are `jobs`, `execute` and `worker`. Where results are kept is handed in; what they were
made with is said by `environment`.

May import: harness/loop, harness/plugins, harness/specs.

For others:
    environment: environment
    execute: Advance, execute, Outcome, thread_count
    jobs: Job, prepare, SEEDS_TOGETHER, together
    worker: RunEnd
"""
