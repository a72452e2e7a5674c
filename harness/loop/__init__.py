"""The run: one entrant on one stream, task by task, yielding rows; it reads as the protocol does.

The loop itself is `run`, and `single_run` for learners outside the stack; beside it stand what is
measured without changing it (`monitor`), winning tickets, controls, streams that do not wait, and
the structure of a run.

May import: harness/engine, harness/metrics, harness/modules, harness/plugins, harness/specs.

For others:
    controls: Control, controls_among, has_controls, with_controls
    monitor: CohortMonitor, health_rows
    run: StackedRun
    single_run: check_first_task
    structure: structure_of
"""
