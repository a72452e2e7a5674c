"""Which runs a command means: a suite, of which options replace parts."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..plugins.resolve import parse_overrides, resolve
from ..specs.spec import RunSpec
from ..specs.suite import Suite, load_suite, parse_entrant, parse_seeds, parse_stream


@dataclass(frozen=True)
class Selection:
    """Which runs are meant: a suite, of which options replace parts."""

    suite: str
    streams: Sequence[str] = ()
    entrants: Sequence[str] = ()
    seeds: str | None = None
    settings: Sequence[str] = ()
    trust: bool = False
    """Whether code that the suite's file names may be run."""

    def declared(self) -> Suite:
        """Return the suite as it is.

        Raises:
            BenchError: it cannot be read, or names code and is not trusted.
        """
        load = partial(load_suite, trust=True) if self.trust else load_suite
        return load(self.suite)

    def chosen(self) -> Suite:
        """Return the suite with its parts replaced.

        Raises:
            BenchError: the suite, or an option, cannot be read.
        """
        suite = self.declared()
        return replace(
            suite,
            streams=tuple(map(parse_stream, self.streams)) or suite.streams,
            entrants=tuple(map(parse_entrant, self.entrants)) or suite.entrants,
            seeds=suite.seeds if self.seeds is None else parse_seeds(self.seeds),
        )

    def runs(self) -> list[RunSpec]:
        """Return the runs with every setting resolved.

        Raises:
            BenchError: something asked for is not there or not allowed.
        """
        return resolve(self.chosen(), parse_overrides(self.settings))

    def usual(self) -> list[RunSpec]:
        """Return a run on every stream of the learner that entrants usually are there.

        It is that of the suite and the options, or else the stream's, without any strategy.
        """
        sets = parse_overrides(self.settings)
        of_all = {
            target: sets[target] for target in ("stream", "network", "optimizer") if target in sets
        }
        suite = self.chosen()
        plain = replace(suite, entrants=(parse_entrant("dense"),), seeds=suite.seeds[:1])
        return resolve(plain, of_all)

    def words(self) -> str:
        """Return the selection as it is typed."""
        words = [self.suite]
        words += [word for stream in self.streams for word in ("--stream", stream)]
        words += [word for entrant in self.entrants for word in ("--entrant", entrant)]
        words += [] if self.seeds is None else ["--seeds", self.seeds]
        words += [word for setting in self.settings for word in ("--set", setting)]
        words += ["--trust"] if self.trust else []
        return shlex.join(words)
