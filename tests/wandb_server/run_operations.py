"""GraphQL operations about users, projects and runs: variables in, the answer's data out."""

import json
from collections.abc import Callable
from typing import Any

from .state import NOW, Project, Refusal, Run, State

Variables = dict[str, Any]
Operation = Callable[[State, Variables, str], dict[str, Any]]
"""State, variables, and where the server is."""


def viewer(state: State, variables: Variables, base: str) -> dict[str, Any]:
    return {"viewer": _user(state)}


def _user(state: State) -> dict[str, Any]:
    return {
        "id": "User:1",
        "name": state.user,
        "username": state.user,
        "email": f"{state.user}@example.org",
        "admin": False,
        "flags": "{}",
        "entity": state.user,
        "deletedAt": None,
        "apiKeys": {"edges": []},
        "teams": {"edges": [{"node": {"name": team}} for team in state.teams]},
    }


def server_features(state: State, variables: Variables, base: str) -> dict[str, Any]:
    return {"serverInfo": {"features": []}}


def project_info(state: State, variables: Variables, base: str) -> dict[str, Any]:
    """Answer every query for one project, whatever its operation calls the name."""
    name = variables.get("projectName") or variables.get("name") or variables["project"]
    found = state.project(variables.get("entityName") or variables.get("entity"), name)
    return {"project": None if found is None else _project(found)}


def projects(state: State, variables: Variables, base: str) -> dict[str, Any]:
    edges = [
        {"node": _project(each), "cursor": each.id}
        for each in state.projects.values()
        if each.entity == (variables.get("entity") or state.user)
    ]
    return {"models": {"edges": edges, "pageInfo": NO_MORE}}


def _project(project: Project) -> dict[str, Any]:
    return {
        "__typename": "Project",
        "id": project.id,
        "internalId": str(project.number),
        "name": project.name,
        "entityName": project.entity,
        "createdAt": NOW,
        "isBenchmark": False,
        "user": None,
    }


NO_MORE = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}


def upsert_bucket(state: State, variables: Variables, base: str) -> dict[str, Any]:
    name = variables["name"]
    if name in state.deleted:
        raise Refusal(409, f"run {name} was previously created and deleted; try a new run name")
    project = state.project(variables.get("entity"), variables["project"], make=True)
    assert project is not None
    key = (project.entity, project.name, name)
    inserted = key not in state.runs
    run = state.runs.setdefault(key, Run(project, name))
    if variables.get("config"):
        run.config = json.loads(variables["config"])
    if variables.get("summaryMetrics"):
        run.summary = json.loads(variables["summaryMetrics"])
    own = ("displayName", "groupName", "jobType", "tags", "notes")
    run.fields |= {k: variables[k] for k in own if variables.get(k) is not None}
    run.state = variables.get("state") or "running"
    return {"upsertBucket": {"bucket": _bucket(run), "inserted": inserted}}


def _bucket(run: Run) -> dict[str, Any]:
    entity = {"id": f"Entity:{run.project.entity}", "name": run.project.entity}
    return {
        "id": run.id,
        "name": run.name,
        "displayName": run.fields.get("displayName", run.name),
        "description": None,
        "config": json.dumps(run.config),
        "sweepName": None,
        "project": {"id": run.project.id, "name": run.project.name, "entity": entity},
        "historyLineCount": len(run.history),
    }


def resume_status(state: State, variables: Variables, base: str) -> dict[str, Any]:
    project = state.project(variables.get("entity"), variables["project"])
    if project is None:
        return {"model": None}
    run = state.run(project.entity, project.name, variables["name"])
    entity = {"id": f"Entity:{project.entity}", "name": project.entity}
    known = None if run is None else _bucket(run) | _resume(run)
    return {"model": {"id": project.id, "name": project.name, "entity": entity, "bucket": known}}


def _resume(run: Run) -> dict[str, Any]:
    return {
        "logLineCount": 0,
        "eventsLineCount": 0,
        "historyTail": json.dumps(run.history[-1:]),
        "eventsTail": "[]",
        "summaryMetrics": json.dumps(run.summary),
        "tags": run.fields.get("tags", []),
        "notes": run.fields.get("notes"),
        "wandbConfig": json.dumps({"t": 1}),
    }


