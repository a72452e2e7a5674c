"""Is all that has a receipt still on W&B? A list of a project's runs against all receipts."""

import time
from collections.abc import Mapping

from .connect import account_key
from .job import Job, Target
from .question import Answer, Deferred, ask
from .receipts import Receipt

PAGE, MOST_PAGES = 500, 200
"""Runs that are listed at a time, and how often."""
_LISTING = (
    "query RunsThere($entity: String!, $project: String!, $after: String, $first: Int!) "
    "{ project(name: $project, entityName: $entity) { runs(after: $after, first: $first) "
    "{ edges { node { name state historyLineCount } } pageInfo { endCursor hasNextPage } } } }"
)


class Listed(Answer):
    """What a project's list says of a run."""

    name: str
    """Its id."""
    state: str
    historyLineCount: int | None = None


class _Edge(Answer):
    node: Listed


class _Page(Answer):
    hasNextPage: bool
    endCursor: str | None = None


class _Runs(Answer):
    edges: list[_Edge]
    pageInfo: _Page


class _Project(Answer):
    runs: _Runs


class _RunsThere(Answer):
    project: _Project | None


def listed_runs(target: Target) -> dict[str, Listed]:
    """Return all runs of a project by id, in a few questions; none where there is no project.

    Raises:
        BenchError: the account is not accepted.
        Deferred: the server does not answer, or not to this.
    """
    key, found, after = account_key(target.base_url), dict[str, Listed](), None
    for _ in range(MOST_PAGES):
        place = {"entity": target.entity, "project": target.project}
        asked = {**place, "after": after, "first": PAGE}
        project = ask(target.base_url, key, _LISTING, asked, _RunsThere).project
        if project is None and after is None:
            return {}
        if project is None:
            raise Deferred(f"{target.words} was gone while its runs were listed")
        before = len(found)
        found |= {edge.node.name: edge.node for edge in project.runs.edges}
        after = project.runs.pageInfo.endCursor
        if not project.runs.pageInfo.hasNextPage:
            return found
        if after is None or len(found) == before:
            raise Deferred(f"{target.base_url} lists the runs of {target.project} without an end")
    raise Deferred(f"{target.words} has more than {MOST_PAGES * PAGE:,} runs")


def withdraw(job: Job, patience: float = 0.0) -> int:
    """Remove the receipts of what is not on W&B any more as it was seen there; count them.

    Somebody may have deleted runs, and what a killed publish had sent may have been taken in after
    the next one had looked.

    Args:
        job: whose receipts are looked at.
        patience: seconds for the list to have what was sent just now.

    Raises:
        BenchError: the account is not accepted.
        Deferred: the server does not say what it has; then no receipt is touched.
    """
    end = time.monotonic() + patience
    while outdated := _outdated(job):
        if time.monotonic() > end:
            for name in outdated:
                job.receipts.remove(name)
            break
        time.sleep(0.5)
    return len(outdated)


def _outdated(job: Job) -> list[str]:
    # Receipts first: one that is written after the list was made is of a run that may lack there.
    receipts = {name: job.receipts.read(name) or {} for name in job.receipts.names()}
    runs = listed_runs(job.target) if receipts else {}
    return [name for name, receipt in receipts.items() if _is_outdated(name, receipt, runs)]


def _is_outdated(name: str, receipt: Receipt, runs: Mapping[str, Listed]) -> bool:
    if name.startswith("report-"):
        return not runs  # a project without runs was deleted, with its reports
    run = runs.get(str(receipt.get("id")))
    if run is None or run.state != "finished":
        return True
    # More rows are the read-back's to find: a receipt's own run was read whole, and a list that
    # counts in another way would have everything sent again each time.
    rows = run.historyLineCount
    return rows is not None and rows < (receipt.get("rows") or 0)
