"""Does Prune win under shift because it prunes, or because it rewinds? Answered by a rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..statistics.inference import ALPHA, Difference
from .claims.tests import corrected, paired, points
from .measured import Measured

METRIC = "taoa"
COMPACTNESS = 0.2
NO_REWIND, REWIND_ONLY = "Prune, no rewind", "Rewind only"
CONTROLS = (
    *(NO_REWIND, REWIND_ONLY, "Scheduled reset", "Random turnover, as Prune"),
    *("Dense, small", "Dense, mean size of Prune", "Reset every task"),
)

NEGLIGIBLE = 0.01
"""Share of accuracy: an advantage whose interval ends below it counts as none."""

Answer = Literal["it rewinds", "it prunes", "both", "neither", "not decided"]

RULE = (
    "What rewinding adds is Prune minus Prune without rewind; what pruning adds is Prune minus "
    "rewinding at the same moments without pruning. Each counts where it is above 0 by a paired "
    "t-test (Holm over the two, 5 %), and counts as nothing where it is not and its 95 % interval "
    "ends below 1 point; anything else is not decided."
)


@dataclass(frozen=True)
class Why:
    """Why Prune wins on one stream."""

    row: str
    answer: Answer
    sentence: str
    differences: dict[tuple[str, str], Difference]
    """Paired by seed: (Prune or Grow, other entry) -> the first minus the other."""


def why(results: Sequence[Measured]) -> list[Why]:
    """Return the answer for every row that has a control measured."""
    rows = dict.fromkeys(one.row for one in results if one.method in CONTROLS and one.metrics)
    return [_why(row, [one for one in results if one.row == row]) for row in rows]


def _why(row: str, results: Sequence[Measured]) -> Why:
    differences = dict(_differences(results))
    rewinding = differences.get(("Prune", NO_REWIND))
    pruning = differences.get(("Prune", REWIND_ONLY))
    answer: Answer = "not decided"
    if rewinding is None or pruning is None:
        needed = f"3 shared seeds of Prune, {NO_REWIND} and {REWIND_ONLY} at 20 %"
        return Why(row, answer, f"On {row} it is not decided: run {needed}.", differences)
    answer = _answer(rewinding, pruning)
    words = {
        "it rewinds": "Prune gains by rewinding and not by pruning",
        "it prunes": "Prune gains by pruning and not by rewinding",
        "both": "Prune gains by pruning and by rewinding",
        "neither": "neither pruning nor rewinding adds anything to the other",
        "not decided": "it is not decided whether Prune gains by pruning or by rewinding",
    }[answer]
    sentence = (
        f"On {row} {words}: rewinding adds {points(rewinding)}, pruning adds {points(pruning)}"
        f"{_resets(differences)}."
    )
    return Why(row, answer, sentence, differences)


def _answer(rewinding: Difference, pruning: Difference) -> Answer:
    p_values = corrected([rewinding, pruning])
    adds = [
        True if one.mean > 0 and p < ALPHA else (False if one.interval.high < NEGLIGIBLE else None)
        for one, p in zip((rewinding, pruning), p_values, strict=True)
    ]
    answers: dict[tuple[bool | None, bool | None], Answer] = {
        (True, False): "it rewinds",
        (False, True): "it prunes",
        (True, True): "both",
        (False, False): "neither",
    }
    return answers.get((adds[0], adds[1]), "not decided")


def _resets(differences: dict[tuple[str, str], Difference]) -> str:
    found = [
        f"; Prune minus {name.lower()} {points(differences['Prune', name])}"
        for name in CONTROLS[2:]
        if ("Prune", name) in differences
    ]
    return "".join(found)


def _differences(results: Sequence[Measured]) -> Iterator[tuple[tuple[str, str], Difference]]:
    for method in ("Prune", "Grow"):
        base = next((one for one in results if one.method == method and _is_meant(one)), None)
        for other in results:
            if base and other is not base and other.method in (*CONTROLS, "Dense", "Prune", "Grow"):
                found = paired(base.values(METRIC), other.values(METRIC))
                if found is not None and _is_meant(other):
                    yield (method, other.method), found


def _is_meant(one: Measured) -> bool:
    return one.compactness in (None, COMPACTNESS)
