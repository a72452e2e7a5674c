"""Why a metric says nothing about runs that are done: what it needs of stream or entrant."""

from collections.abc import Mapping

from ...harness.metrics import METRICS

_OF_TESTS = ("acc", "taa", "task_end_accuracy")
"""What a run knows by being tested."""


def why_undefined(metric: str, settings: Mapping[str, object]) -> str:
    """Return what a metric needs that runs without a value of it did not have, as a clause.

    Args:
        metric: a name in `METRICS`.
        settings: of the stream; those of somebody else's may say nothing of how it is tested.
    """
    tested = settings.get("evaluate")
    family = METRICS[metric].family
    if family == "retention" and tested != "seen":
        here = "" if tested is None else f", and here evaluate is {tested}"
        return f"it is defined only on streams that test all tasks seen (evaluate=seen){here}"
    if family == "retention":
        return "it takes several tasks, of which earlier ones are tested again"
    if metric in _OF_TESTS and tested == "none":
        return "it takes a stream that tests, and here evaluate is none"
    if metric.startswith(("wt_", "delta_wt_")):
        return "it is of a winning ticket, and none was retrained"
    if family == "integration":
        return "it is of units that are born in the course of a run, and there were none to follow"
    return "it is not defined on such runs"
