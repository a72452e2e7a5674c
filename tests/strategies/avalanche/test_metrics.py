import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.metrics import cohorts, features
from plasticity_bench.harness.metrics.integration import next_measured_age
from plasticity_bench.harness.randomness import ReplicaRandom
from plasticity_bench.strategies.avalanche import metrics as avalanche_metrics
from plasticity_bench.strategies.avalanche.guest import ExperienceSamples
from plasticity_bench.strategies.avalanche.metrics import plasticity_metrics
from plasticity_bench.strategies.avalanche.plugin import PlasticityPlugin
from tests.helpers import CPU
from tests.strategies.avalanche.helpers import (
    CLASSES,
    make_benchmark,
    make_class_incremental_benchmark,
    make_convnet,
    make_mlp,
    make_strategy,
    run_example,
    train,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from avalanche.core import SupervisedPlugin
    from avalanche.models import IncrementalClassifier, SimpleMLP
    from avalanche.training.plugins import EvaluationPlugin, ReplayPlugin

Curves = dict[str, tuple[list[int], list[float]]]


def run(
    model: nn.Module,
    plugins: Sequence[Any] = (),
    benchmark: Any = None,
    lr: float = 0.05,
    **asked: Any,
) -> Curves:
    """Train on three experiences and return what was emitted, by name: x and values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = EvaluationPlugin(*plasticity_metrics(**{"samples": 32, **asked}))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    strategy = make_strategy(model, plugins, optimizer, evaluator=evaluator)
    train(strategy, make_benchmark() if benchmark is None else benchmark)
    curves: Curves = evaluator.get_all_metrics()
    return {name.removeprefix("Plasticity/"): curve for name, curve in curves.items()}


def probe_samples(experiences: int = 3, samples: int = 32) -> tuple[Tensor, Tensor]:
    """Return the samples that the last experience is measured on."""
    random = ReplicaRandom([0], "probes", CPU)
    drawn = [
        ExperienceSamples(experience.dataset, CPU).draw(random, samples)
        for experience in make_benchmark().train_stream[:experiences]
    ]
    x, y = drawn[-1]
    return x[0], y[0]


def last(curves: Curves, name: str) -> float:
    return curves[name][1][-1]


# -- values ----------------------------------------------------------------------------------------


def test_health_is_that_of_the_model_s_own_activations() -> None:
    model = make_mlp((10, 8))
    before = [p.detach().clone() for p in model.parameters()]
    curves = run(model, lr=0.5)
    x, y = probe_samples()
    h = {name: model[: int(name) + 2](x) for name in ("1", "3")}
    for name, one in h.items():
        everyone = torch.ones(1, one.shape[1], dtype=torch.bool)
        for tau in (0.1, 0.025, 0.0):
            share = features.dormant_share(one.detach().unsqueeze(0), everyone, tau)
            assert last(curves, f"Dormant_{tau:g}/{name}") == pytest.approx(float(share))
        shares = torch.linalg.svdvals(one.detach().double())
        shares /= shares.sum()
        rank = float(torch.special.entr(shares).sum().exp())
        assert last(curves, f"Effective_Rank/{name}") == pytest.approx(rank, rel=1e-5)
    parameters = list(model.parameters())
    model.zero_grad()
    functional.cross_entropy(model(x), y).backward()
    weights, then = (
        torch.cat([p.detach().flatten() for p in all_]) for all_ in (parameters, before)
    )
    gradient = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    assert last(curves, "Gradient_Norm") == pytest.approx(float(gradient.norm()), rel=1e-4)
    assert last(curves, "Distance_From_Init") == pytest.approx(
        float((weights - then).norm()), rel=1e-5
    )
    assert last(curves, "Weight_Norm") == pytest.approx(float(weights.norm()), rel=1e-5)
    assert 0 < last(curves, "Dormant_0.1/3") < 1
    for name in ("Dormant_0.1/1", "Srank_0.01/3", "Stable_Rank/1", "Gradient_Dormant_0.01/1"):
        assert curves[name][0] == [12, 24, 36]  # updates at the ends of the experiences


def test_dead_units_are_left_out() -> None:
    model = make_convnet()
    plugin = PlasticityPlugin("prune(compactness=0.5,rewind=none)", edit_trunk=True)
    curves = run(model, [plugin])
    for layer in plugin.network.hidden:
        assert last(curves, f"Alive_Units/{layer.name}") == float(layer.alive.sum())
        assert last(curves, f"Effective_Rank/{layer.name}") <= float(layer.alive.sum()) + 1e-9
    squares = sum(
        float(parameter.detach()[live].square().sum())
        for parameter, live in zip(
            plugin.network.parameters(), plugin.network.live_masks(), strict=True
        )
    )
    assert last(curves, "Weight_Norm") == pytest.approx(squares**0.5, rel=1e-5)
    whole = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert last(curves, "Weight_Norm") < 0.99 * float(whole.norm())


def test_layers_that_the_plug_in_leaves_alone_are_measured_too() -> None:
    curves = run(make_convnet(), [PlasticityPlugin("grow(compactness=0.5)")])
    assert {name.split("/")[1] for name in curves if name.startswith("Alive")} == {"0", "3", "6"}
    assert last(curves, "Alive_Units/0") == 6
    assert last(curves, "Alive_Units/6") == 4


def test_online_accuracy_is_that_before_each_update() -> None:
    curves = run(make_mlp(), benchmark=make_benchmark((48, 24)))
    model, benchmark, means = make_mlp(), make_benchmark((48, 24)), []
    seen: list[list[float]] = []

    class Notes(PlasticityPlugin):
        def after_forward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
            right = strategy.mb_output.argmax(1) == strategy.mb_y
            seen[-1].append(float(right.float().mean()))

        def before_training_exp(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
            seen.append([])
            super().before_training_exp(strategy)

    train(make_strategy(model, [Notes("dense")]), benchmark)
    means = [sum(one) / len(one) for one in seen]
    assert [len(one) for one in seen] == [12, 6]
    assert curves["Online_Accuracy_Exp"][1] == pytest.approx(means)
    assert curves["TAOA_Stream"][1] == pytest.approx([means[0], sum(seen[0] + seen[1]) / 18])


def test_newborns_are_followed_by_age() -> None:
    model, parities = make_mlp((12, 10)), []
    growing = PlasticityPlugin("grow(compactness=0.8,seed_share=0.4,at=[0,14],state=zero)")

    class Notes(SupervisedPlugin):  # type: ignore[misc]
        """Looks at what the metric should see, right after the edit."""

        def before_training_iteration(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
            if growing.updates != 14:
                return
            event = next(event for event in reversed(growing.network.ledger) if event.layer == "1")
            newborn = torch.zeros(1, 12, dtype=torch.bool)
            newborn[0, list(event.units)] = True
            x, _ = probe_samples(experiences=2)
            fires = cohorts.activation_frequency(torch.relu(model[1](x.flatten(1))).unsqueeze(0))
            old = growing.network.layers[0].alive & ~newborn
            parities.append(float(cohorts.parity(fires, newborn, old)))

    curves = run(model, [growing, Notes()])
    updates, values = curves["Newborn_Activation_Parity/1/born_000014"]
    ages, age = [], 0
    while age < 22:
        ages.append(age)
        age = next_measured_age(age)
    assert [update - 14 for update in updates] == ages
    assert values[0] == pytest.approx(parities[0], rel=1e-5)
    assert not any("born_000000" in name for name in curves)
    assert {name.split("/")[1] for name in curves if name.startswith("Newborn_Gradient")} == {
        *("1", "3")
    }
    assert curves["Integration_Censored_Share_Gradient_0.5"][0] == [24, 36]
    assert last(curves, "Integration_Time_Gradient_0.5") >= 0


# -- measuring changes nothing ---------------------------------------------------------------------


@pytest.mark.parametrize("spec", [None, "grow(compactness=0.6)"])
def test_measuring_changes_nothing(spec: str | None) -> None:
    def trained(measured: bool) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        model = SimpleMLP(num_classes=CLASSES, input_size=36, hidden_size=9, hidden_layers=2)
        plugins = [] if spec is None else [PlasticityPlugin(spec)]
        if measured:
            run(model, plugins)
        else:
            train(make_strategy(model, plugins), make_benchmark())
        assert all(module.training for module in model.modules())
        return torch.cat([p.detach().flatten() for p in model.parameters()]), torch.rand(3)

    assert all(map(torch.equal, trained(True), trained(False)))


def test_the_gradient_is_as_the_training_left_it() -> None:
    model = make_mlp()
    gradients: list[list[Tensor]] = []

    class Notes(PlasticityPlugin):
        def after_update(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
            super().after_update(strategy)
            gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])

    run(model, [Notes("dense")])
    now = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(now) == 6
    assert all(map(torch.equal, now, gradients[-1]))


# -- use -------------------------------------------------------------------------------------------


def test_they_work_beside_any_other_plug_in_and_a_growing_head() -> None:
    head = IncrementalClassifier(9, initial_out_features=1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 9), nn.ReLU(), head)
    with warnings.catch_warnings(record=True):  # Avalanche insists on one of its own
        curves = run(model, [ReplayPlugin(20)], make_class_incremental_benchmark())
    assert len(curves["Distance_From_Init"][1]) == 2
    assert last(curves, "Distance_From_Init") > 0
    assert last(curves, "Gradient_Norm") < 100
    assert not any(name.startswith(("Newborn", "Integration")) for name in curves)


def test_only_what_is_asked_for_is_emitted() -> None:
    everything: Any = dict.fromkeys(
        ("dormant", "ranks", "norms", "online_accuracy", "alive_units", "newborns"), False
    )
    starts = {
        "dormant": {"Dormant_0", "Dormant_0.025", "Dormant_0.1", "Gradient_Dormant_0.01"},
        "ranks": {"Effective_Rank", "Srank_0.01", "Stable_Rank"},
        "norms": {"Weight_Norm", "Gradient_Norm", "Distance_From_Init"},
        "online_accuracy": {"Online_Accuracy_Exp", "TAOA_Stream"},
        "alive_units": {"Alive_Units"},
    }
    for asked, names in starts.items():
        curves = run(make_mlp(), **(everything | {asked: True}))
        assert {name.split("/")[0] for name in curves} == names
    with pytest.raises(BenchError, match="no metric is asked for"):
        plasticity_metrics(**everything)


def test_other_samples_for_another_seed_and_none_for_a_wrong_number() -> None:
    first, again, other = (run(make_mlp(), seed=seed)["Gradient_Norm"] for seed in (0, 0, 1))
    assert first == again
    assert first != other
    with pytest.raises(BenchError, match="samples=20: give a multiple of 8"):
        plasticity_metrics(samples=20)


def test_a_model_that_is_no_chain_still_has_an_online_accuracy() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.BatchNorm1d(8), nn.Linear(8, CLASSES))
    with pytest.raises(BenchError, match="BatchNorm1d '2' is not supported"):
        run(model)
    others: dict[str, Any] = dict.fromkeys(
        ("dormant", "ranks", "norms", "alive_units", "newborns"), False
    )
    assert 0 <= last(run(model, **others), "TAOA_Stream") <= 1


def test_a_metric_keeps_its_last_values_until_it_is_reset() -> None:
    (accuracy,) = (one for one in plasticity_metrics() if "Accuracy" in type(one).__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = EvaluationPlugin(accuracy)
    train(make_strategy(make_mlp(), [], evaluator=evaluator), make_benchmark())
    assert accuracy.result() == evaluator.get_last_metrics()
    accuracy.reset()
    assert accuracy.result() == {}


def test_the_example_in_the_documentation_does_what_it_says() -> None:
    found = run_example(avalanche_metrics)
    assert found.failed == 0
    assert found.attempted > 5
