"""Commands about plug-ins and the engine: `list`, `check`, `speed`; and what all commands share.

That is options and exit statuses (`options`), which runs are meant (`selection`) and how far they
are (`progress`). A command's module imports what is heavy when it is called, so that help is quick.

May import: harness/checks, harness/engine, harness/execution, harness/modules, harness/plugins,
            harness/specs, harness/speed.

For others:
    options: Data, Device, Entrants, FAILED, INTERRUPTED, Json, MISUSED, Results, Seeds, Sets,
        Streams, SuiteName, Timeout, Trust, Workers
    progress: as_json, progress_bar, summary
    selection: Selection
"""
