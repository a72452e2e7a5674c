from typing import cast

import pytest
import torch
from torch import Tensor, nn

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.network import Layer
from plasticity_bench.harness.specs.spec import NetworkSpec
from tests.helpers import CLASSES, CONVNET, IMAGE, MLP, backward, make_batch, make_network, units

NORMED = NetworkSpec(kind="mlp", hidden=(7, 6), norm="layer")
SPECS = [MLP, NORMED, CONVNET]


def plain_twin(net: Network, replica: int) -> nn.Sequential:
    """Build the network of alive units only, in stock modules: the obviously right reference."""
    modules: list[nn.Module] = [] if net.layers[0].is_convolution else [nn.Flatten()]
    was_convolution = False
    for layer in net.layers:
        if was_convolution and not layer.is_convolution:
            modules.append(nn.Flatten())
        modules.extend(_plain_layer(layer, replica))
        was_convolution = layer.is_convolution
    return nn.Sequential(*modules)


def _plain_layer(layer: Layer, replica: int) -> list[nn.Module]:
    rows, columns = layer.alive[replica], layer.alive_inputs()[replica]
    weight = layer.weight.detach()[replica][rows][:, columns]
    module: nn.Conv2d | nn.Linear
    if layer.is_convolution:
        module = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    else:
        module = nn.Linear(weight.shape[1], weight.shape[0])
    module.weight.data.copy_(weight)
    assert module.bias is not None
    module.bias.data.copy_(layer.bias.detach()[replica][rows])
    out: list[nn.Module] = [module]
    if layer.gain is not None and layer.shift is not None:
        norm = nn.LayerNorm(int(rows.sum()))
        norm.weight.data.copy_(layer.gain.detach()[replica][rows])
        norm.bias.data.copy_(layer.shift.detach()[replica][rows])
        out.append(norm)
    if layer.activation is not None:
        out.append(nn.ReLU())
    return [*out, nn.MaxPool2d(layer.pool)] if layer.pool > 1 else out


def kill_some(net: Network) -> None:
    """Leave different units alive in each replica and layer."""
    for number, layer in enumerate(net.hidden):
        net.prune(layer, units(layer, [0, 2 + number % 3], [1, 3 + number % 3]))


def randomise_norm(net: Network) -> None:
    for layer in net.layers:
        if layer.gain is not None and layer.shift is not None:
            layer.gain.data.uniform_(0.5, 1.5)
            layer.shift.data.uniform_(-0.5, 0.5)


@pytest.mark.parametrize("spec", SPECS, ids=["mlp", "mlp with norm", "convnet"])
@pytest.mark.parametrize("pruned", [False, True], ids=["dense", "pruned"])
def test_every_replica_equals_the_plain_network_of_its_alive_units(
    spec: NetworkSpec, pruned: bool
) -> None:
    net = make_network(spec)
    randomise_norm(net)
    if pruned:
        kill_some(net)
    x, y = make_batch()
    logits = net.forward(x)
    backward(net, x, y)
    for replica in range(net.replicas):
        twin = plain_twin(net, replica)
        expected = twin(x[replica])
        torch.testing.assert_close(logits[replica], expected, atol=1e-6, rtol=1e-5)
        nn.functional.cross_entropy(expected, y[replica]).backward()
        linears = [m for m in twin if isinstance(m, nn.Linear | nn.Conv2d)]
        for layer, module in zip(net.layers, linears, strict=True):
            rows, columns = layer.alive[replica], layer.alive_inputs()[replica]
            gradient = cast(Tensor, layer.weight.grad)[replica][rows][:, columns]
            torch.testing.assert_close(gradient, module.weight.grad, atol=1e-6, rtol=1e-5)


def test_conv_units_are_linked_to_their_block_of_flattened_columns() -> None:
    net = make_network(CONVNET)
    last_conv, first_linear = net.layers[1], net.layers[2]
    assert last_conv.columns_per_unit == 1 * 1
    assert first_linear.weight.shape == (2, 9, 64)
    bigger = Network(CONVNET, (3, 8, 8), CLASSES, net.fresh)
    assert bigger.layers[1].columns_per_unit == 2 * 2
    layer = bigger.layers[1]
    bigger.layers[1].set_alive(~units(layer, [5], [0]))
    dead = ~bigger.layers[2].alive_inputs()
    assert dead[0].nonzero().flatten().tolist() == [20, 21, 22, 23]
    assert dead[1].nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_the_trunk_is_edited_only_on_request() -> None:
    net = Network(NetworkSpec(kind="convnet", hidden=(9, 8, 7)), IMAGE, 3, make_network().fresh)
    assert [layer.name for layer in net.hidden] == ["fc1", "fc2", "fc3"]
    assert [layer.name for layer in make_network(CONVNET).hidden][:2] == ["conv1", "conv2"]


def test_kaiming_uniform_has_its_bound_and_torch_has_its_own() -> None:
    for init, scale in (("kaiming-uniform", 6.0), ("torch", 1.0)):
        spec = NetworkSpec(hidden=(200, 100), init=init)  # type: ignore[arg-type]
        layer = make_network(spec).layers[1]
        bound = (scale / 200) ** 0.5
        assert float(layer.weight.detach().abs().max()) == pytest.approx(bound, rel=0.01)
        assert float(layer.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.02)
        largest_bias = float(layer.bias.detach().abs().max())
        assert largest_bias == pytest.approx(bound if init == "torch" else 0, rel=0.05)


def test_a_missing_connection_is_as_good_as_a_zero_weight() -> None:
    net, zeroed = make_network(), make_network()
    layer = net.layers[1]
    connected = torch.rand(layer.weight.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    layer.connected = connected
    zeroed.layers[1].weight.data *= connected
    x, y = make_batch()
    assert torch.equal(net.forward(x), zeroed.forward(x))
    backward(net, x, y)
    assert layer.weight.grad is not None
    backward(zeroed, x, y)
    other = zeroed.layers[1].weight.grad
    assert other is not None
    # Before they are masked, gradients are those of the whole matrix: who rewires looks there.
    torch.testing.assert_close(layer.weight.grad, other)
    net.mask_gradients()
    torch.testing.assert_close(layer.weight.grad, other * connected)
    assert torch.equal(layer.live_weights(), connected)


def test_each_replica_has_the_weights_it_has_alone() -> None:
    stack = make_network(seeds=(3, 8, 5))
    alone = make_network(seeds=(8,))
    for together, single in zip(stack.parameters(), alone.parameters(), strict=True):
        assert torch.equal(together[1:2], single)
