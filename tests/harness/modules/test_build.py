from dataclasses import replace

import pytest
import torch

from plasticity_bench.harness.engine.learner import StackedLearner
from plasticity_bench.harness.engine.optimizers import learning_rate_factor
from plasticity_bench.harness.engine.strategy import Plan
from plasticity_bench.harness.loop.monitor import health_rows
from plasticity_bench.harness.modules.build import torch_network, torch_optimizer
from plasticity_bench.harness.modules.health import evaluating, hidden_layers, module_health
from plasticity_bench.harness.randomness import unmoved_random
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from tests.helpers import CPU

IMAGE = (2, 10, 10)
MLP = NetworkSpec(hidden=(20, 16), activation="smooth-leaky")
CONVNET = NetworkSpec(kind="convnet", channels=(4, 6), hidden=(12, 10), activation="leaky-relu")
SPECS = {
    "mlp": MLP,
    "torch's init": replace(MLP, init="torch"),
    "norm": replace(MLP, norm="layer"),
    "random": replace(MLP, activation="rand-smooth-leaky"),
    "convnet": CONVNET,
    "no padding": replace(CONVNET, padding="none"),
}
OPTIMIZERS = {
    "sgd": OptimizerSpec(name="sgd", lr=0.05, momentum=0.9, weight_decay=0.01),
    "adam": OptimizerSpec(name="adam", lr=0.01, beta1=0.8, eps=1e-6, weight_decay=0.01),
    "adamw": OptimizerSpec(name="adamw", lr=0.01, weight_decay=0.1),
    "amsgrad": OptimizerSpec(name="amsgrad", lr=0.01, beta2=0.9),
    "cosine": OptimizerSpec(name="sgd", lr=0.1, schedule="cosine"),
}
UPDATES = 20


def stack_of(network: NetworkSpec, optimizer: OptimizerSpec) -> StackedLearner:
    plan = Plan((UPDATES,), 1, 5)
    rates = [optimizer.lr] * 3
    return StackedLearner(network, optimizer, rates, (), (4, 5, 6), IMAGE, 3, plan, CPU)


def batch_of(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(5, *IMAGE, generator=generator)
    return x, torch.randint(3, (5,), generator=generator)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_it_is_the_replica_of_its_seed(spec: NetworkSpec) -> None:
    stack = stack_of(spec, OPTIMIZERS["sgd"])
    x, _ = batch_of(0)
    before = torch.get_rng_state()
    for replica, seed in enumerate((4, 5, 6)):
        network = torch_network(spec, IMAGE, 3, seed).eval()
        expected = stack.predict(x.expand(3, *x.shape))[replica]
        torch.testing.assert_close(network(x), expected, atol=5e-6, rtol=1e-6)
        weights = network.get_parameter("fc1.weight")
        assert torch.equal(weights, stack.net.copy_parameters()["fc1.weight"][replica])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_it_learns_as_the_stack_does(optimizer: OptimizerSpec) -> None:
    spec = replace(MLP, norm="layer")
    stack, network = stack_of(spec, optimizer), torch_network(spec, IMAGE, 3, 5)
    rule = torch_optimizer(optimizer, network.parameters())
    for update in range(UPDATES):
        x, y = batch_of(update)
        stack.observe(x.expand(3, *x.shape), y.expand(3, 5))
        rule.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        factor = learning_rate_factor(optimizer.schedule, update, UPDATES)
        rule.param_groups[0]["lr"] = optimizer.lr * factor
        rule.step()
    x, _ = batch_of(UPDATES)
    expected = stack.predict(x.expand(3, *x.shape))[1]
    torch.testing.assert_close(network(x), expected, atol=1e-4, rtol=1e-3)


def test_a_random_activation_is_random_in_training_only() -> None:
    network = torch_network(SPECS["random"], IMAGE, 3, 0)
    x, _ = batch_of(0)
    with unmoved_random(CPU):
        assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


# -- its health, by hooks -----------------------------------------------------------


@pytest.mark.parametrize("name", ["mlp", "norm", "convnet"])
def test_its_health_is_that_of_the_replica(name: str) -> None:
    spec = SPECS[name]
    stack = stack_of(spec, OPTIMIZERS["sgd"])
    network = torch_network(spec, IMAGE, 3, 5)
    initial = {name: 0.9 * value.detach() for name, value in network.named_parameters()}
    stack.net.initial = {name: 0.9 * value for name, value in stack.net.initial.items()}
    x, y = batch_of(0)
    expanded = x.expand(3, *x.shape)
    place = {"step": 3, "task": 1}
    pairs = health_rows(stack.net, expanded, y.expand(3, 5), place)
    expected = [row for replica, row in pairs if replica == 1]
    with evaluating(network):
        rows = list(module_health(network, network, x, y, initial, place))
    assert len(rows) == len(expected) == 3
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        assert all(row[key] == other[key] for key in ("kind", "step", "task"))
        assert row.get("layer") == other.get("layer")
        numbers = [key for key in row if isinstance(row[key], float)]
        for key in numbers:
            assert row[key] == pytest.approx(other[key], rel=1e-4), key


def test_measuring_leaves_nothing_behind() -> None:
    network = torch_network(SPECS["random"], IMAGE, 3, 5)
    network[2].eval()
    modes = [part.training for part in network.modules()]
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    x, y = batch_of(0)
    before = torch.get_rng_state()
    with evaluating(network):
        assert not any(part.training for part in network.modules())
        list(module_health(network, network, x, y, dict(network.named_parameters()), {}))
    assert [part.training for part in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert all(not part._forward_pre_hooks for part in network.modules())


def test_hidden_layers_are_those_that_a_linear_layer_reads_unit_by_unit() -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3),  # read as a picture
        torch.nn.Conv2d(4, 6, 3),  # read as one number a channel
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 5),
        torch.nn.Tanh(),
        torch.nn.Linear(5, 3),
    )
    x, _ = batch_of(0)
    layers = hidden_layers(network, network, x)
    assert [(layer.name, layer.units) for layer in layers] == [("1", 6), ("4", 5)]
    assert torch.equal(layers[1].features, network[:6](x))


def test_without_gradients_only_the_weights_are_measured() -> None:
    network = torch_network(MLP, IMAGE, 3, 5)
    x, y = batch_of(0)
    initial = dict(network.named_parameters())
    rows = list(module_health(network, torch.no_grad()(network.forward), x, y, initial, {}))
    assert [row["kind"] for row in rows] == ["weights"]
    assert rows[0]["distance_from_init"] == 0
    assert rows[0]["gradient_norm"] != rows[0]["gradient_norm"]  # undefined
