"""Benchmark whether an idea keeps a neural network able to learn.

What the author of a strategy, a learner, a stream or a metric needs is here: `from
plasticity_bench import Strategy, Network, Context`. A name is imported when it is first used, so
that importing the package loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "BenchError",
    "Context",
    "Event",
    "ImageStream",
    "Insertion",
    "Layer",
    "LayerProbe",
    "Learner",
    "Metric",
    "Network",
    "NetworkSpec",
    "OptimizerSpec",
    "Plan",
    "PlasticityPlugin",
    "Probe",
    "RunSpec",
    "Samples",
    "ScheduledEdits",
    "StatePolicy",
    "Strategy",
    "Stream",
    "Suite",
    "Task",
    "TorchLearner",
    "Verdict",
    "check_stream",
    "load_suite",
    "plasticity_metrics",
    "resolve",
    "run_stack",
]

if TYPE_CHECKING:
    from .harness.checks.stream import Verdict, check_stream
    from .harness.engine.edits import Event, Insertion, Network, StatePolicy
    from .harness.engine.learner import Learner
    from .harness.engine.network import Layer
    from .harness.engine.probe import LayerProbe, Probe
    from .harness.engine.strategy import Context, Plan, Strategy
    from .harness.errors import BenchError
    from .harness.loop.stack import run_stack
    from .harness.metrics.table import Metric
    from .harness.modules.torch_learner import TorchLearner
    from .harness.plugins.resolve import resolve
    from .harness.specs.spec import NetworkSpec, OptimizerSpec, RunSpec
    from .harness.specs.suite import Suite, load_suite
    from .harness.stream import Samples, Stream, Task
    from .strategies.avalanche.metrics import plasticity_metrics
    from .strategies.avalanche.plugin import PlasticityPlugin
    from .strategies.budget import ScheduledEdits
    from .streams.base import ImageStream
else:  # hidden from type checkers, to which a module's __getattr__ makes every misspelt name right
    _NAMES = {
        "harness.checks.stream": ("Verdict", "check_stream"),
        "harness.engine.edits": ("Event", "Insertion", "Network", "StatePolicy"),
        "harness.errors": ("BenchError",),
        "harness.engine.learner": ("Learner",),
        "harness.metrics.table": ("Metric",),
        "harness.engine.network": ("Layer",),
        "harness.engine.probe": ("LayerProbe", "Probe"),
        "harness.plugins.resolve": ("resolve",),
        "harness.loop.stack": ("run_stack",),
        "harness.specs.spec": ("NetworkSpec", "OptimizerSpec", "RunSpec"),
        "harness.engine.strategy": ("Context", "Plan", "Strategy"),
        "harness.stream": ("Samples", "Stream", "Task"),
        "harness.specs.suite": ("Suite", "load_suite"),
        "strategies.avalanche.metrics": ("plasticity_metrics",),
        "strategies.avalanche.plugin": ("PlasticityPlugin",),
        "harness.modules.torch_learner": ("TorchLearner",),
        "strategies.budget": ("ScheduledEdits",),
        "streams.base": ("ImageStream",),
    }
    _HOME = {name: module for module, names in _NAMES.items() for name in names}

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'", name=name)
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value  # found at once from now on
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
