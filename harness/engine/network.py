"""Stacked networks: R replicas of one architecture in one set of tensors, with a mask per unit.

Every parameter carries a leading replica axis, so that small networks are trained by one batched
product instead of R. Widths are allocated once: a unit that is not alive is masked after the
activation, h = phi(z) * alive (Lillo and Cheney 2026, eq. 8), and edits never change a shape.

Shapes: R replicas, B samples, U units of a layer, I its inputs, O outputs of its consumer,
K kernel width, H and W image height and width.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from ..errors import BenchError
from ..randomness import ReplicaRandom
from ..specs.spec import NetworkSpec, build_call
from .activations import ACTIVATIONS, Activation

Noise = Callable[..., Tensor]
"""Draws from U[0, 1) per replica: noise(*shape) is (R, *shape)."""

TRUNK_POOL = 2
NORM_EPSILON = 1e-5


class _StackedLinear(torch.autograd.Function):
    """x W^T + b for every replica; its weight gradient has the weight's own memory layout.

    The stock backward of a transposed product leaves a transposed gradient, which autograd then
    copies: a fifth of the step of a small network.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            torch.bmm(delta, weight) if needs_x else None,
            torch.bmm(delta.transpose(1, 2), x) if needs_weight else None,
            delta.sum(1) if needs_bias else None,
        )


