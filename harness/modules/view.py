"""A network made of a PyTorch model: strategies edit the model's own parameters through it.

It is a `Network` of one replica whose tensors share their storage with the model's parameters, so
that an edit of the one is an edit of the other. The model keeps its own forward; hooks multiply
what a dead unit says by 0, after the activation. Units that are all alive cost nothing.
"""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..engine.edits import Network
from ..engine.network import Layer, LayerStack, LayerTrace, Noise
from ..errors import BenchError
from ..specs.spec import NetworkSpec
from .chain import Chain, evaluating, read_chain
from .layer import TorchLayer, UnitMask
from .optimizer import TorchOptimizer
from .steps import SUPPORTED, Operation

Law = Literal["torch", "kaiming-uniform"]
"""By which weights are drawn anew: that of torch's own layers, or He et al. 2015."""

TOLERANCE = 1e-5
"""By how much the view's logits may differ from the model's, relative to the largest of them."""


class TorchNetwork(Network):
    """A view of a PyTorch model as a network of one replica.

    Args:
        model: see `torch_chain.SUPPORTED`.
        x: some samples (B, ...) as the model reads them.
        edit_trunk: whether strategies may edit the channels of convolutions as well.
        init: law by which weights are drawn anew.
        growing_heads: types of modules that hold the head as `classifier` and may replace it.
        editor: another view of the same model, if one edits it already.

    Raises:
        BenchError: the model is not supported; the message names the part in the way.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        *,
        edit_trunk: bool = False,
        init: Law = "torch",
        growing_heads: tuple[type, ...] = (),
        editor: "TorchNetwork | None" = None,
    ) -> None:
        self.model = model
        self.growing_heads = growing_heads
        self.chain = read_chain(model, growing_heads)
        LayerStack.__init__(self, 1, self.chain.layers[0].module.weight.device)
        for source in self.chain.layers:
            layer = TorchLayer(source)
            layer.editable = source.activation is not None and (
                edit_trunk or not layer.is_convolution
            )
            self.link(layer)
        units = tuple(layer.units for layer in self.hidden if not layer.is_convolution)
        self.spec = replace(NetworkSpec(), hidden=units, init=init, edit_trunk=edit_trunk)
        self._masks: dict[str, UnitMask] = {}
        self._handles: list[RemovableHandle] = []
        self.follow(editor)
        self._check(x)
        self.initial = self.copy_parameters()

    @property
    def torch_optimizer(self) -> TorchOptimizer:
        """The view of the model's optimiser, once it is attached."""
        assert isinstance(self.optimizer, TorchOptimizer)
        return self.optimizer

    @property
    def torch_layers(self) -> list[TorchLayer]:
        """The layers, each with its module."""
        return [layer for layer in self.layers if isinstance(layer, TorchLayer)]

    def forward(
        self, x: Tensor, noise: Noise | None = None, trace: list[LayerTrace] | None = None
    ) -> Tensor:
        """Return the logits (1, B, classes) of samples (1, B, ...), as the model at evaluation."""
        h = _through(self.chain.entry, x[0])
        for layer in self.torch_layers:
            passed = layer.forward(h if layer.is_convolution else h.unsqueeze(0), noise)
            if trace is not None:
                trace.append(passed)
            h = passed.output if layer.is_convolution else passed.output[0]
            h = _through(layer.source.after, h)
        logits = h.unsqueeze(0)
        closed = self.closed_outputs
        return logits if closed is None else logits.masked_fill(closed, -torch.inf)

    def follow(self, editor: "TorchNetwork | None") -> None:
        """Take over which units are alive from another view of the same model, if there is one."""
        for layer, edited in zip(self.layers, editor.layers if editor else (), strict=False):
            layer.set_alive(edited.alive)

    def mask_model(self) -> None:
        """Let the model's own forward silence dead units from now on, by hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for layer in self.torch_layers[:-1]:
            mask = self._masks.setdefault(layer.name, UnitMask())
            mask.show(layer)
            consumer = layer.consumer
            assert isinstance(consumer, TorchLayer)
            activation = layer.source.activation_module
            if activation is not None:
                handle = activation.register_forward_hook(mask.on_output)
            else:
                handle = consumer.module.register_forward_pre_hook(mask.on_input)
            self._handles.append(handle)

    def refresh(self, x: Tensor) -> None:
        """Show the model's parameters as they are now: moved to a device, or with a grown head.

        Raises:
            BenchError: the model has changed in another way since the view was made.
        """
        if self._is_current():
            self._note_open_outputs()
            return
        chain = read_chain(self.model, self.growing_heads)
        if not _fits(chain, self.torch_layers):
            raise BenchError(
                f"the layers of {type(self.model).__name__} have changed since the first "
                "experience, and only a growing head may. Leave out what changes the model, or "
                "this plug-in."
            )
        self.chain = chain
        for layer, source in zip(self.torch_layers, chain.layers, strict=True):
            layer.bind(source)
        self.device = self.layers[0].weight.device
        now = self.copy_parameters()
        for kept in filter(None, (self.initial, getattr(self, "snapshot", None))):
            kept.update({name: _grown(kept[name], value) for name, value in now.items()})
        self.held = now
        if self._handles:
            self.mask_model()
        self._check(x)

    def _check(self, x: Tensor) -> None:
        """Compare with the model itself: nothing that the view misunderstands goes unnoticed."""
        self._note_open_outputs()
        with torch.no_grad(), evaluating(self.model):
            expected = self.model(x)
            trace: list[LayerTrace] = []
            try:
                shown = self.forward(x.unsqueeze(0), trace=trace)[0]
            except RuntimeError as error:
                raise self._misunderstood(str(error)) from error
        if shown.shape != expected.shape:
            raise self._misunderstood(f"logits of {tuple(shown.shape)}")
        open_logits = shown.isfinite()
        off = (shown - expected)[open_logits].abs().max()
        if bool(open_logits.any()) and not off <= TOLERANCE * max(1, expected.abs().max()):
            raise self._misunderstood(f"logits that are off by {float(off):.1e}")
        self._note_places(trace)

    def _is_current(self) -> bool:
        """Tell whether the model has the parameters that the view shows, where they were."""
        modules = dict(self.model.named_modules())
        return all(
            modules.get(layer.name) is layer.module
            and layer.weight.data_ptr() == layer.module.weight.data_ptr()
            for layer in self.torch_layers
        )

    def _note_open_outputs(self) -> None:
        wrapper = self.chain.growing_head
        self.closed_outputs = None
        if wrapper is not None and getattr(wrapper, "masking", False):
            open_units = torch.as_tensor(wrapper.active_units, device=self.device)
            self.closed_outputs = ~open_units.bool().view(1, 1, -1)

    def _misunderstood(self, what: str) -> BenchError:
        return BenchError(
            f"{type(self.model).__name__} does something between its layers that is not "
            f"understood: computed layer by layer it gives {what}. {SUPPORTED}"
        )

    def _note_places(self, trace: list[LayerTrace]) -> None:
        for layer, passed in zip(self.torch_layers[:-1], trace, strict=False):
            consumer = layer.consumer
            assert consumer is not None
            if layer.is_convolution:
                layer.positions = passed.linear.shape[2:].numel()
            layer.columns_per_unit = consumer.weight.shape[2] // layer.units

    def _after_edit(self) -> None:
        super()._after_edit()
        if any(layer.connected is not None for layer in self.layers):
            raise BenchError(
                "single connections cannot be cut in a PyTorch model, only whole units. Run this "
                "strategy with plasticity-bench run."
            )
        self._show()

    def set_fading(self, layer: Layer, fading: Tensor | None) -> None:
        """Set by what alive units are damped, in the model's own forward too."""
        super().set_fading(layer, fading)
        self._show()

    def _show(self) -> None:
        for layer in self.layers:
            if layer.name in self._masks:
                self._masks[layer.name].show(layer)


def _through(operations: tuple[Operation, ...], h: Tensor) -> Tensor:
    for operation in operations:
        h = operation(h)
    return h


def _fits(chain: Chain, layers: list[TorchLayer]) -> bool:
    """Tell whether a chain has the same layers; the head may have more outputs than before."""
    if [source.name for source in chain.layers] != [layer.name for layer in layers]:
        return False
    pairs = list(zip(chain.layers, layers, strict=True))
    same = [source.module.weight.shape == layer.weight.shape[1:] for source, layer in pairs]
    (head, was) = pairs[-1]
    return all(same[:-1]) and head.module.weight.shape[1:] == was.weight.shape[2:]


def _grown(kept: Tensor, now: Tensor) -> Tensor:
    """Return a remembered parameter in the size that it has now; new outputs start as they are."""
    if kept.shape == now.shape:
        return kept.to(now.device)
    grown = now.clone()
    grown[:, : kept.shape[1]] = kept.to(now.device)
    return grown
