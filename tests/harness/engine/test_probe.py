import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.probe import LayerProbe, probe
from plasticity_bench.harness.randomness import ReplicaRandom
from plasticity_bench.harness.specs.spec import NetworkSpec


def test_looking_at_some_layers_shows_the_same_of_them() -> None:
    random = ReplicaRandom([0, 1], "test", torch.device("cpu"))
    spec = NetworkSpec(kind="convnet", channels=(2, 3), hidden=(5, 4))
    net = Network(spec, (1, 8, 8), 3, random)
    x, y = random.uniform(6, 1, 8, 8), torch.tensor([[0, 1, 2, 0, 1, 2]] * 2)
    whole, part = probe(net, x, y), probe(net, x, y, {"fc1", "head"})
    assert {*whole.layers} == {"conv1", "conv2", "fc1", "fc2"}
    assert {*part.layers} == {"fc1"}
    assert torch.equal(whole.loss, part.loss)
    assert torch.equal(whole.head_delta, part.head_delta)
    for name in ("raw", "gate", "signal", "linear", "linear_gradient", "delta"):
        one, other = (getattr(found.layers["fc1"], name) for found in (whole, part))
        assert torch.equal(one, other), name
    assert isinstance(part.layers["fc1"], LayerProbe)
