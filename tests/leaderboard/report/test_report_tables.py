from typing import Any

from plasticity_bench.leaderboard.board.grouping import grouped
from plasticity_bench.leaderboard.report.report_tables import plasticity_table
from tests.leaderboard.conftest import MakeResult


def tasks(*online: float) -> list[dict[str, Any]]:
    return [
        {"kind": "task", "task": number, "step": 10 * number, "online_accuracy": accuracy}
        for number, accuracy in enumerate(online)
    ]


def test_the_gap_to_fresh_is_paired_by_seed(make_result: MakeResult) -> None:
    fresh = [make_result(entrant="reset", seed=s, rows=tasks(0.9, 0.9, 0.9)) for s in range(3)]
    learner = [
        make_result(entrant="dense", seed=s, rows=tasks(*online), metrics={"plasticity_loss": loss})
        for s, online, loss in (
            (1, (0.9, 0.8, 0.7), 0.2),
            (0, (0.9, 0.9, 0.6), 0.3),
            (2, (0.9, 0.85, 0.65), 0.25),
        )
    ]
    (stream,) = grouped([*fresh, *learner])
    lines = list(plasticity_table(stream))
    assert lines[-3].startswith("| dense | +0.250 [+0.126, +0.374] | - | +0.100 [+0.100, +0.100]")
    (two,) = grouped([run for run in [*fresh, *learner] if run.spec.seed < 2])
    assert "| dense | +0.250 | - | +0.100 |" in list(plasticity_table(two))
    (without,) = grouped(learner)
    assert "no `reset`" in list(plasticity_table(without))[-2]


def test_streams_of_one_or_two_tasks_have_no_trend(make_result: MakeResult) -> None:
    (stream,) = grouped([make_result(entrant="dense", rows=tasks(0.9, 0.8))])
    assert list(plasticity_table(stream)) == []


def test_a_dead_network_is_called_one_beside_its_loss_of_nothing(make_result: MakeResult) -> None:
    flat = tasks(0.1, 0.1, 0.1)
    shares = {"dead": (1.0, 0.6), "partly": (0.7, 0.5), "alive": (0.0, 0.4)}
    results = [
        make_result(
            entrant=name,
            seed=seed,
            rows=flat,
            metrics={"plasticity_loss": 0.0, "collapsed": share},
        )
        for name, both in shares.items()
        for seed, share in enumerate(both)
    ]
    (stream,) = grouped(results)
    words = "\n".join(plasticity_table(stream))
    assert "**dead collapsed in 2 of 2 seeds**: at most of the task ends" in words
    assert "**partly collapsed in 1 of 2 seeds**" in words
    assert "alive collapsed" not in words