class _Connected(torch.autograd.Function):
    """W * connected, whose gradient to W is that of the product: also where nothing is connected.

    Methods that rewire look there for connections worth making; who steps masks the gradient.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, connected: Tensor) -> Tensor:
        del ctx
        return weight * connected

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        del ctx
        return gradient, None


@dataclass
class LayerTrace:
    """What passed through one layer in one forward, kept for measurements and scores."""

    inputs: Tensor
    """(R, B, I), or (B, R * I, H, W) for a convolution."""
    linear: Tensor
    """What the weights made of the inputs, before any norm: (R, B, U) or (B, R * U, H, W)."""
    preactivation: Tensor
    """What the activation sees; the same tensor as `linear` without a norm."""
    output: Tensor
    """phi(preactivation) * alive, before pooling; for the head the logits."""


@dataclass(eq=False)
class Layer:
    """The parameters of one layer over all replicas, and the units that it produces.

    The *producer slice* of unit j is row j of `weight`, `bias`, `gain` and `shift`; its *consumer
    slice* is the block of columns of `consumer.weight` that reads unit j.
    """

    name: str
    weight: Tensor
    """(R, U, I) or (R, U, I, K, K); a leaf that is trained."""
    bias: Tensor
    """(R, U)."""
    activation: Activation | None
    """None for the head."""
    gain: Tensor | None = None
    """(R, U), scale of the masked LayerNorm."""
    shift: Tensor | None = None
    """(R, U), offset of the masked LayerNorm."""
    editable: bool = False
    """Whether strategies may change which units are alive."""
    padding: int = 0
    """Zeros around the picture that a convolution reads."""
    pool: int = 1
    """Width of the max-pool that follows, 1 for none."""
    producer: "Layer | None" = None
    """The layer that this one reads, None for the first."""
    consumer: "Layer | None" = None
    """The layer that reads this one, None for the head."""
    columns_per_unit: int = 1
    """Inputs of the consumer that one unit feeds: pooled H * W where a convolution is flattened."""
    positions: int = 1
    """Places at which a unit is evaluated: H * W of a convolution, before pooling."""
    connected: Tensor | None = None
    """(R, U, I[, K, K]) bool, which weights exist; None where all do."""
    alive: Tensor = field(init=False)
    """(R, U) bool."""
    fading: Tensor | None = None
    """(R, U) in [0, 1], by what alive units are damped while they fade in; None where none is."""
    alive_factor: Tensor = field(init=False)
    """What the output is multiplied by, 0 for the dead: (R, 1, U) or (1, R * U, 1, 1)."""

    def __post_init__(self) -> None:
        self.set_alive(torch.ones(self.bias.shape, dtype=torch.bool, device=self.bias.device))

    @property
    def is_convolution(self) -> bool:
        """Whether the weight is a kernel."""
        return self.weight.dim() == 5

    @property
    def units(self) -> int:
        """Allocated units, alive or not."""
        return self.bias.shape[1]

    def set_alive(self, alive: Tensor) -> None:
        """Set which units are alive, (R, U) bool."""
        self.alive = alive
        factor = alive.to(self.weight.dtype)
        factor = factor if self.fading is None else factor * self.fading
        self.alive_factor = (
            factor.reshape(1, -1, 1, 1) if self.is_convolution else factor.unsqueeze(1)
        )

    def set_fading(self, fading: Tensor | None) -> None:
        """Set by what alive units are damped, (R, U) in [0, 1]; None for not at all."""
        self.fading = fading
        self.set_alive(self.alive)

    def parameters(self) -> dict[str, Tensor]:
        """Return the trained tensors by name, each (R, U, ...)."""
        norm = (
            {}
            if self.gain is None or self.shift is None
            else {"gain": self.gain, "shift": self.shift}
        )
        return {"weight": self.weight, "bias": self.bias, **norm}

    def alive_inputs(self) -> Tensor:
        """Return which of this layer's inputs come from an alive unit: (R, I) bool."""
        if self.producer is None:
            return torch.ones(
                self.weight.shape[0],
                self.weight.shape[2],
                dtype=torch.bool,
                device=self.weight.device,
            )
        return self.producer.alive.repeat_interleave(self.producer.columns_per_unit, 1)

    def alive_fan_in(self) -> Tensor:
        """Count the weights that reach one unit from alive inputs: (R,)."""
        kernel = self.weight.shape[3:].numel()
        return self.alive_inputs().sum(1) * kernel

    def live_weights(self) -> Tensor:
        """Return which weights can matter: alive unit and input, connected. Shape of `weight`."""
        extra = (1,) * (self.weight.dim() - 3)
        rows = self.alive.view(*self.alive.shape, 1, *extra)
        inputs = self.alive_inputs()
        columns = inputs.view(inputs.shape[0], 1, inputs.shape[1], *extra)
        live = (rows & columns).expand(self.weight.shape)
        return live if self.connected is None else live & self.connected

    def forward(self, x: Tensor, noise: Noise | None) -> LayerTrace:
        """Compute the layer; `noise` is given in training steps only."""
        weight = self.weight if self.connected is None else _connected(self.weight, self.connected)
        linear = self._convolve(x, weight) if self.is_convolution else _linear(x, weight, self.bias)
        preactivation = self._normalise(linear)
        if self.activation is None:
            return LayerTrace(x, linear, preactivation, preactivation)
        activated = self._activate(self.activation, preactivation, noise)
        return LayerTrace(x, linear, preactivation, activated * self.alive_factor)

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        replicas = weight.shape[0]
        return functional.conv2d(
            x,
            weight.flatten(0, 1),
            self.bias.flatten(),
            padding=self.padding,
            groups=replicas,
        )

    def _normalise(self, z: Tensor) -> Tensor:
        """LayerNorm over the alive units only, so that dead ones do not move the statistics."""
        if self.gain is None or self.shift is None:
            return z
        alive = self.alive_factor
        count = alive.sum(-1, keepdim=True).clamp(min=1)
        centred = z - (z * alive).sum(-1, keepdim=True) / count
        variance = (centred.square() * alive).sum(-1, keepdim=True) / count
        standard = centred * torch.rsqrt(variance + NORM_EPSILON)
        return standard * self.gain.unsqueeze(1) + self.shift.unsqueeze(1)

    def _activate(self, activation: Activation, z: Tensor, noise: Noise | None) -> Tensor:
        if noise is None:
            return activation(z)
        return activation.in_training(
            z,
            self._convolution_noise(noise)
            if self.is_convolution
            else lambda shape: noise(*shape[1:]),
        )

    def _convolution_noise(self, noise: Noise) -> Callable[[torch.Size], Tensor]:
        def uniform(shape: torch.Size) -> Tensor:
            batch, _, height, width = shape
            return noise(batch, self.units, height, width).transpose(0, 1).reshape(shape)

        return uniform


