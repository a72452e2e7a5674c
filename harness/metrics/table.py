"""The table of every number in a result: name, unit, bounds, direction, meaning, source."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

Better = Literal["higher", "lower", "diagnostic"]
"""Which way is better, for what entrants may be ranked by; all else is diagnostic."""

Family = Literal["performance", "plasticity", "retention", "integration", "health", "cost"]
"""What kind of question a number answers."""

FAMILIES: Mapping[Family, str] = {
    "performance": "Performance: how well an entrant learns; by these it is ranked",
    "plasticity": "Loss of plasticity: how that declines",
    "retention": "Retention: what is kept of earlier tasks, and what they give later ones",
    "integration": "Integration: how soon newborn units receive and do what incumbents do",
    "health": "Health: what the network's features, weights and gradients are like",
    "cost": "Cost: what the run took",
}
"""What each kind is called where metrics are listed."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What one number of a result means."""

    name: str
    """The key in a result; behind it `@` and the version where several definitions are in use."""
    family: Family
    unit: str
    """Plain words; "share" is a number in [0, 1] of something, "1" has no unit."""
    lower: float
    """Smallest possible value."""
    upper: float
    """Largest possible value."""
    better: Better
    description: str
    """A line for lists; what that has no room for follows in a paragraph of its own."""
    source: str
    """Paper and year; "plasticity-bench" where the definition is this project's own."""


OWN = "plasticity-bench"
LILLO = "Lillo and Cheney 2026"

UNIT_MEASURES = {
    "gradient": ("mean |dL/dz|", LILLO),
    "incoming_gradient": (
        "L2 norm of the incoming weights' gradient",
        f"{LILLO}, reply to referees",
    ),
    "activation": ("share of samples with an activation above 0.05", LILLO),
    "utility": ("mean |h| times the outgoing weights' L1 norm", "Dohare et al. 2024"),
    "gate_rate": ("mean slope of the activation", OWN),
    "outgoing_norm": ("L2 norm of the outgoing weights", OWN),
    "alignment": ("mean |cos(outgoing weights, backward signal)|", OWN),
}
"""What is compared between newborns and incumbents: meaning and source."""

INTEGRATING = ("gradient", "activation", "utility")
"""Measures whose ratio curves have an integration time."""

INTEGRATION_RHOS = (0.5, 0.8)
"""Shares of parity that count as integrated."""

DORMANT_TAUS = {"": 0.1, "_0.025": 0.025, "_0": 0.0}
"""Shares of the layer's mean at or below which a unit counts as dormant, by the name's suffix."""


def _performance() -> Iterator[Metric]:
    def metric(name: str, description: str, source: str) -> Metric:
        return Metric(
            name=name,
            family="performance",
            unit="share",
            lower=0,
            upper=1,
            better="higher",
            description=description,
            source=source,
        )

    yield metric(
        "taoa",
        "Mean accuracy on each batch before the update on it, over the whole stream.",
        LILLO,
    )
    yield metric(
        "task_end_accuracy",
        "Mean over tasks of the test accuracy on a task at its end.",
        OWN,
    )
    yield metric(
        "acc",
        "Mean test accuracy over all tasks seen, at the last checkpoint.",
        "Lopez-Paz and Ranzato 2017",
    )
    yield metric(
        "taa",
        "Mean over checkpoints of the mean test accuracy over the tasks seen by then.",
        LILLO,
    )
    yield metric(
        "early_task_accuracy",
        "Mean accuracy before the update over the first 10 % of each task's updates.",
        f"{LILLO}; window: {OWN}",
    )

    for name, meaning in {
        "acc": "Last test accuracy over all tasks seen",
        "taa": "Mean over checkpoints of the test accuracy over the tasks seen by then",
        "taoa": "Mean accuracy on each batch before the update on it",
    }.items():
        yield metric(
            f"wt_{name}",
            f"{name} of the winning ticket, the final structure retrained from new weights.\n\n"
            f"{meaning}.",
            LILLO,
        )

    yield Metric(
        name="online_loss",
        family="performance",
        unit="nats, or squared units of a regression's target",
        lower=0,
        upper=inf,
        better="lower",
        description="Mean loss on each batch before the update on it, over all batches.",
        source="Dohare et al. 2024",
    )


def _diagnostic(
    family: Family, name: str, unit: str, bounds: tuple[float, float], text: str, source: str = OWN
) -> Metric:
    return Metric(
        name=name,
        family=family,
        unit=unit,
        lower=bounds[0],
        upper=bounds[1],
        better="diagnostic",
        description=text,
        source=source,
    )


def _plasticity() -> Iterator[Metric]:
    yield _diagnostic(
        "plasticity",
        "delta_wt_cycle",
        "share",
        (-1, 1),
        "Final accuracy of the winning ticket minus that of the run that found it.",
        LILLO,
    )
    yield _diagnostic(
        "plasticity",
        "recovery_time",
        "updates",
        (1, inf),
        "Median updates after a shift until accuracy regains 95 % of its last level.\n\n"
        "The accuracy is a running one.",
    )
    yield _diagnostic(
        "plasticity",
        "plasticity_loss",
        "share",
        (-1, 1),
        "Accuracy of the best early tenth of the tasks minus that of the last tenth.",
    )
    yield _diagnostic(
        "plasticity",
        "plasticity_slope",
        "share per 100 tasks",
        (-100, 100),
        "Trend of the per-task accuracy, robust against odd tasks (Theil-Sen).",
        "Sen 1968",
    )
    yield _diagnostic(
        "plasticity",
        "collapsed",
        "share",
        (0, 1),
        "Share of the measured task ends at which the network is dead.\n\n"
        "It is where no alive unit of some hidden layer fires on any sample: it then gives one "
        "answer to all. A plasticity_loss or plasticity_slope of 0 says nothing there.",
    )


