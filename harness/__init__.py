"""The machine: everything between a run that is asked for and its rows.

From below: `metrics` (what is measured), `specs` (what a run is, and the digest of a strategy's
code), `engine` (stacked networks and their edits), `modules` (any PyTorch module), `plugins` (names
become classes), `loop` (the protocol), `execution` (processes), `commands` and `cli.py`; `checks`
and `speed` stand aside. Plug-ins and commands of the other parts are found by name.

May import: nothing but the ground.

For others:
    blame: defined, raised, text_of, traceback_of
    errors: BenchError, shortened, unknown_name
    fingerprint: canonical, digest, fingerprint
    names: alike, checked_name, LONGEST_NAME, name_problem, RULE
    places: DATA_VARIABLE, default_data_dir, USERS_OWN
    plural: plural
    process_state: kept_process_state
    randomness: derive_seed, OwnRandom, ReplicaRandom, unmoved_random, untouched_randomness
    reading: read_file
    row: Row, spread
    seeds: LARGEST_SEED
    stream: chained_digest, Evaluate, RealTime, Samples, Stream, Task
    visible: in_code, in_markdown, tell, visible
"""

if __name__ != "plasticity_bench.harness":
    raise ImportError(
        "import plasticity_bench.harness, not harness: the repository root is on sys.path"
    )