def _connected(weight: Tensor, connected: Tensor) -> Tensor:
    return _Connected.apply(weight, connected)  # type: ignore[no-any-return]


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return _StackedLinear.apply(x, weight, bias)  # type: ignore[no-any-return]


class LayerStack:
    """Linked layers over R replicas, and the forward pass through them."""

    def __init__(self, replicas: int, device: torch.device) -> None:
        self.replicas = replicas
        self.device = device
        self.layers: list[Layer] = []
        self.closed_outputs: Tensor | None = None
        """(R, 1, classes) bool: outputs that do not exist yet; None where all do."""

    def link(self, layer: Layer) -> None:
        """Append a layer: it consumes what the last one produces."""
        if self.layers:
            layer.producer = self.layers[-1]
            self.layers[-1].consumer = layer
        self.layers.append(layer)

    def parameters(self) -> list[Tensor]:
        """Return every trained tensor, layer by layer."""
        return [parameter for layer in self.layers for parameter in layer.parameters().values()]

    def mask_gradients(self) -> None:
        """Set the gradient of connections that do not exist to zero."""
        for layer in self.layers:
            if layer.connected is not None and layer.weight.grad is not None:
                layer.weight.grad.mul_(layer.connected)

    def forward(
        self, x: Tensor, noise: Noise | None = None, trace: list[LayerTrace] | None = None
    ) -> Tensor:
        """Return the logits (R, B, classes) of samples (R, B, channels, height, width).

        Args:
            x: the samples; an MLP flattens them.
            noise: given in a training step, so that random activations are random; else None.
            trace: a list that receives what passed through each layer.
        """
        h = x.transpose(0, 1).flatten(1, 2) if self.layers[0].is_convolution else x.flatten(2)
        for layer in self.layers:
            if not layer.is_convolution and h.dim() == 4:
                h = h.unflatten(1, (self.replicas, -1)).transpose(0, 1).flatten(2)
            passed = layer.forward(h, noise)
            if trace is not None:
                trace.append(passed)
            h = passed.output
            if layer.pool > 1:
                h = functional.max_pool2d(h, layer.pool)
        return h if self.closed_outputs is None else h.masked_fill(self.closed_outputs, -torch.inf)


