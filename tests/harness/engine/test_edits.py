import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Insertion, Network, StatePolicy
from plasticity_bench.harness.engine.network import Layer
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from tests.helpers import ADAM, CONVNET, MLP, make_batch, make_network, train, units

NETWORKS = [pytest.param(MLP, id="mlp"), pytest.param(CONVNET, id="convnet")]
PLAIN_ADAM = OptimizerSpec(name="adam", lr=0.01)


def with_a_dead_unit(network: NetworkSpec, optimizer: OptimizerSpec = PLAIN_ADAM) -> Network:
    """Train a while with unit 1 of every editable layer dead."""
    net = make_network(network, optimizer)
    for layer in net.hidden:
        net.prune(layer, units(layer, [1], [1]))
    train(net, 20)
    return net


def columns(layer: Layer, unit: int) -> slice:
    return slice(unit * layer.columns_per_unit, (unit + 1) * layer.columns_per_unit)


def consumer_slice(layer: Layer, tensor: Tensor, unit: int) -> Tensor:
    return tensor[:, :, columns(layer, unit)]


def consumer(layer: Layer) -> Layer:
    assert layer.consumer is not None
    return layer.consumer


@pytest.mark.parametrize("network", NETWORKS)
def test_stored_insertion_restores_exactly_the_construction_values(network: NetworkSpec) -> None:
    net = make_network(network, PLAIN_ADAM)
    train(net, 10)
    layer = net.hidden[1]
    net.prune(layer, units(layer, [1], [4]))
    train(net, 50)
    net.grow(layer, units(layer, [1], [4]), insertion="stored")
    for replica, unit in ((0, 1), (1, 4)):
        row = net.initial[f"{layer.name}.weight"][replica, unit]
        assert torch.equal(layer.weight[replica, unit], row)
        outgoing = net.initial[f"{consumer(layer).name}.weight"]
        now = consumer_slice(layer, consumer(layer).weight, unit)[replica]
        assert torch.equal(now, consumer_slice(layer, outgoing, unit)[replica])
    assert layer.alive.all()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("insertion", ["zero-outgoing", "zero-incoming"])
def test_zero_insertions_keep_the_function(network: NetworkSpec, insertion: Insertion) -> None:
    net = with_a_dead_unit(network)
    x, _ = make_batch()
    before = net.forward(x)
    for layer in net.hidden:
        net.grow(layer, units(layer, [1], []), insertion=insertion)
    torch.testing.assert_close(net.forward(x), before, atol=1e-6, rtol=1e-6)
    zero_side = net.hidden[0].weight[0, 1] if insertion == "zero-incoming" else None
    assert zero_side is None or not zero_side.any()


@pytest.mark.parametrize("insertion", ["stored", "fresh"])
def test_other_insertions_change_the_function(insertion: Insertion) -> None:
    net = with_a_dead_unit(MLP)
    x, _ = make_batch(size=64)
    before = net.forward(x)
    net.grow(net.hidden[1], units(net.hidden[1], [1], []), insertion=insertion)
    after = net.forward(x)
    assert not torch.allclose(after[0], before[0])
    assert torch.equal(after[1], before[1])


def test_fresh_insertion_draws_at_the_alive_fan_in() -> None:
    net = make_network(NetworkSpec(hidden=(400, 300)), PLAIN_ADAM)
    first, second = net.hidden
    few = torch.zeros_like(first.alive)
    few[:, :100] = True
    net.prune(first, ~few)
    net.prune(second, torch.ones_like(second.alive))
    net.grow(second, torch.ones_like(second.alive), insertion="fresh")
    assert float(second.weight.detach().abs().max()) == pytest.approx((6 / 100) ** 0.5, rel=0.01)
    assert float(net.head.weight.detach().abs().max()) == pytest.approx((6 / 300) ** 0.5, rel=0.01)


