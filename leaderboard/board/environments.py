"""What runs were made with beside the code, where they differ: libraries, kind of machine."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..store.result import Record

COMPARED = ("torch", "numpy", "avalanche-lib", "machine", "processor", "device")
"""Parts of a result's environment that may change its last bits, and so in time its numbers."""


def unusual_environments(runs_by_label: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """Return what the runs of some entrants were made with that most runs were not.

    Results of different libraries and machines share a board: their names say the code and not
    these. What a result does not say is no difference.

    Args:
        runs_by_label: of every entrant on one stream.

    Returns:
        By label, for example "torch 2.13.0"; nothing for those made as most.
    """
    found: dict[str, list[str]] = {}
    for part in COMPARED:
        said = {
            label: [str(run.environment[part]) for run in runs if part in run.environment]
            for label, runs in runs_by_label.items()
        }
        counted = Counter(value for values in said.values() for value in values)
        if len(counted) < 2:
            continue
        most, _ = max(counted.items(), key=lambda one: (one[1], one[0]))
        for label, values in said.items():
            others = sorted({*values} - {most})
            if others:
                found.setdefault(label, []).append(f"{part} {', '.join(others)}")
    return {label: "; ".join(parts) for label, parts in found.items()}


def made_otherwise(runs: Sequence[Record], here: Mapping[str, object]) -> str:
    """Return what runs were made with that is not here, as "torch 2.13.0 (here 2.14.1)".

    Args:
        runs: of any streams and entrants.
        here: the environment of this process.
    """
    found = []
    for part in COMPARED:
        others = {str(run.environment[part]) for run in runs if part in run.environment}
        others -= {str(here.get(part))}
        if others:
            found.append(f"{part} {', '.join(sorted(others))} (here {here.get(part)})")
    return "; ".join(found)
