"""The page on W&B: one report for each board, whose run sets follow what is published."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from .board_plan import BoardPlan
from .connect import account_key
from .history import TASK
from .job import Job
from .question import Answer, Deferred, ask

PAGE, MOST_PAGES = 100, 50
"""Reports that are listed at a time, and how often."""
MOST_STREAMS = 30
"""Streams with curves of their own in the report."""
_COLUMNS = ("rank", "rank_lo", "rank_hi", "score", "ci_lo", "ci_hi", "iqm", "n_seeds", "coverage")
_LISTING = (
    "query ProjectViews($entity: String!, $project: String!, $reportCursor: String, "
    "$reportLimit: Int!) { project(name: $project, entityName: $entity) "
    '{ allViews(viewType: "runs", first: $reportLimit, after: $reportCursor) '
    "{ edges { node { id description } } pageInfo { endCursor hasNextPage } } } }"
)


class _View(Answer):
    id: str
    description: str | None = None


class _Edge(Answer):
    node: _View


class _Page(Answer):
    hasNextPage: bool
    endCursor: str | None = None


class _Views(Answer):
    edges: list[_Edge]
    pageInfo: _Page


class _Project(Answer):
    allViews: _Views


class _ProjectViews(Answer):
    project: _Project | None


def publish_report(job: Job, known: str | None) -> str:
    """Make the report of a board, or bring it up to date; return its id.

    Args:
        job: what is published.
        known: the id that an earlier publish has noted. Without it, or where it was deleted on
            W&B, a report that says it is of this board is taken: a lost note makes no second one.
    """
    wr = import_module("wandb_workspaces.reports.v2")  # half of it has no types
    plan, target = job.board, job.target
    report = wr.Report(
        entity=target.entity,
        project=target.project,
        title=f"Leaderboard: {plan.suite} by {plan.metric}",
        description=_mark(plan),
        blocks=list(_blocks(job, wr)),
    )
    there = _reports(job)
    report.id = known if known in there else next(iter(there), "")
    report.save()
    if report.id not in _reports(job):
        raise RuntimeError(f"the report {report.id} is not on W&B")
    return str(report.id)


def _mark(plan: BoardPlan) -> str:
    return f"Made from local results by plasticity-bench publish; board {plan.key}."


def _reports(job: Job) -> list[str]:
    """Return the ids of the reports that say they are of this board.

    They are asked for here: wandb's own list takes an error for an empty one, and a second report
    would be made.

    Raises:
        BenchError: the account is not accepted.
        Deferred: the server does not say which reports it has.
    """
    target, found, after = job.target, dict[str, str | None](), None
    key = account_key(target.base_url)
    for _ in range(MOST_PAGES):
        place = {"entity": target.entity, "project": target.project}
        asked = {**place, "reportCursor": after, "reportLimit": PAGE}
        project = ask(target.base_url, key, _LISTING, asked, _ProjectViews).project
        if project is None:
            raise Deferred(f"{target.words} is not there to have a report")
        before = len(found)
        found |= {edge.node.id: edge.node.description for edge in project.allViews.edges}
        if not project.allViews.pageInfo.hasNextPage or len(found) == before:
            break
        after = project.allViews.pageInfo.endCursor
    return [id_ for id_, description in found.items() if description == _mark(job.board)]


def _blocks(job: Job, wr: Any) -> Iterator[Any]:
    plan, target = job.board, job.target
    score = wr.SummaryMetric("score")
    yield wr.P(
        f"By {plan.metric}, {plan.better} is better. Ranks, intervals and scores are computed from "
        "the result files, not by W&B; rank_lo to rank_hi is the range of places that the data "
        "leave open. Each seed run carries its result file as an artifact."
    )
    entries = wr.Runset(
        target.entity,
        target.project,
        "entrants",
        filters=f"{_board_filter('leaderboard-entry', plan)} and SummaryMetric('on_board') = 1",
        order=[wr.OrderBy(score, ascending=plan.better == "lower" and not plan.normalised)],
        pinned_columns=["run:displayName", *(f"summary:{name}" for name in _COLUMNS)],
        lock_columns=True,
    )
    bars = wr.BarPlot(title="score", metrics=[score])
    yield wr.PanelGrid(runsets=[entries], panels=[bars])
    board = wr.Runset(
        target.entity,
        target.project,
        "board",
        filters=_board_filter("leaderboard-board", plan),
    )
    yield wr.PanelGrid(
        runsets=[board], panels=[wr.WeavePanelSummaryTable(table_name="leaderboard")]
    )
    for label, key in plan.streams[:MOST_STREAMS]:
        yield wr.H2(label)
        runs = wr.Runset(
            target.entity,
            target.project,
            "seed runs",
            filters=f"JobType = 'seed-run' and Config('stream_key') = '{key}'",
            groupby=["config.entrant", "config.entrant_key"],
        )
        curves = [
            wr.LinePlot(title=metric, x=TASK, y=[metric], groupby="config.entrant")
            for metric in ("task/online_accuracy", "task/loss")
        ]
        yield wr.PanelGrid(runsets=[runs], panels=curves)


def _board_filter(job_type: str, plan: BoardPlan) -> str:
    return f"JobType = '{job_type}' and Config('board') = '{plan.key}'"
