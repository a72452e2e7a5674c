"""Any file of named streams: streams whose settings are JSON, or one clean line."""

import tomllib
from importlib.resources import files

from hypothesis import strategies as st

from plasticity_bench.harness.fingerprint import canonical
from plasticity_bench.streams.catalogue import read_families, read_protocols
from tests.fuzzing import as_toml, clean, fuzz, mutated, torn, tries

from .test_catalogue import FAMILY, PAPER

KUMAR = (files("plasticity_bench.streams") / "presets" / "kumar2024.toml").read_text("utf-8")
TEXTS = st.one_of(
    mutated(tomllib.loads(FAMILY), "toml").map(as_toml),
    mutated(tomllib.loads(PAPER), "toml").map(as_toml),
    mutated(tomllib.loads(KUMAR), "toml").map(as_toml),
    torn(FAMILY.encode()).map(lambda content: content.decode(errors="replace")),
)


@tries(150, 10_000)
def test_any_file_of_streams_is_read_or_refused(examples: int) -> None:
    def body(text: str) -> None:
        for read in (lambda: read_families({"x": text}), lambda: read_protocols(text, "x")):
            for name, entry in (clean(read) or {}).items():
                assert name.isascii()
                assert name.isprintable()
                assert entry.summary.isprintable()
                canonical([entry.settings, entry.network, entry.optimizer])

    fuzz(body, TEXTS, examples)
