"""The table of metrics: complete, consistent, and light to import."""

import subprocess
import sys

import pytest

from plasticity_bench.harness.metrics import METRICS, Metric
from plasticity_bench.harness.metrics.summary import summarise

COUNTED_BY_THE_LOOP = {
    "updates",
    "samples",
    "alive_unit_steps",
    "flops",
    "relative_cost",
    "seconds",
    "edits",
    "reinitialised_weights",
}


def test_every_number_of_a_result_is_in_the_table_and_nothing_else() -> None:
    assert set(METRICS) == set(summarise([])) | COUNTED_BY_THE_LOOP


def test_exactly_the_performance_metrics_can_be_ranked_by() -> None:
    rankable = {key for key, metric in METRICS.items() if metric.better != "diagnostic"}
    assert rankable == {
        "taoa",
        "task_end_accuracy",
        "acc",
        "taa",
        "early_task_accuracy",
        "online_loss",
        "wt_acc",
        "wt_taa",
        "wt_taoa",
    }


@pytest.mark.parametrize(("key", "metric"), METRICS.items())
def test_an_entry_says_all_in_a_line_and_perhaps_a_paragraph(key: str, metric: Metric) -> None:
    assert metric.name.partition("@")[0] == key
    assert metric.lower < metric.upper
    line, *more = metric.description.split("\n\n")
    assert line.endswith(".")
    assert len(more) <= 1
    assert not "".join(more) or more[0].endswith(".")
    assert "\n" not in line + "".join(more)
    assert metric.unit
    assert metric.source


def test_metrics_with_several_definitions_name_theirs() -> None:
    assert METRICS["dormant"].name == "dormant@redo2023"
    assert METRICS["srank"].name == "srank@kumar2021"
    assert METRICS["effective_rank"].name == "effective_rank@roy2007"


def test_the_table_is_read_without_importing_a_tensor_library() -> None:
    code = (
        "import sys; from plasticity_bench.harness.metrics import METRICS; "
        "print([name for name in ('torch', 'numpy', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