@pytest.mark.parametrize("network", NETWORKS)
def test_an_edit_touches_the_slices_of_the_chosen_units_only(network: NetworkSpec) -> None:
    net = make_network(network, PLAIN_ADAM)
    train(net, 10)
    before = net.copy_parameters()
    layer = net.hidden[1]
    net.reset(layer, units(layer, [3], []))
    for name, parameter in net.named_parameters():
        same = parameter == before[name]
        if name.startswith(f"{layer.name}."):
            same[0, 3] = True
        if name == f"{consumer(layer).name}.weight":
            same[0, :, columns(layer, 3)] = True
        assert same.all(), name
    assert not torch.equal(layer.weight[0, 3], before[f"{layer.name}.weight"][0, 3])


def state_of(net: Network, layer: Layer, key: str, name: str = "weight") -> Tensor:
    slots = {(slot.layer.name, slot.name): slot for slot in net.optimizer.slots}
    return slots[layer.name, name].state[key]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("key", ["first_moment", "second_moment"])
@pytest.mark.parametrize(
    "policy", ["stock", "zero", "zero_step", "donor", "second_moment_only", "mean"]
)
def test_state_policies_write_rows_and_columns(
    network: NetworkSpec, key: str, policy: StatePolicy
) -> None:
    net = make_network(network, PLAIN_ADAM)
    train(net, 20)
    layer = net.hidden[1]
    net.prune(layer, units(layer, [1], [1]))
    train(net, 20)
    rows_before = state_of(net, layer, key).clone()
    columns_before = state_of(net, consumer(layer), key).clone()
    donor = torch.full(layer.alive.shape, 2)
    net.grow(layer, units(layer, [1], []), state=policy, donor=donor)
    row = state_of(net, layer, key)[0, 1]
    column = consumer_slice(layer, state_of(net, consumer(layer), key), 1)[0]
    elders = [u for u in range(layer.units) if u != 1]
    mean_row = rows_before[0, elders].mean(0)
    mean_column = torch.stack([consumer_slice(layer, columns_before, u)[0] for u in elders]).mean(0)
    zero = torch.zeros(())
    expected = {
        "stock": (zero, zero),
        "zero": (zero, zero),
        "zero_step": (zero, zero),
        "donor": (rows_before[0, 2], consumer_slice(layer, columns_before, 2)[0]),
        "second_moment_only": (zero, zero) if key == "first_moment" else (mean_row, mean_column),
        "mean": (mean_row, mean_column),
    }[policy]
    torch.testing.assert_close(row, expected[0].expand_as(row))
    torch.testing.assert_close(column, expected[1].expand_as(column))
    untouched = state_of(net, layer, key).clone()
    untouched[0, 1] = rows_before[0, 1]
    assert torch.equal(untouched, rows_before)
    clock = net.optimizer.clocks[layer.name]
    assert float(clock[0, 1]) == (0 if policy == "zero_step" else 40)
    assert float(clock[1, 1]) == 40


def test_zeroing_clears_what_a_reset_unit_had() -> None:
    for policy, is_kept in (("stock", True), ("zero", False), ("zero_step", False)):
        net = make_network(MLP, PLAIN_ADAM)
        train(net, 20)
        layer = net.hidden[0]
        net.reset(layer, units(layer, [0, 1, 2], []), state=policy)  # type: ignore[arg-type]
        assert bool(state_of(net, layer, "second_moment")[0, :3].any()) is is_kept
        assert bool(state_of(net, layer, "second_moment")[1, :3].any())


def test_reset_all_starts_the_optimiser_of_edited_replicas_anew() -> None:
    net = with_a_dead_unit(MLP)
    layer = net.hidden[0]
    net.grow(layer, units(layer, [1], []), state="reset_all")
    for slot in net.optimizer.slots:
        assert not slot.state["second_moment"][0].any()
        assert slot.state["second_moment"][1].any()


