"""How near the runs of a row are to the protocol that is printed, in words."""

from pydantic import JsonValue

from ...harness.plugins.registry import load_stream
from ...harness.specs.spec import RunSpec
from .paper import Scale
from .runs import Case

STATED = "At the printed protocol, as far as it is stated."


def protocol_of(case: Case, scale: Scale) -> str:
    """Say whether the runs of a row are at the printed protocol, and what of it is not stated.

    Args:
        case: an entry of the row; what its runs take stands for the row.
        scale: of the runs.
    """
    row = case.chosen.row
    if scale != "paper":
        about = row.scales[scale].about
        return f"At {scale} scale this is not the printed protocol: {about or 'it is changed'}."
    about_stream = load_stream(row.stream.name).about
    if about_stream is None:
        return "No protocol is printed for its stream."
    if not about_stream.not_stated:
        return STATED
    run = next(case.runs)
    taken = [f"{name} = {_taken(run, name)}" for name in sorted(about_stream.not_stated)]
    return f"The paper does not state, and is taken here: {', '.join(taken)}."


def _taken(run: RunSpec, name: str) -> JsonValue:
    """Return the value that a run has of a setting: of the stream, the network or the optimiser."""
    owner, _, own = name.rpartition(".")
    if not owner:
        return run.stream.settings[own]
    value: JsonValue = getattr(getattr(run.entrant, owner), own)
    return value
