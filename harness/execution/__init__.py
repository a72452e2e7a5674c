"""Many runs: made ready, grouped into stacks, trained in this process or in workers.

The steps are `jobs`, `execute` and `worker`; `times` tells beforehand how long they take. Where
results are kept is handed in; what they were made with is said by `environment`.

May import: harness/loop, harness/plugins, harness/specs.

For others:
    environment: environment
    execute: Advance, execute, Outcome, thread_count
    jobs: Job, prepare, SEEDS_TOGETHER, together
    times: at_a_time, estimates, length_of, shape_of, TICKET
    worker: RunEnd
"""
