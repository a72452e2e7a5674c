"""Both ways between Avalanche and this project.

Its strategies are entrants (`table`, `learner`, `trainer`), and our strategies and metrics are
plug-ins of its training scripts (`plugin`, `metrics`). Only `table` is imported before one of them
is asked for: importing Avalanche takes seconds.

May import: harness/engine, harness/loop, harness/metrics, harness/modules, harness/plugins,
            harness/specs.
"""
