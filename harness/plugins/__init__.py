"""From names to classes, and from what was asked for to runs with every setting resolved.

Built-in tables and the entry points of other packages stand side by side in `registry`, which
imports a plug-in when it is asked for; mistakes are found in `resolve`, before any training. What
an entrant's numbers depend on is gathered in `sources`.

May import: harness/engine, harness/metrics, harness/modules, harness/specs.

For others:
    docstrings: first_line
    registry: ENTRANTS, families, is_learner, Kind, load, load_entrant, load_learner, load_strategy,
        load_stream, LoadedStream, names, PLURALS, providers, Published, strategy_taken_for
    resolve: entrant_name, parse_overrides, resolve, resolved_stream, run_from_json, stream_metric
    sources: code_of, RESULTS_VERSION
"""
