"""The machine: stacked networks, edits, optimisers, the loop, metrics, specs, command line."""

if __name__ != "plasticity_bench.harness":
    raise ImportError(
        "import plasticity_bench.harness, not harness: the repository root is on sys.path"
    )
