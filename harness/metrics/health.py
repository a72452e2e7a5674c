"""The health of one layer: every diagnostic of its features and gradients by name."""

from torch import Tensor

from . import features


def layer_health(h: Tensor, alive: Tensor, weight_gradient: Tensor) -> dict[str, Tensor]:
    """Measure the health of a layer: metric -> (R,).

    Args:
        h: (R, S, U), post-activation.
        alive: (R, U) bool.
        weight_gradient: of its incoming weights, (R, U, ...).
    """
    singular = features.singular_values(h)
    return {
        "dormant": features.dormant_share(h, alive, 0.1),
        "dormant_0.025": features.dormant_share(h, alive, 0.025),
        "dormant_0": features.dormant_share(h, alive, 0.0),
        "gradient_dormant": features.gradient_dormant_share(weight_gradient, alive),
        "effective_rank": features.effective_rank(singular),
        "srank": features.srank(singular),
        "stable_rank": features.stable_rank(singular),
    }
