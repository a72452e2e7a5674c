"""What strategies return from their hooks, held against what they may: a mistake is named there."""

from math import isfinite

from torch import Tensor

from ..blame import defined
from ..specs.spec import NetworkSpec
from .strategy import Plan, PluginError, Strategy


def refused(strategy: Strategy, hook: str, got: object, expected: str) -> PluginError:
    """Build the error for what a hook may not return."""
    return PluginError(
        f"strategy '{strategy.name}' returned {_told(got)} from {hook}; expected {expected}"
        f"{defined(type(strategy), hook)}."
    )


def _told(got: object) -> str:
    if isinstance(got, Tensor):
        return f"{tuple(got.shape)} of {str(got.dtype).removeprefix('torch.')} on {got.device}"
    if isinstance(got, tuple):
        return f"({', '.join(map(_told, got))})"
    text = repr(got)
    return f"{type(got).__name__} {text if len(text) < 80 else text[:80] + '...'}"


def checked_penalty(strategy: Strategy, got: object, losses: Tensor) -> Tensor | None:
    """Return what `penalty` returned, if it is one number a replica, or None."""
    if got is None:
        return None
    if (
        isinstance(got, Tensor)
        and got.shape == losses.shape
        and got.dtype.is_floating_point
        and got.device == losses.device
    ):
        return got
    wanted = f"(R,) = ({len(losses)},), a number a replica on {losses.device}, or None"
    raise refused(strategy, "penalty", got, wanted)


def checked_batch(strategy: Strategy, got: object, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `extend_batch` returned, if it is as many samples as labels, and no fewer."""
    if isinstance(got, tuple) and len(got) == 2:
        more_x, more_y = got
        if isinstance(more_x, Tensor) and isinstance(more_y, Tensor):
            size = more_y.shape[1] if more_y.dim() > 1 else 0
            fits_x = more_x.shape == (len(x), size, *x.shape[2:]) and more_x.dtype == x.dtype
            fits_y = more_y.shape == (len(y), size, *y.shape[2:]) and more_y.dtype == y.dtype
            if fits_x and fits_y and size >= y.shape[1] and more_x.device == x.device:
                return more_x, more_y
    shape = ", ".join(map(str, (len(x), f"B >= {y.shape[1]}", *x.shape[2:])))
    labels = ", ".join(map(str, (len(y), "B", *y.shape[2:])))
    wanted = f"x ({shape}) of {x.dtype} and y ({labels}) of {y.dtype} on {x.device}"
    raise refused(strategy, "extend_batch", got, wanted.replace("torch.", ""))


def checked_factor(strategy: Strategy, got: object) -> float:
    """Return what `learning_rate` returned, if it is a finite number."""
    if isinstance(got, int | float) and isfinite(got):
        return got
    raise refused(strategy, "learning_rate", got, "a finite number")


def checked_replaced(strategy: Strategy, got: object) -> bool:
    """Return what `after_backward` returned, if it is True, False or None."""
    if got is None or isinstance(got, bool):
        return bool(got)
    raise refused(strategy, "after_backward", got, "True to take the step's place, or None")


def checked_end(strategy: Strategy, got: object) -> int:
    """Return what `acts_until` returned, if it is a whole number."""
    if isinstance(got, int) and not isinstance(got, bool):
        return got
    raise refused(strategy, "acts_until", got, "a whole number, an update")


def checked_network(strategy: Strategy, got: object) -> NetworkSpec:
    """Return what `configure` returned, if it is an architecture."""
    if isinstance(got, NetworkSpec):
        return got
    raise refused(strategy, "configure", got, "a NetworkSpec")


def checked_schedule(strategy: Strategy, got: object, plan: Plan) -> set[int]:
    """Return the updates that `schedule` returned, if all are of the run."""
    try:
        updates = list(got)  # type: ignore[call-overload]
    except TypeError:
        raise refused(strategy, "schedule", got, "updates, whole numbers") from None
    for update in updates:
        if not isinstance(update, int) or isinstance(update, bool):
            raise refused(strategy, "schedule", update, "updates, whole numbers")
        if not 0 <= update < plan.total_updates:
            raise PluginError(
                f"strategy '{strategy.name}' wants to edit after update {update}, but the run has "
                f"{plan.total_updates}. Place its edits within the run"
                f"{defined(type(strategy), 'schedule')}."
            )
    return set(updates)
