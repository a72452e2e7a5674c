"""What all rewiring methods share: choices, densities, the start; each by name in real runs."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context, Plan
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.rewiring.base import PeriodicRewiring, SparseNetwork, annealed
from plasticity_bench.strategies.rewiring.choice import highest, lowest, possible
from plasticity_bench.strategies.rewiring.deep import DeepRewiring
from plasticity_bench.strategies.rewiring.density import Distribution, connection_counts
from plasticity_bench.strategies.rewiring.momentum import SparseMomentum
from plasticity_bench.strategies.rewiring.set import SparseEvolutionaryTraining
from tests.harness.loop.test_run import DATA, make_specs, without_seconds
from tests.helpers import CONVNET, units
from tests.strategies.rewiring.helpers import connections, make_update, plan_of

Make = Callable[..., tuple[Network, Context]]

STUDY = [(256, 784), (256, 256)]

PLAIN_SGD = ("optimizer.name=sgd", "optimizer.momentum=0", "optimizer.weight_decay=0")
MOMENTUM = ("optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.weight_decay=0.001")
ENTRANTS = [
    ("rigl(density=0.3,every=7)", ()),
    ("rigl(density=0.3,every=7,anneal=constant)", MOMENTUM),
    ("set(density=0.3)", ()),
    ("set(density=0.3,every=9,new_weights=zero)", MOMENTUM),
    ("sparse-momentum(density=0.3)", ()),
    ("sparse-momentum(density=0.3)", MOMENTUM),
    ("deep-rewiring(density=0.3,l1=0.1)", (*PLAIN_SGD, "optimizer.lr=0.1")),
    ("han-pruning(events=3)", ()),
    ("lottery-ticket(events=3,rewind_update=3)", MOMENTUM),
    ("prune(selection=taylor-2019)+rigl(density=0.5,every=9)", ()),
]


@given(st.data())
def test_the_highest_are_those_of_a_stable_sort(data: st.DataObject) -> None:
    """Of each replica its own number; equal scores in the order of their places."""
    size = data.draw(st.integers(1, 12))
    row = st.lists(st.integers(0, 3), min_size=size, max_size=size)
    scores = torch.tensor(data.draw(st.lists(row, min_size=2, max_size=2))).float()
    among = torch.tensor(data.draw(st.lists(row, min_size=2, max_size=2))) > 0
    counts = torch.tensor(data.draw(st.lists(st.integers(0, size), min_size=2, max_size=2)))
    chosen = highest(scores, among, counts)
    for replica in range(2):
        allowed = [n for n in range(size) if among[replica, n]]
        ranked = sorted(allowed, key=lambda n: -float(scores[replica, n]))
        expected = sorted(ranked[: int(counts[replica])])
        assert chosen[replica].nonzero().flatten().tolist() == expected
    assert torch.equal(lowest(-scores, among, counts), chosen)


def test_uniform_gives_every_layer_the_same_density() -> None:
    assert connection_counts(0.1, "uniform", STUDY) == [20070, 6554]


def test_er_is_the_epsilon_of_set_on_the_network_of_the_study() -> None:
    """Mocanu et al.: epsilon (n_in + n_out) connections a layer."""
    epsilon = 20
    counts = [epsilon * (784 + 256), epsilon * (256 + 256)]
    density = sum(counts) / (784 * 256 + 256 * 256)
    assert density == pytest.approx(0.117, abs=0.0005)
    assert connection_counts(density, "er", STUDY) == counts


def test_erk_counts_the_sides_of_kernels() -> None:
    counts = connection_counts(0.1, "erk", [(32, 3, 3, 3), (64, 32, 3, 3)])
    total, sides = 0.1 * (864 + 18432), (32 + 3 + 3 + 3, 64 + 32 + 3 + 3)
    assert counts == [round(total * one / sum(sides)) for one in sides]


@pytest.mark.parametrize("distribution", ["uniform", "er", "erk"])
@pytest.mark.parametrize("density", [0.01, 0.1, 0.5, 1.0])
def test_all_layers_together_have_the_density(distribution: Distribution, density: float) -> None:
    shapes = [(32, 3, 5, 5), (64, 32, 3, 3), (50, 1024), (10, 50)]
    sizes = [32 * 3 * 25, 64 * 32 * 9, 50 * 1024, 500]
    counts = connection_counts(density, distribution, shapes)
    assert abs(sum(counts) - density * sum(sizes)) <= len(shapes)
    assert all(1 <= count <= size for count, size in zip(counts, sizes, strict=True))


def test_a_layer_that_would_be_more_than_whole_is_whole() -> None:
    counts = connection_counts(0.5, "er", [(100, 100), (2, 100)])
    assert counts == [5100 - 200, 200]


def test_the_start_has_exactly_that_many_connections_with_the_initial_weights(make: Make) -> None:
    net, ctx = make()
    initial = net.copy_parameters()
    SparseNetwork(density=0.4, distribution="uniform", dense=("fc2",)).begin_run(net, ctx)
    fc1, fc2, head = net.layers
    assert fc2.connected is None
    for layer in (fc1, head):
        assert layer.connected is not None
        expected = connection_counts(0.4, "uniform", [fc1.weight.shape[1:], head.weight.shape[1:]])
        wanted = expected[0] if layer is fc1 else expected[1]
        assert layer.connected.flatten(1).sum(1).tolist() == [wanted] * 2
        assert not torch.equal(layer.connected[0], layer.connected[1])
        kept = initial[f"{layer.name}.weight"] * layer.connected
        assert torch.equal(layer.weight.detach(), kept)
    assert net.ledger == []


def test_an_unknown_dense_layer_is_refused(make: Make) -> None:
    net, ctx = make()
    with pytest.raises(BenchError, match=r"no layer 'fc3'; did you mean 'fc\d'\? There is: fc1"):
        SparseNetwork(dense=("fc3",)).begin_run(net, ctx)


@pytest.mark.parametrize("density", [0, 1.2])
def test_a_density_out_of_range_is_refused(density: float) -> None:
    with pytest.raises(BenchError, match=r"give a share in \(0, 1\]"):
        SparseNetwork(density=density)


def test_rewirings_are_at_the_ends_of_passes_but_the_last_or_as_often_as_asked() -> None:
    plan = Plan(task_updates=(20, 20), passes=2, batch_size=4)
    assert list(PeriodicRewiring().schedule(plan)) == [10, 20, 30]
    assert list(PeriodicRewiring(every=15).schedule(plan)) == [15, 30]
    with pytest.raises(BenchError, match="every=0"):
        PeriodicRewiring(every=0)


def test_the_cosine_goes_from_first_to_last() -> None:
    assert annealed("cosine", 0.5, 0.1, 0) == pytest.approx(0.5)
    assert annealed("cosine", 0.5, 0.1, 0.5) == pytest.approx(0.3)
    assert annealed("cosine", 0.5, 0.1, 1) == pytest.approx(0.1)
    assert annealed("constant", 0.5, 0.1, 1) == 0.5


# -- real runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("entrant", "sets"), ENTRANTS)
def test_a_replica_of_a_stack_equals_the_run_alone(entrant: str, sets: tuple[str, ...]) -> None:
    stack = StackedRun(make_specs(entrant, "0:3", *sets), DATA)
    alone = StackedRun(make_specs(entrant, "2", *sets), DATA)
    together = [row for replica, row in stack.rows() if replica == 2]
    single = [row for _, row in alone.rows()]
    same = 0.0
    for layer, other in zip(stack.learner.net.layers, alone.learner.net.layers, strict=True):
        one, two = layer.live_weights()[2:3], other.live_weights()
        assert one.sum() == two.sum()
        same += float((one & two).sum() / two.sum()) / len(alone.learner.net.layers)
    assert same > 0.98  # products are summed in another order: a tie may fall otherwise
    assert [row["kind"] for row in together] == [row["kind"] for row in single]
    assert together[-1]["metrics"]["flops"] == pytest.approx(single[-1]["metrics"]["flops"])
    assert together[-1]["metrics"]["taoa"] == pytest.approx(single[-1]["metrics"]["taoa"], abs=0.02)


@pytest.mark.parametrize(("entrant", "sets"), ENTRANTS)
def test_a_run_that_is_saved_and_loaded_goes_on_identically(
    entrant: str, sets: tuple[str, ...]
) -> None:
    specs = make_specs(entrant, "0:2", *sets)
    whole, saved = StackedRun(specs, DATA), []
    rows = [row for _, row in whole.rows(at_boundary=lambda: saved.append(whole.state_dict()))]
    again = StackedRun(specs, DATA)
    again.load_state_dict(saved[0])
    later = [row for _, row in again.rows()]
    assert 0 < len(later) < len(rows)
    assert without_seconds(later) == without_seconds(rows[-len(later) :])
    for layer, other in zip(whole.learner.net.layers, again.learner.net.layers, strict=True):
        assert torch.equal(layer.weight, other.weight)
        assert torch.equal(layer.live_weights(), other.live_weights())


def test_scheduled_rewirings_are_rows_with_the_number_of_new_connections() -> None:
    run = StackedRun(make_specs("set(density=0.3)", "0:2"), DATA)
    edits: list[dict[str, Any]] = [row for _, row in run.rows() if row["kind"] == "edit"]
    assert {(row["step"], row["layer"]) for row in edits} == {
        (step, layer) for step in (20, 40) for layer in ("fc1", "fc2")
    }
    assert len(edits) == 8
    for row in edits:
        assert (row["edit"], row["rule"], row["units"]) == ("rewire", "set", [])
        size = {"fc1": 20 * 64, "fc2": 16 * 20}[row["layer"]]
        assert 0.15 * 0.3 * size < row["reinitialised_weights"] < 0.4 * size


@pytest.mark.parametrize(
    ("entrant", "rewirings"),
    [
        ("rigl(density=0.3,every=7,anneal=constant)", 9),  # after 0, 7, ..., 56 of 60 updates
        ("rigl(density=0.3,every=12)", 4),  # and before 45
        ("set(density=0.3)", 2),
        ("sparse-momentum(density=0.3,every=9)", 6),
    ],
)
def test_a_real_run_rewires_at_every_moment_of_the_schedule(entrant: str, rewirings: int) -> None:
    """Edits at a moment have a row each; those within updates are summed up by task."""
    rows = [row for _, row in StackedRun(make_specs(entrant, "0:2"), DATA).rows()]
    edits = [row for row in rows if row["kind"] in ("edit", "step-edits")]
    assert sum(row.get("edits", 1) for row in edits) == rewirings * 2 * 2  # layers, replicas
    assert {row["edit"] for row in edits} == {"rewire"}
    assert sum(row["reinitialised_weights"] for row in edits) > rewirings * 2 * 2


def test_two_strategies_that_choose_connections_are_refused() -> None:
    run = StackedRun(make_specs("set+rigl", "0"), DATA)
    with pytest.raises(BenchError, match=r"rigl chooses the connections .* Name one of them only"):
        list(run.rows())


def test_few_connections_cost_few_operations() -> None:
    """Exactly the share of the connections of what the whole network costs."""
    flops = {}
    for entrant in ("dense", 'rigl(density=0.25,distribution=uniform,dense=["head"])'):
        rows = [row for _, row in StackedRun(make_specs(entrant, "0"), DATA).rows()]
        flops[entrant] = rows[-1]["metrics"]["flops"]
    whole, sparse = flops.values()
    hidden, head = 20 * 64 + 16 * 20, 16 * 10
    assert sparse / whole == pytest.approx((0.25 * hidden + head) / (hidden + head))


def test_convolutions_are_rewired_too(make: Make) -> None:
    net, ctx = make(CONVNET)
    SparseNetwork(density=0.2).begin_run(net, ctx)
    net.prune(net.hidden[0], units(net.hidden[0], [1], [2]))
    kernel = net.layers[1]
    assert kernel.connected is not None
    assert kernel.connected.shape == kernel.weight.shape
    assert not kernel.live_weights()[0, :, 1].any()


@pytest.mark.parametrize(
    "strategy",
    [
        SparseEvolutionaryTraining(density=0.4),
        SparseMomentum(density=0.4),
        DeepRewiring(density=0.4, l1=0.05, temperature=1e-4),
    ],
    ids=lambda strategy: strategy.name,
)
def test_what_is_not_alive_is_not_rewired(make: Make, strategy: SparseNetwork) -> None:
    net, ctx = make(
        NetworkSpec(hidden=(20, 15)), OptimizerSpec(name="sgd", lr=0.1), plan=plan_of(20, passes=4)
    )
    strategy.begin_run(net, ctx)
    for layer in net.hidden:
        net.start_with(layer, units(layer, range(10), range(2, 12)))
    sparse = [layer for layer in net.layers if layer.connected is not None]
    old = [connections(layer).clone() for layer in sparse]
    dead = [~possible(layer) for layer in sparse]
    weights, live = [layer.weight.detach().clone() for layer in sparse], net.live_weight_counts()
    for _ in range(20):
        make_update(strategy, net, ctx)
    assert torch.equal(net.live_weight_counts(), live)
    for layer, was, idle, weight in zip(sparse, old, dead, weights, strict=True):
        now = connections(layer)
        assert not torch.equal(now, was)
        assert torch.equal(now[idle], was[idle])
        assert torch.equal(layer.weight[idle], weight[idle])
