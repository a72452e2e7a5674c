"""All about one name: its docstring, what it needs or tells, and every setting."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from ..blame import raised
from ..errors import BenchError
from ..plugins import registry
from ..specs.describe import settings_of
from ..specs.grammar import Call, Settings, format_call, format_value
from ..specs.spec import NetworkSpec, OptimizerSpec, build_settings, canonical_name
from ..specs.suite import load_suite
from ..visible import visible
from .published import published, settings_table

if TYPE_CHECKING:
    from ..engine.strategy import Strategy
    from ..modules.single_learner import SingleLearner

SPECS: dict[str, type] = {"network": NetworkSpec, "optimizer": OptimizerSpec}


def about_name(kind: str, name: str, *, trust: bool = False) -> RenderableType:
    """Show all about one name; its plug-in is imported for this. Of `trust` see `load_suite`."""
    shows: dict[str, Callable[[str], RenderableType]] = {
        "strategies": _about_strategy,
        "learners": _about_learner,
        "streams": _about_stream,
        "metrics": _about_metric,
        "suites": lambda name: _about_suite(name, trust),
        "settings": lambda name: settings_table(settings_of(SPECS[name])),
        "activations": _about_activation,
    }
    try:
        shown = shows[kind](name)
    except BenchError:
        raise
    except Exception as error:  # whatever a plug-in's class does when it is looked at
        raise BenchError(
            f"'{name}' cannot be described: {raised(error)}. Repair or uninstall its package."
        ) from error
    return Group(Text(f"{visible(name)} ({kind})", style="bold"), shown, Text())


def _about_strategy(name: str) -> RenderableType:
    return _about_entrant(registry.load_strategy(name))


def _about_learner(name: str) -> RenderableType:
    return _about_entrant(registry.load_learner(name))


def _about_entrant(cls: "type[Strategy] | type[SingleLearner]") -> RenderableType:
    needs = f"Needs to be told: {', '.join(sorted(cls.needs)) or 'nothing'}."
    return Group(Text(_doc(cls)), Text(needs), settings_table(settings_of(cls)))


def _about_stream(name: str) -> RenderableType:
    loaded = registry.load_stream(name)
    made = build_settings(loaded.cls, loaded.settings, f"stream {loaded.name}")
    tells = f"Tells: {', '.join(sorted(made.told)) or 'nothing'}."
    if loaded.about is not None:
        return Group(Text(_doc(loaded.cls)), Text(tells), published(loaded, loaded.about))
    learner = [f"Usual {part}: {_line(getattr(loaded, part))}" for part in SPECS]
    return Group(
        Text(_doc(loaded.cls)),
        Text("\n".join([tells, *learner])),
        settings_table(settings_of(loaded.cls, loaded.settings)),
    )


def _about_activation(name: str) -> RenderableType:
    from ..engine.activations import ACTIVATIONS

    cls = ACTIVATIONS[name]
    return Group(Text(_doc(cls)), settings_table(settings_of(cls)))


def _about_metric(name: str) -> RenderableType:
    metric = registry.load("metric", name)
    known = {part.name: getattr(metric, part.name) for part in fields(metric)}
    lines = {key: _paragraphs(str(value)) for key, value in known.items() if value is not None}
    return Text("\n".join(f"{key}: {' '.join(value)}" for key, value in lines.items()))


def _about_suite(name: str, trust: bool) -> RenderableType:
    from ..plugins.resolve import resolve  # imports torch, which a list of names need not

    suite = load_suite(name, trust=trust)
    resolve(suite)  # a mistake in a file is told here as `run` tells it
    entrants = [entrant.name or canonical_name(entrant.strategies) for entrant in suite.entrants]
    lines = {
        "streams": ", ".join(format_call(Call(one.name, one.settings)) for one in suite.streams),
        "entrants": ", ".join(entrants),
        "seeds": ", ".join(map(str, suite.seeds)),
        "ranked by": suite.metric or "the metric that each stream asks for",
    }
    text = "\n".join(f"{key}: {value}" for key, value in lines.items())
    return Text("\n".join(map(visible, f"{suite.description}\n{text}".split("\n"))))


def _doc(cls: type) -> str:
    return "\n\n".join(_paragraphs(inspect.getdoc(cls) or ""))


def _paragraphs(text: str) -> list[str]:
    """Return each paragraph on one line, for the terminal to wrap."""
    return [visible(paragraph.replace("\n", " ")) for paragraph in text.split("\n\n")]


def _line(settings: Settings) -> str:
    return ", ".join(f"{key}={format_value(value)}" for key, value in settings.items()) or "default"
