"""Laws that every growth method keeps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.plugins.resolve import parse_overrides, resolve
from plasticity_bench.harness.specs.spec import NetworkSpec, RunSpec
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_seeds, parse_stream
from plasticity_bench.strategies.budget import ScheduledEdits
from plasticity_bench.strategies.growth.firefly import Firefly
from plasticity_bench.strategies.growth.gradmax import GradMax
from plasticity_bench.strategies.growth.nest import Nest
from plasticity_bench.strategies.growth.net2wider import Net2Wider
from plasticity_bench.strategies.growth.seeded import SeededGrowth
from plasticity_bench.strategies.growth.splitting import Splitting
from plasticity_bench.strategies.growth.variance_transfer import VarianceTransfer
from tests.strategies.growth.growing import (
    LEAKY,
    SMALL_CONVNET,
    WIDE,
    Make,
    answers,
    go_through,
    seeded,
)

GROWERS: list[type[SeededGrowth]] = [Net2Wider, GradMax, VarianceTransfer, Nest, Splitting, Firefly]
ENTRANTS = [
    "turnover(events=3)",
    "morphnet(events=3,strength=30)",
    *(f"{cls.name}(events=3,compactness=0.5)" for cls in GROWERS),
]


@pytest.mark.parametrize("network", [replace(WIDE, norm="layer"), SMALL_CONVNET])
@pytest.mark.parametrize("cls", GROWERS)
def test_every_edit_meets_its_integer_target(
    make: Make, cls: type[SeededGrowth], network: NetworkSpec
) -> None:
    strategy = cls(compactness=0.5, events=3)
    net, ctx = make(network)
    counts = go_through(strategy, net, ctx)
    expected = []
    alive = [max(1, round(0.1 * layer.units)) for layer in net.hidden]
    for left in (3, 2, 1):
        alive = [
            now - (now - layer.units // 2) // left
            for now, layer in zip(alive, net.hidden, strict=True)
        ]
        expected.append([[count] * 2 for count in alive])
    assert counts == expected
    assert all(bool(p.isfinite().all()) for p in net.parameters())


@pytest.mark.parametrize("cls", GROWERS)
def test_a_whole_layer_at_once_and_nothing_to_add_are_fine(
    make: Make, cls: type[SeededGrowth]
) -> None:
    net, ctx = make(WIDE)
    assert go_through(cls(compactness=1, events=1), net, ctx) == [[[50, 50], [40, 40]]]
    strategy = cls(compactness=0.1, events=2)
    net, ctx = make(WIDE)
    before = answers(net).shape
    assert go_through(strategy, net, ctx) == [[[5, 5], [4, 4]]] * 2
    assert net.ledger == []
    assert answers(net).shape == before


@pytest.mark.parametrize(
    ("strategy", "tolerance"),
    [(Net2Wider(compactness=0.8, events=1, noise=0), 1e-5), (GradMax(events=1), 1e-6)],
)
@pytest.mark.parametrize("network", [LEAKY, replace(SMALL_CONVNET, activation="leaky-relu")])
def test_the_function_is_preserved(
    make: Make, strategy: ScheduledEdits, network: NetworkSpec, tolerance: float
) -> None:
    net, ctx = seeded(make, strategy, network)
    before = answers(net)
    strategy.edit(net, ctx)
    assert net.ledger
    torch.testing.assert_close(answers(net), before, atol=tolerance, rtol=0)


@pytest.mark.parametrize("cls", GROWERS)
def test_bad_settings_are_refused(cls: type[SeededGrowth]) -> None:
    with pytest.raises(BenchError, match=r"seed_share=0: give a share in \(0, 1\]"):
        cls(seed_share=0)
    assert cls.edits_structure


def specs(entrant: str, seeds: str) -> list[RunSpec]:
    settings = ("stream.tasks=3", "stream.passes=1", "stream.samples_per_task=160")
    suite = Suite(
        "test",
        "",
        (parse_stream("permuted-digits"),),
        (parse_entrant(entrant),),
        parse_seeds(seeds),
    )
    return resolve(suite, parse_overrides([*settings, "network.hidden=[20,16]"]))


@pytest.mark.parametrize("entrant", ENTRANTS)
def test_a_replica_of_a_stack_equals_the_run_alone(entrant: str) -> None:
    """A whole run on digits by name, to float tolerance."""
    stack = StackedRun(specs(entrant, "0:3"), Path("data"))
    alone = StackedRun(specs(entrant, "2"), Path("data"))
    together = [row for replica, row in stack.rows() if replica == 2]
    single = [row for _, row in alone.rows()]
    assert [row["kind"] for row in together] == [row["kind"] for row in single]
    for whole, own in zip(stack.learner.net.layers, alone.learner.net.layers, strict=True):
        assert torch.equal(whole.alive[2], own.alive[0])
        live = own.live_weights()[0]
        torch.testing.assert_close(whole.weight[2][live], own.weight[0][live], atol=2e-4, rtol=1e-3)
    assert alone.learner.net.ledger


@pytest.mark.parametrize(
    "entrant",
    ["variance-transfer(events=2,compactness=0.5)", "den(units=2)", "morphnet(strength=30)"],
)
def test_a_run_goes_on_exactly_from_a_saved_state(entrant: str, tmp_path: Path) -> None:
    run = StackedRun(specs(entrant, "0:2"), Path("data"))
    places = iter(range(3))
    for _ in run.rows(
        at_boundary=lambda: torch.save(run.state_dict(), tmp_path / f"{next(places)}")
    ):
        pass
    for place in (0, 1):
        again = StackedRun(specs(entrant, "0:2"), Path("data"))
        again.load_state_dict(torch.load(tmp_path / f"{place}", weights_only=True))
        assert len(list(again.rows())) > 0
        for whole, rest in zip(run.learner.net.layers, again.learner.net.layers, strict=True):
            assert torch.equal(whole.alive, rest.alive)
            assert torch.equal(whole.weight, rest.weight)