def run_files(state: State, variables: Variables, base: str) -> dict[str, Any]:
    run = state.run(variables["entity"], variables["project"], variables["run"])
    if run is None:
        raise Refusal(404, f"no run {variables['run']}")
    made = []
    for name in variables["files"]:
        run.files[name] = f"{run.id}:{name}".replace("/", "|")
        made.append({"name": name, "uploadUrl": f"{base}/storage/{run.files[name]}"})
    return {"createRunFiles": {"runID": run.id, "uploadHeaders": [], "files": made}}


def one_run(state: State, variables: Variables, base: str) -> dict[str, Any]:
    project = state.project(variables["entity"], variables["project"])
    if project is None:
        return {"project": None}
    run = state.run(project.entity, project.name, variables["name"])
    return {"project": {"run": None if run is None else _fragment(run)}}


def all_runs(state: State, variables: Variables, base: str) -> dict[str, Any]:
    """List the runs whose job type, tags or config the filter asks for."""
    project = state.project(variables["entity"], variables["project"])
    if project is None:
        return {"project": None}
    found = [run for run in state.runs.values() if run.project is project]
    edges = [{"node": _fragment(run), "cursor": run.name} for run in found]
    listed = {"edges": edges, "pageInfo": NO_MORE}
    return {
        "project": {
            "internalId": str(project.number),
            "runCount": len(found),
            "readOnly": False,
            "runs": listed,
        }
    }


def runs_there(state: State, variables: Variables, base: str) -> dict[str, Any]:
    """List states and rows, a page at a time."""
    project = state.project(variables["entity"], variables["project"])
    if project is None:
        return {"project": None}
    found = sorted(run.name for run in state.runs.values() if run.project is project)
    start = int(variables["after"] or 0)
    end = start + variables["first"]
    nodes = [_fragment(state.runs[project.entity, project.name, name]) for name in found[start:end]]
    page = {"endCursor": str(end), "hasNextPage": end < len(found)}
    return {"project": {"runs": {"edges": [{"node": each} for each in nodes], "pageInfo": page}}}


def _fragment(run: Run) -> dict[str, Any]:
    return _bucket(run) | {
        "projectId": str(run.project.number),
        "tags": run.fields.get("tags", []),
        "state": run.state,
        "group": run.fields.get("groupName"),
        "jobType": run.fields.get("jobType"),
        "commit": None,
        "readOnly": False,
        "createdAt": NOW,
        "heartbeatAt": NOW,
        "notes": run.fields.get("notes"),
        "systemMetrics": "{}",
        "summaryMetrics": json.dumps(run.summary),
        "user": {"name": "tester", "username": "tester"},
        "historyKeys": {"lastStep": len(run.history) - 1, "keys": {}},
    }


def live_history(state: State, variables: Variables, base: str) -> dict[str, Any]:
    run = state.run(variables["entity"], variables["project"], variables["runName"])
    if run is None:
        raise Refusal(404, f"no run {variables['runName']}")
    rows = [json.loads(line) for line in run.history]
    return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": rows}}}}


def history_page(state: State, variables: Variables, base: str) -> dict[str, Any]:
    name = variables.get("run") or variables["name"]
    run = state.run(variables["entity"], variables["project"], name)
    if run is None:
        raise Refusal(404, f"no run {name}")
    first, end = variables.get("minStep", 0), variables.get("maxStep", 10**12)
    lines = [line for line in run.history if first <= json.loads(line)["_step"] < end]
    return {"project": {"run": {"history": lines}}}


OPERATIONS: dict[str, Operation] = {
    "Viewer": viewer,
    "GetViewer": viewer,
    "GetDefaultEntity": viewer,
    "ServerFeaturesQuery": server_features,
    "GetProject": project_info,
    "ProjectInternalId": project_info,
    "ProjectThere": project_info,
    "RunsThere": runs_there,
    "GetProjects": projects,
    "UpsertBucket": upsert_bucket,
    "RunResumeStatus": resume_status,
    "CreateRunFiles": run_files,
    "Run": one_run,
    "RunHistoryKeys": one_run,
    "HistoryPage": history_page,
    "RunFullHistory": history_page,
    "Runs": all_runs,
    "RunParquetHistory": live_history,
}
