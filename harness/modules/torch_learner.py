"""A user's own PyTorch code as an entrant: three methods, and the harness does the rest."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from ..blame import raised
from ..engine.strategy import PluginError
from ..errors import BenchError
from .health import evaluating
from .single_learner import Circumstances, Lesson, SingleLearner, Trainer, View


class TorchLearner(SingleLearner):
    """A learner in plain PyTorch. Subclass as a dataclass; its fields are the settings.

    What `build` makes is kept in attributes of the learner. One object is one replica:

        @dataclass(kw_only=True)
        class Plain(TorchLearner):
            lr: float = 0.1
            \"\"\"Learning rate, above 0.\"\"\"

            def build(self, image, classes, seed):
                self.model = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image), classes))
                self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.lr)

            def observe(self, x, y):
                logits = self.model(x)
                self.optimizer.zero_grad()
                functional.cross_entropy(logits, y).backward()
                self.optimizer.step()
                return logits

            def predict(self, x):
                return self.model(x)

    Torch's, Python's and NumPy's global generators are seeded for each run; whatever else a
    learner draws from it seeds with `seed`. A package offers a learner by an entry point:

        [project.entry-points."plasticity_bench.learners"]
        plain = "my_package.my_module:Plain"
    """

    @abstractmethod
    def build(self, image: tuple[int, int, int], classes: int, seed: int) -> None:
        """Make what learns, in attributes of the learner.

        Args:
            image: (channels, height, width) of one sample.
            classes: how many there are; 1 where a number is to be predicted.
            seed: of the run.
        """

    @abstractmethod
    def observe(self, x: Tensor, y: Tensor) -> Tensor | None:
        """Make one update.

        Args:
            x: samples (B, channels, height, width), float32.
            y: labels (B,), int64; or the targets of a regression, float32.

        Returns:
            The logits (B, classes) before the update; or None, and `predict` is asked for them
            before every update.
        """

    @abstractmethod
    def predict(self, x: Tensor) -> Tensor:
        """Return the logits (B, classes) of samples (B, channels, height, width).

        The harness switches gradients off, or on to measure them; and `module` into evaluation
        mode and back.
        """

    def begin_task(self, task: int) -> None:
        """Act at the start of a task, by number from 0. Say in `needs` that you are told."""

    def end_task(self, task: int) -> None:
        """Act at the end of a task, after its last update."""

    def module(self) -> nn.Module | None:
        """Return what `predict` uses: its features and weights are measured by hooks.

        By default the attribute `model`; None leaves these metrics out.
        """
        model = getattr(self, "model", None)
        return model if isinstance(model, nn.Module) else None

    def trainer(self, given: Circumstances) -> Trainer:
        """Start one replica: this object itself."""
        return TorchTrainer(self, given)


class TorchTrainer(Trainer):
    """Feeds a user's learner the stream's batches."""

    def __init__(self, learner: TorchLearner, given: Circumstances) -> None:
        self.learner = learner
        self.given = given
        self.updates = 0
        self.answers: bool | None = None
        """Whether `observe` returns logits; None while that is not known."""
        with given.device:
            self._call("build", given.image, given.classes, given.seed)

    def train(self, lesson: Lesson) -> None:
        """Give the learner one task, batch by batch."""
        watch, passes = lesson.watch, self.given.plan.passes
        watch.begin(lesson.updates)
        self.begin_task(lesson.number)
        for x, y in lesson.batches.training(lesson.updates, lesson.updates // passes):
            if watch.is_free():
                watch.saw(self.observe(x[0], y[0]), y[0], y.shape[1])
            else:
                watch.saw(self.predict_alone(x[0]), y[0], 0)
            watch.passed()
        self._call("end_task", lesson.number)

    def begin_task(self, task: int) -> None:
        """Tell the learner that a task starts."""
        self._call("begin_task", task)

    def view(self, task: int) -> View:
        """Return the learner, asked about samples of whatever task."""
        del task  # a learner that wants to know it cannot be told yet
        return View(self.predict, self.learner.module())

    def observe(self, x: Tensor, y: Tensor) -> Tensor:
        """Make one update and return the logits before it."""
        before = None if self.answers else self.predict_alone(x)
        logits = self._call("observe", x, y)
        self.updates += 1
        if logits is not None:
            self.answers = True
            return self._checked("observe", logits, x).detach()
        if before is None:
            raise PluginError(
                f"learner '{self.given.name}' returned None from observe after it had returned "
                "logits. Return one or the other, always."
            )
        return before

    @torch.no_grad()
    def predict_alone(self, x: Tensor) -> Tensor:
        """Return the logits without gradients, in evaluation mode."""
        with evaluating(self.learner.module()):
            return self.predict(x)

    def predict(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self._checked("predict", self._call("predict", x), x)

    def _checked(self, method: str, logits: object, x: Tensor) -> Tensor:
        wanted = (len(x), self.given.classes)
        if isinstance(logits, Tensor) and logits.shape == wanted:
            return logits
        got = tuple(logits.shape) if isinstance(logits, Tensor) else repr(logits)
        raise PluginError(
            f"learner '{self.given.name}' returned {got} from {method}; expected logits of shape "
            f"{wanted}, samples by outputs{' or None' if method == 'observe' else ''}."
        )

    def _call(self, method: str, *given: object) -> object:
        try:
            return getattr(self.learner, method)(*given)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"learner '{self.given.name}' raised in {method} after {self.updates} updates: "
                f"{raised(error, type(self.learner))}"
            ) from error
