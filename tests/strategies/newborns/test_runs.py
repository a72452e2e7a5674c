"""Interventions in whole runs beside Grow: rates, stacks, windows that end, runs that go on."""

from math import cos, pi
from typing import Any

import pytest
import torch

from plasticity_bench.harness.engine.compact import CompactTraining
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.activations import LayerNorm, LeakyActivation, RslActivation
from plasticity_bench.strategies.newborns.rates import RestartRate
from tests.strategies.newborns.helpers import PLAIN_SGD, Make, aged, bear, drive, tiny_run, update

GROW = "grow(compactness=0.5,events=3)"  # after 0, 8 and 16 of 24 updates
MANY = [
    f"{GROW}+newborn-weights(rule=matched)+newborn-state(donor=random)+two-speed(updates=11)"
    "+match-norms(updates=5)+restart-rate(warm_up=2)",
    f"{GROW}+newborn-weights(noise=0.1)+slow-incumbents(updates=11)+fade-in(updates=13)"
    "+restart-rate(of=newborns)",
    "grow(compactness=0.5,events=3,selection=least-recent)+newborn-weights(rule=pair-matched)"
    "+newborn-state(policy=zero_step)+freeze-incumbents(updates=11,head=biases)",
    "grow(compactness=0.5,events=3,selection=gradmax)+newborn-state(donor=utility)"
    "+freeze-newborns(part=outgoing)+rsl+layer-norm",
]
"""Between them every intervention; windows that are open at the boundary after 8 and 16 updates."""

ADAM = ("optimizer.name=adam", "optimizer.lr=0.005")


def weights(run: StackedRun) -> dict[str, torch.Tensor]:
    return run.learner.net.copy_parameters()


