"""Controls: entrants that differ from another one in a single respect, to know what counts.

A strategy that prunes and rewinds does two things at once, one that grows is small while others are
large, and one that chooses units by a criterion might do as well with any. Each control keeps
everything else: network, optimiser, memory, activation, stream and seeds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import BenchError, unknown_name
from ..plugins.registry import is_learner, load_strategy, load_stream
from ..plugins.resolve import entrant_name, resolve
from ..specs.grammar import Settings
from ..specs.spec import EntrantSpec, NetworkSpec, RunSpec, StrategySpec, StreamSpec, build_settings
from ..specs.suite import EntrantRequest, Suite
from .structure import Structure, editable_layers, rehearse

SCHEDULE = ("events", "every_passes", "every_tasks", "at")
"""Settings by which a strategy says when it edits."""


@dataclass(frozen=True)
class Control:
    """An entrant beside another one, and the question that it answers."""

    kind: str
    """A key of `QUESTIONS`."""
    of: str
    """Name of the entrant that it is a control of."""
    entrant: EntrantSpec

    @property
    def question(self) -> str:
        """What the comparison with the entrant shows."""
        return QUESTIONS[self.kind]


QUESTIONS = {
    "fresh per task": (
        "A new network on every task: what this budget reaches without any history. Who is below "
        "has lost plasticity; who is above carries something over."
    ),
    "full reset": (
        "A whole network that starts anew at the same moments: as good as the entrant, and its "
        "edits act by forgetting and not by the structure that they leave."
    ),
    "small dense": (
        "A network that has the final size from the start: as good, and how the structure came "
        "about does not matter."
    ),
    "equal capacity": (
        "A network of constant size with as many alive-unit-steps, layer by layer: as good, and "
        "the entrant's course of sizes does not matter."
    ),
    "no rewind": (
        "The same units are pruned and survivors keep their weights: as good, and pruning itself "
        "acts; worse, and the rewind does."
    ),
    "rewind only": (
        "Weights rewind at the same moments and nothing is pruned: as good, and the rewind acts "
        "without pruning."
    ),
    "random turnover": (
        "As many units as the entrant edits are swapped by chance at the same moments, at the "
        "final size: as good, and any fresh units serve, however chosen."
    ),
    "random-matched": (
        "The same strategy edits as many units in the same layers at the same moments, chosen by "
        "chance: as good, and its criterion does not matter; only what it does to units does."
    ),
    "inverse-matched": (
        "The same strategy with its criterion turned round edits the units that come last in it: "
        "as good, and the criterion does not matter; worse, and it tells units apart."
    ),
    "newborns never learn": (
        "Newborn units are there and their weights never move: as good, and newborns contribute "
        "nothing that they learn."
    ),
}
"""What each kind of control shows, in words."""

MATCHED = ("random-matched", "inverse-matched")
"""Kinds that strategies declare of themselves, see `Strategy.matched`."""


def with_controls(runs: Sequence[RunSpec], data_dir: Path) -> list[RunSpec]:
    """Return the runs, followed by those of the controls of every entrant among them that has any.

    Args:
        runs: with every setting resolved.
        data_dir: where data sets are cached; sizes of controls are rehearsed on them.

    Raises:
        BenchError: no entrant changes its structure or chooses units.
    """
    groups: dict[tuple[StreamSpec, EntrantSpec], list[RunSpec]] = {}
    for run in runs:
        groups.setdefault((run.stream, run.entrant), []).append(run)
    made = [
        replace(run, entrant=control.entrant)
        for group in groups.values()
        if has_controls(group[0].entrant)
        for control in controls_of(group[0], rehearse(group[0], data_dir))
        for run in group
    ]
    if not made:
        raise BenchError(
            "--controls: none of the entrants changes its structure or chooses units, so there is "
            "nothing to control for. Give one that grows, prunes or rewires, as --entrant prune."
        )
    return list(dict.fromkeys([*runs, *made]))


def has_controls(entrant: EntrantSpec) -> bool:
    """Tell whether an entrant changes which units or connections are alive, or chooses units."""
    if is_learner(entrant.strategies):
        return False
    classes = [load_strategy(one.name) for one in entrant.strategies]
    return any(cls.edits_structure or cls.matched for cls in classes)


def controls_of(run: RunSpec, structure: Structure) -> list[Control]:
    """Return the controls of an entrant that `has_controls`, those that make sense on its stream.

    Args:
        run: any seed of it.
        structure: how many units it has alive.

    Raises:
        BenchError: a strategy declares a control that there is not, or with settings that it lacks.
    """
    entrant = run.entrant
    requests = [*_matched(entrant)]
    editors = [s for s in entrant.strategies if load_strategy(s.name).edits_structure]
    if editors:
        editor = editors[0]
        others = [s for s in entrant.strategies if s not in editors]
        requests = [
            *_resets(run, editor, others),
            *_sizes(entrant, others, structure),
            *_of_its_own(entrant, editor, others),
            *_turnover(entrant, editor, others, structure),
            *requests,
        ]
    return [Control(kind, entrant.name, _resolved(run, request)) for kind, request in requests]


Requests = Iterator[tuple[str, EntrantRequest]]


def _resets(run: RunSpec, editor: StrategySpec, others: Sequence[StrategySpec]) -> Requests:
    stream = build_settings(load_stream(run.stream.name).cls, run.stream.settings, "stream")
    tasks = run.stream.settings.get("tasks")
    if isinstance(tasks, int) and tasks > 1:
        told = "task boundary" in stream.told
        # Where nobody is told, the moments are in the schedule: a reference and not a rival.
        moments = {"every_tasks": 1, "events": tasks}
        fresh = StrategySpec("reset") if told else StrategySpec("scheduled-reset", moments)
        yield "fresh per task", _request(run.entrant, [fresh, *others])
    schedule = {key: editor.settings[key] for key in SCHEDULE if key in editor.settings}
    if schedule:
        reset = StrategySpec("scheduled-reset", schedule)
        yield "full reset", _request(run.entrant, [reset, *others])


def _sizes(entrant: EntrantSpec, others: Sequence[StrategySpec], structure: Structure) -> Requests:
    """Constant sizes: the final one, and the mean one where the two differ."""
    sizes = {"small dense": structure.final, "equal capacity": tuple(map(round, structure.average))}
    if sizes["equal capacity"] == sizes["small dense"]:
        del sizes["equal capacity"]
    for kind, units in sizes.items():
        strategies = list(others) or [StrategySpec("dense")]
        name = f"{_name(strategies)} {'-'.join(map(str, units))}"
        yield kind, _request(entrant, strategies, name, _sized(entrant.network, units))


def _of_its_own(
    entrant: EntrantSpec, editor: StrategySpec, others: Sequence[StrategySpec]
) -> Requests:
    """What takes one property of the strategy away."""
    if editor.settings.get("rewind", "none") != "none":
        no_rewind = replace(editor, settings={**editor.settings, "rewind": "none"})
        whole = replace(editor, settings={**editor.settings, "compactness": 1.0})
        yield "no rewind", _request(entrant, [no_rewind, *others])
        yield "rewind only", _request(entrant, [whole, *others])
    if "insertion" in editor.settings:
        frozen = StrategySpec("freeze-newborns")
        yield "newborns never learn", _request(entrant, [editor, *others, frozen])


def _turnover(
    entrant: EntrantSpec,
    editor: StrategySpec,
    others: Sequence[StrategySpec],
    structure: Structure,
) -> Requests:
    """Swap as many units by chance, where there are dead ones to swap with."""
    share = min(1.0, structure.edited_share())
    compactness = editor.settings.get("compactness")
    if share and isinstance(compactness, float) and compactness < 1 and editor.name != "turnover":
        kept: Settings = {
            key: editor.settings[key] for key in (*SCHEDULE, "compactness", "allocation")
        }
        how: Settings = {
            "dies": "random",
            "born": "random",
            "insertion": "fresh",
            "share": round(share, 3),
        }
        yield (
            "random turnover",
            _request(entrant, [StrategySpec("turnover", {**kept, **how}), *others]),
        )


def _matched(entrant: EntrantSpec) -> Requests:
    """Choose other units, in everything else the same: what each strategy declares of itself."""
    for place, strategy in enumerate(entrant.strategies):
        changed = _declared(strategy)
        if strategy in changed.values():
            continue  # it chooses by chance already, which has no order to be turned round
        for kind, one in changed.items():
            before, after = entrant.strategies[:place], entrant.strategies[place + 1 :]
            yield kind, _request(entrant, [*before, one, *after])


def _declared(strategy: StrategySpec) -> dict[str, StrategySpec]:
    declared = load_strategy(strategy.name).matched
    for kind in declared:
        if kind not in MATCHED:
            remedy = f"Correct `matched` of strategy '{strategy.name}'."
            raise unknown_name("control", kind, MATCHED, remedy)
    return {
        kind: replace(strategy, settings={**strategy.settings, **settings})
        for kind, settings in declared.items()
    }


def _request(
    entrant: EntrantSpec,
    strategies: Sequence[StrategySpec],
    name: str | None = None,
    network: NetworkSpec | None = None,
) -> EntrantRequest:
    return EntrantRequest(
        name, tuple(strategies), asdict(network or entrant.network), asdict(entrant.optimizer)
    )


def _resolved(run: RunSpec, request: EntrantRequest) -> EntrantSpec:
    suite = Suite("controls", "", (run.stream,), (request,), (run.seed,))
    return resolve(suite)[0].entrant


def _name(strategies: Sequence[StrategySpec]) -> str:
    return entrant_name(EntrantRequest(None, tuple(strategies)))


def _sized(network: NetworkSpec, units: Sequence[int]) -> NetworkSpec:
    """Return a network with other numbers of units in its editable layers."""
    trunk = len(editable_layers(network)) - len(network.hidden)
    channels = tuple(units[:trunk]) if trunk else network.channels
    return replace(network, channels=channels, hidden=tuple(units[trunk:]))


def controls_among(run: RunSpec, structure: Structure, others: Iterable[RunSpec]) -> list[Control]:
    """Return the controls of an entrant that were run beside it, under the names they ran by.

    Args:
        run: any seed of the entrant.
        structure: how many units it had alive, see `structure_of`.
        others: runs on the same stream.
    """
    known = {_anonymous(other.entrant): other.entrant for other in others}
    return [
        replace(control, entrant=known[_anonymous(control.entrant)])
        for control in controls_of(run, structure)
        if _anonymous(control.entrant) in known
    ]


def _anonymous(entrant: EntrantSpec) -> EntrantSpec:
    return replace(entrant, name="")
