"""Make an Avalanche benchmark from its name and arguments, in a folder of ours, for one seed."""

import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from http.client import HTTPException
from importlib import import_module
from importlib.metadata import version
from inspect import Parameter, getsource, isfunction, signature
from pathlib import Path
from typing import Any

from ...harness.errors import BenchError, unknown_name
from ...harness.randomness import untouched_randomness
from ...harness.specs.grammar import Settings, format_value, parse_value
from ..data.fetch import patience
from .files import avalanche_root

Benchmark = Any
"""A CLScenario; Avalanche has no types that a type checker could follow."""

FIXED_ORDER = ("fixed_class_order", "rotations_list")
"""Arguments that leave a classic benchmark nothing to draw from its seed."""

_ARGUMENT = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\'[^\']*\'|[^&"\'])+')
_SEE = "See Avalanche's documentation of its classic benchmarks for their arguments."


def parse_arguments(text: str) -> Settings:
    """Read `key=value&key=value`.

    Raises:
        BenchError: a piece is not key=value, a key comes twice, or a value cannot be read.
    """
    found: dict[str, Any] = {}
    for piece in filter(None, _ARGUMENT.findall(text)):
        key, equals, value = piece.partition("=")
        if not equals or not key.isidentifier() or key in found:
            raise BenchError(
                f"cannot read '{piece}' in the arguments '{text}' of an Avalanche benchmark. "
                "Write each once, key=value&key=value, as n_experiences=5&return_task_id=true."
            )
        found[key] = parse_value(value, f"argument {key}")
    return found


def format_arguments(arguments: Settings) -> str:
    """Write arguments in canonical form: sorted by name."""
    return "&".join(f"{key}={format_value(value)}" for key, value in sorted(arguments.items()))


@dataclass(frozen=True)
class Recipe:
    """How a benchmark is made: its function or object, and the arguments that were given."""

    name: str
    """A function of `avalanche.benchmarks`, or a user's own "module:attribute"."""
    arguments: str
    """Canonical, see `format_arguments`."""

    @property
    def given(self) -> Settings:
        """The arguments by name."""
        return parse_arguments(self.arguments)

    @property
    def seed_matters(self) -> bool:
        """Whether the benchmark of another seed is another benchmark, as far as can be told."""
        fixed = self.given.get("shuffle") is False or any(
            self.given.get(key) is not None for key in FIXED_ORDER
        )
        return not fixed and "seed" not in self.given and self.takes_seed

    @property
    def takes_seed(self) -> bool:
        """Whether the function takes a seed; CLEAR refuses one where it has nothing to draw."""
        protocol = self.given.get("evaluation_protocol", "streaming")
        is_refused = self.name == "CLEAR" and protocol == "streaming"
        return "seed" in self.parameters and not is_refused

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What the function takes; nothing where it is a finished benchmark."""
        maker = load_maker(self.name)
        return signature(maker).parameters if callable(maker) else {}

    def check(self) -> None:
        """Refuse arguments that the function does not take, or lacks.

        Raises:
            BenchError: says which, with the nearest name.
        """
        parameters = self.parameters
        takes_any = any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values())
        for key in self.given:
            if key not in parameters and not takes_any:
                raise unknown_name(f"argument of {self.name} named", key, parameters, _SEE)
        missing = [
            key
            for key, one in parameters.items()
            if one.default is Parameter.empty
            and one.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
            and key not in {*self.given, "seed"}
            and not key.startswith("dataset_root")
        ]
        if missing:
            raise BenchError(
                f"the benchmark {self.name} needs the argument {missing[0]}. "
                f"Write avalanche:{self.name}?{missing[0]}=VALUE. {_SEE}"
            )

    @property
    def code(self) -> str | None:
        """The code of the module that a user's function is in; None if it cannot be read."""
        if ":" not in self.name:
            return ""
        maker = load_maker(self.name)
        module = getattr(maker, "__module__", None) if callable(maker) else None
        try:
            return getsource(sys.modules[module or self.name.partition(":")[0]])
        except (OSError, TypeError, KeyError):
            return None  # typed into an interpreter

    @property
    def is_kept(self) -> bool:
        """Whether samples may be kept on disk: not where nothing says that they have changed."""
        return callable(load_maker(self.name)) and self.code is not None

    @property
    def key(self) -> str:
        """What prepared samples are named by: with Avalanche's version and a user's code."""
        versions = (version("avalanche-lib"), version("torchvision"))
        parts = (self.name, self.arguments, *versions, self.code or "")
        return sha256("\0".join(parts).encode()).hexdigest()[:16]

    def make(self, seed: int, data_dir: Path) -> Benchmark:
        """Make the benchmark of one seed, without moving any global generator.

        The function is given the seed and the folder of data sets where it takes them and the
        arguments do not say otherwise. Where it takes no seed, global generators are the same at
        every call.

        Raises:
            BenchError: it cannot be made, or its data set cannot be had.
        """
        maker = load_maker(self.name)
        if not callable(maker):
            return _checked(maker, self.name)
        arguments: dict[str, Any] = dict(self.given)
        if self.takes_seed:
            arguments.setdefault("seed", seed)
        with avalanche_root(self.name, data_dir) as root, _quiet(), untouched_randomness(0):
            for key in self.parameters:
                if key.startswith("dataset_root"):
                    arguments.setdefault(key, str(root))
            try:
                return _checked(maker(**arguments), self.name)
            except (OSError, RuntimeError, HTTPException) as error:
                raise self._unavailable(error, root) from error
            except BenchError:
                raise
            except Exception as error:
                raise self._refused(error, arguments) from error

    def _unavailable(self, error: Exception, root: Path) -> BenchError:
        return BenchError(
            f"the data set of the benchmark {self.name} is not in {root} and cannot be "
            f"downloaded: {_reason(error)}. Put its files there as Avalanche lays them out, or "
            "give dataset_root=FOLDER in the arguments."
        )

    def _refused(self, error: Exception, arguments: Settings) -> BenchError:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        seed = ""
        if "seed" in arguments and "seed" not in self.given:
            seed = " The seed is the run's; where that is wrong, write seed=VALUE or seed=null."
        return BenchError(
            f"the benchmark {self.name} cannot be made with {given or 'no arguments'}: "
            f"{type(error).__name__}: {_reason(error)}. Change its arguments.{seed}"
        )