class StackedNetwork(LayerStack):
    """R replicas of an MLP or of the study's ConvNet.

    Args:
        spec: architecture, activation, norm and initialisation.
        image: (channels, height, width) of one sample.
        classes: outputs of the one head that all tasks share.
        initial: draws the initial weights, one generator per replica.
    """

    def __init__(
        self, spec: NetworkSpec, image: Sequence[int], classes: int, initial: ReplicaRandom
    ) -> None:
        super().__init__(len(initial.generators), initial.device)
        self.spec = spec
        activation = build_call("activation", spec.activation, ACTIVATIONS)
        channels, height, width = image
        if spec.kind == "convnet":
            for number, (units, side) in enumerate(zip(spec.channels, spec.kernels, strict=True)):
                layer = self._append(f"conv{number + 1}", (units, channels, side, side), activation)
                layer.editable, layer.pool = spec.edit_trunk, TRUNK_POOL
                layer.padding = side // 2 if spec.padding == "same" else 0
                lost = side - 1 - 2 * layer.padding
                height, width = height - lost, width - lost
                layer.positions = height * width
                channels, height, width = units, height // TRUNK_POOL, width // TRUNK_POOL
                _check_picture(spec, number + 1, image, height, width)
            layer.columns_per_unit = height * width
        inputs = channels * height * width
        for number, units in enumerate(spec.hidden):
            layer = self._append(f"fc{number + 1}", (units, inputs), activation)
            layer.editable = True
            if spec.norm == "layer":
                layer.gain = torch.ones_like(layer.bias).requires_grad_()
                layer.shift = torch.zeros_like(layer.bias).requires_grad_()
            inputs = units
        self._append("head", (classes, inputs), None)
        for layer in self.layers:
            for name, fresh in self.fresh_parameters(layer, initial).items():
                layer.parameters()[name].data.copy_(fresh)
        self.initial = self.copy_parameters()

    def _append(self, name: str, shape: tuple[int, ...], activation: Activation | None) -> Layer:
        weight = torch.zeros(self.replicas, *shape, device=self.device, requires_grad=True)
        bias = torch.zeros(self.replicas, shape[0], device=self.device, requires_grad=True)
        layer = Layer(name, weight, bias, activation)
        self.link(layer)
        return layer

    @property
    def hidden(self) -> list[Layer]:
        """The layers whose units strategies may edit, from input to output."""
        return [layer for layer in self.layers if layer.editable]

    @property
    def head(self) -> Layer:
        """The output layer; its units are classes and never edited."""
        return self.layers[-1]

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every trained tensor with its name, for example "fc1.weight"."""
        for layer in self.layers:
            for name, parameter in layer.parameters().items():
                yield f"{layer.name}.{name}", parameter

    def live_masks(self) -> list[Tensor]:
        """Return which entries can matter, in the order and shapes of `parameters`."""
        return [live_mask(layer, name) for layer in self.layers for name in layer.parameters()]

    def copy_parameters(self) -> dict[str, Tensor]:
        """Return a detached copy of every trained tensor by name."""
        return {name: parameter.detach().clone() for name, parameter in self.named_parameters()}

    def fresh_parameters(
        self, layer: Layer, random: ReplicaRandom, fan_in: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Draw a layer's parameters anew by the initialisation law.

        Kaiming-uniform (He 2015, gain of ReLU): weights U(-b, b), b = sqrt(6 / fan-in), biases 0.
        torch: weights and biases U(-b, b), b = 1 / sqrt(fan-in), as torch.nn.Linear and Conv2d.

        Args:
            layer: whose shapes to draw.
            random: where from; always the same number of draws, whatever is used of them.
            fan_in: (R,), None for the allocated fan-in.
        """
        shape = layer.weight.shape[1:]
        allocated = torch.full((self.replicas,), float(shape[1:].numel()), device=self.device)
        inputs = (allocated if fan_in is None else fan_in).clamp(min=1).to(layer.weight.dtype)
        kaiming = self.spec.init == "kaiming-uniform"
        bound = torch.sqrt((6.0 if kaiming else 1.0) / inputs)
        weight = (2 * random.uniform(*shape) - 1) * bound.view(-1, *(1,) * len(shape))
        bias = (2 * random.uniform(shape[0]) - 1) * bound.view(-1, 1) * (0 if kaiming else 1)
        norm = {"gain": torch.ones_like(bias), "shift": torch.zeros_like(bias)}
        drawn = {"weight": weight, "bias": bias, **norm}
        return {name: drawn[name] for name in layer.parameters()}


def _check_picture(
    spec: NetworkSpec, number: int, image: Sequence[int], height: int, width: int
) -> None:
    if height < 1 or width < 1:
        raise BenchError(
            f"a picture of {image[1]} x {image[2]} is gone after convolution {number} of "
            f"{len(spec.channels)}. Set fewer network.channels, a smaller network.kernel, or "
            'network.padding="same".'
        )


def live_mask(layer: Layer, name: str) -> Tensor:
    """Return which entries of a layer's parameter can matter, in the parameter's shape."""
    return layer.live_weights() if name == "weight" else layer.alive
