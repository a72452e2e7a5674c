import pytest
import torch

from plasticity_bench.harness.engine.compact import CompactTraining
from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from tests.harness.loop.test_run import DATA, make_specs
from tests.helpers import ADAM, CONVNET, MLP, SGD, backward, make_batch, make_network, train, units

NETWORKS = [MLP, NetworkSpec(hidden=(7, 6), norm="layer"), CONVNET]
OPTIMIZERS = [SGD, ADAM, OptimizerSpec(name="amsgrad", lr=0.01)]


def with_few_alive(network: NetworkSpec, optimizer: OptimizerSpec) -> Network:
    """Train, then leave the same number of different units alive in each replica."""
    net = make_network(network, optimizer, learning_rates=(optimizer.lr, 2 * optimizer.lr))
    train(net, 5)
    for layer in net.hidden:
        keep = units(layer, [0, 2, 4], [1, 2, 5])
        net.prune(layer, ~keep)
    revived = net.hidden[-1]
    net.grow(revived, units(revived, [3], [0]), insertion="fresh", state="zero_step")
    return net


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "mlp with norm", "convnet"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda spec: spec.name)
def test_training_the_alive_part_is_training_the_whole(
    network: NetworkSpec, optimizer: OptimizerSpec
) -> None:
    """Weights, moments and clocks after 30 updates, the dead slots exactly as they were."""
    whole, part_of = (with_few_alive(network, optimizer) for _ in range(2))
    assert CompactTraining.is_worthwhile(part_of)
    before = part_of.copy_parameters()
    compact = CompactTraining(part_of)
    for update in range(30):
        x, y = make_batch(seed=update)
        torch.testing.assert_close(compact.stack.forward(x), whole.forward(x), atol=1e-4, rtol=1e-4)
        for net, rule in ((whole, whole.optimizer), (compact.stack, compact.optimizer)):
            backward(net, x, y)
            rule.step(1.0)
            for parameter in net.parameters():
                parameter.grad = None
        whole.hold_dead()
        compact.updates += 1
    compact.write_back()
    for one, other in zip(whole.optimizer.slots, part_of.optimizer.slots, strict=True):
        torch.testing.assert_close(one.parameter, other.parameter, atol=1e-4, rtol=1e-3)
        live = other.layer.live_weights() if other.name == "weight" else other.layer.alive
        name = f"{other.layer.name}.{other.name}"
        assert torch.equal(other.parameter[~live], before[name][~live])
        for key, state in one.state.items():
            torch.testing.assert_close(state, other.state[key], atol=1e-4, rtol=1e-2)
    for name, clock in whole.optimizer.clocks.items():
        assert torch.equal(clock, part_of.optimizer.clocks[name])
    assert whole.optimizer.common_clock == part_of.optimizer.common_clock


def test_replicas_with_different_numbers_of_units_train_whole() -> None:
    net = make_network()
    net.prune(net.hidden[0], units(net.hidden[0], [0, 1, 2, 3, 4], [0, 1, 2, 3]))
    assert not CompactTraining.is_worthwhile(net)


def test_a_network_that_is_mostly_alive_trains_whole() -> None:
    net = make_network()
    assert not CompactTraining.is_worthwhile(net)
    net.prune(net.hidden[0], units(net.hidden[0], [0], [1]))
    assert not CompactTraining.is_worthwhile(net)


@pytest.mark.parametrize("entrant", ["grow(compactness=0.4,events=3)", "prune(events=3)"])
def test_a_run_has_the_same_rows_with_and_without_gathering(
    entrant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = make_specs(entrant, "0:2")
    gathered = StackedRun(specs, DATA)
    written: list[int] = []
    write_back = CompactTraining.write_back

    def watched(compact: CompactTraining) -> None:
        written.append(compact.updates)
        write_back(compact)

    monkeypatch.setattr(CompactTraining, "write_back", watched)
    rows = [row for _, row in gathered.rows()]
    assert sum(written) > 0
    monkeypatch.setattr(CompactTraining, "is_worthwhile", lambda net: False)
    whole = StackedRun(specs, DATA)
    expected = [row for _, row in whole.rows()]
    assert [row["kind"] for row in rows] == [row["kind"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        if row["kind"] == "edit":
            assert row["units"] == other["units"]
        if row["kind"] == "cohort":
            for name in ("activation", "gradient", "incoming_gradient", "utility"):
                assert row[name] == pytest.approx(other[name], rel=0.02, abs=1e-4)
    for name, parameter in whole.learner.net.named_parameters():
        other_parameter = dict(gathered.learner.net.named_parameters())[name]
        torch.testing.assert_close(parameter, other_parameter, atol=1e-4, rtol=1e-3)