def classic_names() -> list[str]:
    """Return the names of Avalanche's own functions that make benchmarks."""
    classic = _avalanche("benchmarks.classic")
    public = vars(classic).items()
    return sorted(
        name
        for name, value in public
        if isfunction(value) and name[0].isupper() and value.__module__.startswith(classic.__name__)
    )


@lru_cache(maxsize=64)
def load_maker(name: str) -> Callable[..., Benchmark] | Benchmark:
    """Import what makes a benchmark, or a finished one.

    Raises:
        BenchError: there is nothing of that name, with the nearest.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        if name not in classic_names():
            remedy = "For your own, write avalanche:package.module:function."
            raise unknown_name("Avalanche benchmark", name, classic_names(), remedy)
        return getattr(_avalanche("benchmarks.classic"), name)
    try:
        with untouched_randomness(0):
            found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise BenchError(
            f"the benchmark '{name}' cannot be imported: {type(error).__name__}: {error}. Write "
            "module:function, of a module that is installed or in a folder on PYTHONPATH (for the "
            "current folder: PYTHONPATH=.)."
        ) from error
    return found


def _avalanche(module: str) -> Any:
    with warnings.catch_warnings():
        # Avalanche imports packages that announce their own end; nothing a user could do about it.
        warnings.simplefilter("ignore")
        return import_module(f"avalanche.{module}")


def _checked(made: Any, name: str) -> Benchmark:
    streams = getattr(made, "streams", None)
    if not isinstance(streams, Mapping) or not {"train", "test"} <= set(streams):
        raise BenchError(
            f"the benchmark '{name}' is a {type(made).__name__}, not an Avalanche CLScenario with "
            "a train and a test stream. Let the function return one."
        )
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what is told about downloads off the output, and do not wait for dead servers."""
    with patience(), redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Avalanche's and old pickles' own
        yield


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].rstrip(".") if lines else type(error).__name__