def _retention() -> Iterator[Metric]:
    def metric(name: str, text: str, source: str) -> Metric:
        where = f"{text}\n\nOnly on streams that test all tasks seen."
        return _diagnostic("retention", name, "share", (-1, 1), where, source)

    yield metric(
        "forgetting",
        "Best accuracy on each earlier task before the last one, minus that at the end.",
        "Chaudhry et al. 2018",
    )
    yield metric(
        "backward_transfer",
        "Accuracy on each earlier task at the end, minus that when it had been learnt.",
        "Lopez-Paz and Ranzato 2017",
    )
    yield metric(
        "forward_transfer",
        "Accuracy on each later task before its training, minus that at initial weights.",
        "Lopez-Paz and Ranzato 2017",
    )


def _integration() -> Iterator[Metric]:
    for measure, (meaning, source) in UNIT_MEASURES.items():
        yield _diagnostic(
            "integration",
            f"parity_{measure}_early",
            "1",
            (0, inf),
            f"Parity: {meaning}.\n\nNewborns over incumbents: median over cohorts, of each the "
            "mean share N / (N + O) at ages 1 to 100 as a ratio, but where incumbents are silent.",
            source,
        )
    for measure in INTEGRATING:
        yield _diagnostic(
            "integration",
            f"incumbents_silent_share_{measure}",
            "share",
            (0, 1),
            f"Cohorts whose incumbents fell silent in {measure}.\n\n"
            "A share of all. From then on there is no parity, and their observation ends.",
        )
        for rho in INTEGRATION_RHOS:
            yield _diagnostic(
                "integration",
                f"integration_time_{measure}_{rho:g}",
                "updates",
                (0, inf),
                f"Age from which {measure} parity stays at {rho:g} or above.\n\n"
                "It is the Kaplan-Meier median over cohorts.",
            )
            yield _diagnostic(
                "integration",
                f"integration_censored_share_{measure}_{rho:g}",
                "share",
                (0, 1),
                f"Share not seen to keep {measure} parity {rho:g} or above.\n\n"
                "It is a share of cohorts.",
            )
    yield _diagnostic(
        "integration",
        "insertion_shock",
        "nats",
        (-inf, inf),
        "Loss right after a growth minus right before it.\n\n"
        "It is the mean over growths, each on the same samples.",
    )


def _health() -> Iterator[Metric]:
    def layers(name: str, unit: str, bounds: tuple[float, float], text: str, source: str) -> Metric:
        where = f"{text}.\n\nIt is the mean over hidden layers at the end."
        return _diagnostic("health", name, unit, bounds, where, source)

    for suffix, tau in DORMANT_TAUS.items():
        yield layers(
            f"dormant{suffix}@redo2023",
            "share",
            (0, 1),
            f"Alive units with a mean |h| of at most {tau:g} of their layer's mean",
            "Sokar et al. 2023",
        )
    yield layers(
        "gradient_dormant@grama2025",
        "share",
        (0, 1),
        "Alive units with a mean |dL/dW_in| of at most 0.01 of their layer's mean",
        "Liu et al. 2025",
    )
    yield layers(
        "effective_rank@roy2007",
        "directions",
        (1, inf),
        "Exponential of the entropy of the features' singular values",
        "Roy and Vetterli 2007",
    )
    yield layers(
        "srank@kumar2021",
        "directions",
        (1, inf),
        "Fewest singular values of the features with 99 % of their sum",
        "Kumar et al. 2021",
    )
    yield layers(
        "stable_rank",
        "directions",
        (1, inf),
        "Squared Frobenius norm over squared spectral norm of the features",
        "Rudelson and Vershynin 2007",
    )
    for name, text in {
        "weight_norm": "L2 norm of all live weights at the end.",
        "gradient_norm": "L2 norm of the gradient of all live weights at the end.",
        "distance_from_init": "L2 distance of all live weights from where they started.",
    }.items():
        yield _diagnostic("health", name, "1", (0, inf), text)


def _cost() -> Iterator[Metric]:
    for name, unit, text in (
        ("updates", "updates", "Optimiser steps made."),
        ("samples", "samples", "Training samples shown, repeats included."),
        ("alive_unit_steps", "units x updates", "Alive hidden units, added up over all updates."),
        ("flops", "operations", "Operations of all updates of the masked network, products only."),
        ("relative_cost", "1", "Cost of an update over a plain one, where a stream does not wait."),
        ("seconds", "s", "Wall time of the stack that the run was part of, over its replicas."),
        ("edits", "edits", "Edits of a layer: grow, prune, reset, rewire."),
        ("reinitialised_weights", "weights", "Weights that edits wrote anew."),
    ):
        yield _diagnostic("cost", name, unit, (0, inf), text)


METRICS: dict[str, Metric] = {
    metric.name.partition("@")[0]: metric
    for family in (_performance, _plasticity, _retention, _integration, _health, _cost)
    for metric in family()
}
"""Every number of a result's `metrics`, by name, in the order in which they are listed."""