@pytest.mark.parametrize("entrant", MANY)
def test_a_replica_does_not_depend_on_those_beside_it(entrant: str) -> None:
    together, alone = tiny_run(entrant, "5:8", *ADAM), tiny_run(entrant, "7", *ADAM)
    for run in (together, alone):
        list(run.rows())
    for layer, other in zip(together.learner.net.hidden, alone.learner.net.hidden, strict=True):
        assert torch.equal(layer.alive[2:], other.alive)
    stacked = weights(together)
    for name, parameter in weights(alone).items():
        torch.testing.assert_close(stacked[name][2:], parameter, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("entrant", MANY)
def test_a_run_saved_within_windows_goes_on_identically(entrant: str) -> None:
    run = tiny_run(entrant, "0:2", *ADAM)
    states: list[dict[str, Any]] = []
    list(run.rows(at_boundary=lambda: states.append(run.state_dict())))
    assert run.progress.update == 24
    assert any(kept for kept in states[0]["learner"]["strategies"])
    again = tiny_run(entrant, "0:2", *ADAM)
    again.load_state_dict(states[0])
    list(again.rows())
    expected = weights(run)
    assert all(torch.equal(parameter, expected[name]) for name, parameter in weights(again).items())


@pytest.mark.parametrize(
    "intervention",
    ["two-speed", "slow-incumbents", "freeze-incumbents", "match-norms", "fade-in"],
)
def test_once_windows_are_over_the_run_is_as_without_the_strategy(intervention: str) -> None:
    """From the same state, bit for bit, and on the alive part alone again."""
    grow = "grow(compactness=0.5,at=[0,4])"
    run = tiny_run(f"{grow}+{intervention}(updates=3)", "0:2", *ADAM)
    drive(run, 7)
    assert run.learner._compact is None
    state = run.learner.state_dict()
    assert all(fading is None for fading in state["fading"].values())
    plain = tiny_run(grow, "0:2", *ADAM)
    plain.trial_batches(1)
    plain.learner.load_state_dict({**state, "strategies": state["strategies"][:1],
                                   "random": {key: state["random"][key]
                                              for key in plain.learner.random}})  # fmt: skip
    batches = run.trial_batches(6)
    for x, y in batches:
        run.learner.observe(x, y)
    assert isinstance(run.learner._compact, CompactTraining)
    assert run.learner._compact.updates == 6
    for x, y in batches:
        plain.learner.observe(x, y)
    expected = weights(plain)
    assert all(torch.equal(parameter, expected[name]) for name, parameter in weights(run).items())


@pytest.mark.parametrize("entrant", ["freeze-newborns", "restart-rate(of=newborns)"])
def test_who_acts_until_the_end_does(entrant: str) -> None:
    run = tiny_run(f"grow(compactness=0.5,at=[2])+{entrant}", "0", *ADAM)
    drive(run, 2)
    assert run.learner._compact is not None
    drive(run, 22)
    assert run.learner._compact is None


# -- rates ---------------------------------------------------------------------------------------


def rates(entrant: str, *sets: str) -> list[float]:
    """Return by what the rate is multiplied in each of the 24 updates of a run."""
    learner = tiny_run(entrant, "0", *sets).learner
    factors = []
    for done in range(learner.plan.total_updates):
        learner.progress.update = done
        factors.append(learner._learning_rate_factor())
    return factors


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_tr3_the_rate_starts_anew_at_every_edit_and_falls_to_zero_by_the_next(
    schedule: str,
) -> None:
    trace = rates(
        "grow(compactness=0.5,at=[0,4,16])+restart-rate", f"optimizer.schedule={schedule}"
    )
    expected = [
        0.5 * (1 + cos(pi * (update - start) / (end - start)))
        for start, end in ((0, 4), (4, 16), (16, 24))
        for update in range(start, end)
    ]
    assert trace == pytest.approx(expected)
    assert [trace[update] for update in (0, 4, 16)] == [1, 1, 1]


def test_the_run_before_its_first_edit_is_a_cycle_of_its_own_and_rates_warm_up() -> None:
    trace = rates("grow(compactness=0.5,at=[12])+restart-rate(warm_up=4)")
    cycle = [min(1, (done + 1) / 4) * 0.5 * (1 + cos(pi * done / 12)) for done in range(12)]
    assert trace == pytest.approx([*cycle, *cycle])


def test_edits_of_every_strategy_of_the_entrant_count() -> None:
    trace = rates("grow(compactness=0.5,at=[8])+prune(compactness=0.4,at=[16])+restart-rate")
    assert [update for update, rate in enumerate(trace) if rate == 1] == [0, 8, 16]


def test_newborns_alone_can_start_anew_while_others_follow_the_schedule(make: Make) -> None:
    net, ctx = aged(make, optimizer=PLAIN_SGD)
    strategy = RestartRate(of="newborns")
    ctx.progress.edit_updates = (0, 100, 500)
    ctx.progress.update = 100
    bear(net, ctx, strategy, [3], [3], layers=[0])  # of the cycle before: newborn no more
    ctx.progress.update = 500
    born = bear(net, ctx, strategy, [0, 2], [1], layers=[0])["fc1"]
    for done in range(3):
        before = net.copy_parameters()["fc1.bias"]
        gradient = update(net, ctx, strategy, factor=0.25)["fc1.bias"]
        own = 0.5 * (1 + cos(pi * done / 500))
        rate = torch.where(born, own, 0.25) * net.hidden[0].alive
        torch.testing.assert_close(
            net.hidden[0].bias.detach(), before - 0.05 * rate * gradient, atol=1e-7, rtol=1e-6
        )
    assert strategy.acts_until(net, ctx) == 1000
    ctx.progress.edit_updates, ctx.progress.update = (0, 100, 500, 503), 503
    assert strategy.acts_until(net, ctx) == 0


def test_a_negative_warm_up_is_refused() -> None:
    with pytest.raises(BenchError, match="warm_up=-1: give 0 or more"):
        RestartRate(warm_up=-1)


# -- activations and norms -----------------------------------------------------------------------


def test_activations_and_norms_are_set_whatever_they_were() -> None:
    network = NetworkSpec(activation="tanh")
    rsl = RslActivation(c=2.0, p=0.5, lower=0.1, upper=0.9).configure(network)
    assert rsl.activation == "rand-smooth-leaky(c=2.0,lower=0.1,p=0.5,upper=0.9)"
    assert LeakyActivation(slope=0.1).configure(network).activation == "leaky-relu(slope=0.1)"
    assert LayerNorm().configure(network) == NetworkSpec(activation="tanh", norm="layer")


def test_grow_with_rsl_is_grow_in_a_network_with_that_activation() -> None:
    activation = "network.activation=rand-smooth-leaky(c=0.8,p=1,lower=0.3,upper=0.6)"
    as_strategy = tiny_run(f"{GROW}+rsl(c=0.8,p=1,lower=0.3,upper=0.6)", "0")
    as_network = tiny_run(GROW, "0", activation)
    for run in (as_strategy, as_network):
        list(run.rows())
    expected = weights(as_network)
    assert all(torch.equal(p, expected[name]) for name, p in weights(as_strategy).items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"c": 0.0}, "both must be above 0"), ({"lower": 0.7}, "lower must not be above")],
)
def test_rsl_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        RslActivation(**settings)
