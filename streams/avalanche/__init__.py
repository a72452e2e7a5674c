"""Any Avalanche benchmark as a stream: its samples kept once as arrays, its transforms found out.

The stream itself is in `stream`; the other files take the benchmark apart.

May import: harness/plugins, harness/specs, streams/base.py, streams/catalogue.py, streams/data,
            streams/random_transforms.py, streams/scenario.py.
"""