@pytest.mark.parametrize("network", NETWORKS)
def test_rewind_returns_survivors_and_leaves_the_dead(network: NetworkSpec) -> None:
    net = make_network(network, ADAM)
    train(net, 10)
    net.take_snapshot()
    snapshot = net.copy_parameters()
    train(net, 10)
    layer = net.hidden[1]
    net.prune(layer, units(layer, [1], [2]))
    at_death = net.copy_parameters()
    train(net, 10)
    for to, values in (("snapshot", snapshot), ("init", net.initial)):
        net.rewind(to)  # type: ignore[arg-type]
        for slot in net.optimizer.slots:
            name = f"{slot.layer.name}.{slot.name}"
            live = slot.layer.live_weights() if slot.name == "weight" else slot.layer.alive
            assert torch.equal(slot.parameter[live], values[name][live])
            assert torch.equal(slot.parameter[~live], at_death[name][~live])
            assert not any(state.any() for state in slot.state.values())
    assert net.optimizer.common_clock == 0


def test_rewind_of_edited_layers_leaves_the_head() -> None:
    net = make_network(MLP, ADAM)
    train(net, 10)
    head = net.head.weight.detach().clone()
    net.rewind("init", edited_layers_only=True)
    assert torch.equal(net.head.weight, head)
    assert torch.equal(net.layers[0].weight, net.initial["fc1.weight"])


def test_rewind_to_a_snapshot_never_taken_does_nothing() -> None:
    net = make_network(MLP, ADAM)
    train(net, 3)
    before = net.copy_parameters()
    net.rewind("snapshot")
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())


def test_the_ledger_names_units_replicas_and_weights() -> None:
    net = with_a_dead_unit(MLP)
    del net.ledger[:]
    layer = net.hidden[0]
    net.grow(layer, units(layer, [0, 1], [2]), insertion="fresh", state="zero")
    (event,) = net.ledger
    assert (event.edit, event.layer, event.replica, event.units) == ("grow", "fc1", 0, (1,))
    assert event.rule == "fresh, zero"
    assert event.reinitialised_weights == 16 + 6


def test_fresh_draws_do_not_depend_on_which_units_are_chosen() -> None:
    nets = [make_network(MLP, PLAIN_ADAM) for _ in range(2)]
    for net, chosen in zip(nets, ([0], [0, 5]), strict=True):
        net.reset(net.hidden[0], units(net.hidden[0], chosen, []))
    assert torch.equal(nets[0].layers[0].weight[0, 0], nets[1].layers[0].weight[0, 0])
    assert torch.equal(nets[0].fresh.uniform(3), nets[1].fresh.uniform(3))


def test_blending_nothing_is_the_identity_and_blending_all_is_a_new_network() -> None:
    net = make_network(MLP, PLAIN_ADAM)
    train(net, 5)
    before = net.copy_parameters()
    net.blend_fresh(keep=1, fresh=0)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    net.blend_fresh(keep=0, fresh=1)
    bound = (6 / 16) ** 0.5
    assert float(net.layers[0].weight.detach().abs().max()) <= bound
    assert not net.layers[0].bias.any()


def test_repeated_blending_converges_to_its_variance() -> None:
    """Var = fresh^2 Var_init / (1 - keep^2)."""
    net = make_network(NetworkSpec(hidden=(300, 300)), PLAIN_ADAM)
    for _ in range(60):
        net.blend_fresh(keep=0.8, fresh=0.5)
    expected = 0.5**2 * (6 / 300 / 3) / (1 - 0.8**2)
    assert float(net.layers[1].weight.detach().var()) == pytest.approx(expected, rel=0.05)


def test_unknown_rules_are_refused_with_the_nearest_name() -> None:
    net = with_a_dead_unit(MLP)
    chosen = units(net.hidden[0], [1], [])
    with pytest.raises(BenchError, match="did you mean 'fresh'"):
        net.grow(net.hidden[0], chosen, insertion="fersh")  # type: ignore[arg-type]
    with pytest.raises(BenchError, match="did you mean 'zero_step'"):
        net.grow(net.hidden[0], chosen, state="zero-step")  # type: ignore[arg-type]
