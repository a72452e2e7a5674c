"""Streams: sequences of tasks with a protocol, each a genuine Avalanche benchmark.

`families/` has the classes, `built_in/` and `presets/` the streams that have names, `avalanche/`
any benchmark of Avalanche as a stream, and `data/` where samples come from. All stand on the
harness, which looks streams up by name and never imports them. From outside one needs `catalogue`,
for the named streams, and `base.ImageStream`, to write a family.
"""

if __name__ != "plasticity_bench.streams":
    raise ImportError(
        "import plasticity_bench.streams, not streams: the repository root is on sys.path"
    )
