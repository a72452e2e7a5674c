import logging

import pytest

from plasticity_bench.harness.cli import _VisibleLog
from plasticity_bench.harness.visible import in_code, in_markdown, visible


@pytest.mark.parametrize(
    "sign",
    [
        "\x1b",
        "\n",
        "\x9b",
        "\u202e",
        "\u2066",
        "\u200b",
        "\u00ad",
        "\u3164",
        "\U000e0041",
        "\u115f",
    ],
    ids=ascii,
)
def test_what_is_not_seen_is_shown(sign: str) -> None:
    assert visible(f"a{sign}b") == "a\ufffdb"
    record = logging.LogRecord("x", logging.WARNING, "", 0, "left out: %s", (sign,), None)
    assert _VisibleLog().format(record) == "left out: \ufffd"


@pytest.mark.parametrize("text", ["größe", "±0.1 ≤ 2 …", "塑性", "a b", "é"])
def test_what_is_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_markdown_keeps_a_text_letter_by_letter() -> None:
    assert in_markdown("a|b_c") == r"a\|b\_c"
    assert in_code("a`b") == "``a`b``"
    assert in_code("`a") == "`` `a ``"
    assert in_code("") == "``"
