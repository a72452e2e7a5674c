"""GraphQL operations about artifacts and reports."""

import json
from typing import Any

from .run_operations import NO_MORE, Operation, Variables
from .state import NOW, Artifact, Refusal, State, View


def digest_algorithm(state: State, variables: Variables, base: str) -> dict[str, Any]:
    return {"entity": {"xxhashDigestsEnabled": False}, "project": None}


def artifact_type(state: State, variables: Variables, base: str) -> dict[str, Any]:
    """Answer for an artifact by name; its type is unknown until the first version."""
    name = variables["name"].partition(":")[0] if variables.get("name") else None
    known = state.committed(name) if name else []
    found = {"artifactType": {"name": known[-1].type}} if known else None
    return {"project": {"artifact": found}}


def create(state: State, variables: Variables, base: str) -> dict[str, Any]:
    asked = variables["input"]
    project = state.project(asked["entityName"], asked["projectName"])
    if project is None or state.run(project.entity, project.name, asked["runName"]) is None:
        raise Refusal(404, "no such run")
    collection = asked["artifactCollectionName"]
    versions = state.committed(collection)
    same = [version for version in versions if version.digest == asked["digest"]]
    if same:
        artifact = same[-1]
    else:
        number = len(state.artifacts) + 1
        artifact = Artifact(
            project,
            collection,
            asked["artifactTypeName"],
            asked["digest"],
            f"Artifact:{number}",
            asked["runName"],
            json.loads(asked.get("metadata") or "null"),
            [alias["alias"] for alias in asked.get("aliases") or []],
        )
        state.artifacts[artifact.id] = artifact
    latest = {"id": versions[-1].id} if versions else None
    described = {
        "id": artifact.id,
        "state": artifact.state,
        "artifactSequence": {"latestArtifact": latest},
    }
    return {"createArtifact": {"artifact": described}}


def create_manifest(state: State, variables: Variables, base: str) -> dict[str, Any]:
    artifact = _artifact(state, variables["artifactID"])
    stored = f"{artifact.id}:manifest"
    described: dict[str, Any] = {"id": stored, "file": {"id": stored}}
    if variables["includeUpload"]:
        artifact.manifest = stored
        described["file"] |= {"uploadUrl": f"{base}/storage/{stored}", "uploadHeaders": []}
    return {"createArtifactManifest": {"artifactManifest": described}}


def create_files(state: State, variables: Variables, base: str) -> dict[str, Any]:
    edges = []
    for asked in variables["input"]["artifactFiles"]:
        artifact = _artifact(state, asked["artifactID"])
        stored = f"{artifact.id}:{asked['name']}".replace("/", "|")
        artifact.files[asked["name"]] = stored
        node: Variables = {
            "storagePath": stored,
            "uploadUrl": f"{base}/storage/{stored}",
            "uploadHeaders": [],
            "uploadMultipartUrls": None,
            "artifact": {"id": artifact.id},
        }
        edges.append({"node": node})
    return {"createArtifactFiles": {"files": {"edges": edges}}}


def commit(state: State, variables: Variables, base: str) -> dict[str, Any]:
    """Make a version of what is whole: the manifest is there, and every file that it names."""
    artifact = _artifact(state, variables["artifactID"])
    manifest = state.blobs.get(artifact.manifest or "")
    if manifest is None:
        raise Refusal(400, f"{artifact.collection}: the manifest is not there")
    named = json.loads(manifest)["contents"]
    lacking = [path for path in named if artifact.files.get(path) not in state.blobs]
    if lacking:
        raise Refusal(400, f"{artifact.collection}: not there: {lacking}")
    if artifact.state != "COMMITTED":
        artifact.version = len(state.committed(artifact.collection))
        artifact.state = "COMMITTED"
    return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.digest}}}


def _artifact(state: State, name: str) -> Artifact:
    if name not in state.artifacts:
        raise Refusal(404, f"no artifact {name}")
    return state.artifacts[name]


def by_id(state: State, variables: Variables, base: str) -> dict[str, Any]:
    return {"artifact": _described(state, _artifact(state, variables["id"]))}


def by_name(state: State, variables: Variables, base: str) -> dict[str, Any]:
    collection, _, version = variables["name"].partition(":")
    versions = state.committed(collection)
    if version and version != "latest":
        versions = [each for each in versions if f"v{each.version}" == version]
    if not versions:
        return {"project": {"artifactCollectionMembership": None}}
    artifact = versions[-1]
    membership: Variables = {
        "__typename": "ArtifactCollectionMembership",
        "id": f"Membership:{artifact.id}",
        "versionIndex": artifact.version,
        "createdAt": NOW,
        "aliases": [],
        "artifactCollection": _collection(artifact),
        "artifact": _described(state, artifact),
    }
    return {"project": {"artifactCollectionMembership": membership}}


def _collection(artifact: Artifact) -> dict[str, Any]:
    project = artifact.project
    return {
        "__typename": "ArtifactSequence",
        "name": artifact.collection,
        "project": {
            "id": project.id,
            "internalId": str(project.number),
            "name": project.name,
            "entity": {"name": project.entity},
        },
    }


def _described(state: State, artifact: Artifact) -> dict[str, Any]:
    sizes = [len(state.blobs.get(stored, b"")) for stored in artifact.files.values()]
    return {
        "__typename": "Artifact",
        "id": artifact.id,
        "artifactSequence": _collection(artifact),
        "versionIndex": artifact.version,
        "artifactType": {"name": artifact.type},
        "description": None,
        "metadata": json.dumps(artifact.metadata),
        "ttlDurationSeconds": -2,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": artifact.state,
        "size": sum(sizes),
        "digest": artifact.digest,
        "digestAlgorithm": None,
        "commitHash": "c",
        "fileCount": len(sizes),
        "createdAt": NOW,
        "updatedAt": NOW,
        "aliases": [],
    }


def upsert_view(state: State, variables: Variables, base: str) -> dict[str, Any]:
    project = state.project(variables["entityName"], variables["projectName"])
    if project is None:
        raise Refusal(404, "no such project")
    known = variables.get("id")
    if known is not None and known not in state.views:
        raise Refusal(404, f"no view {known}")
    view = View(known or f"View:{len(state.views) + 1}", project, dict(variables))
    state.views[view.id] = view
    return {"upsertView": {"view": _view(view), "inserted": known is None}}


def one_view(state: State, variables: Variables, base: str) -> dict[str, Any]:
    view = state.views.get(variables["reportId"])
    return {"view": None if view is None else _view(view)}


def all_views(state: State, variables: Variables, base: str) -> dict[str, Any]:
    edges = [
        {"node": _view(view), "cursor": view.id}
        for view in state.views.values()
        if (view.project.entity, view.project.name) == (variables["entity"], variables["project"])
    ]
    return {"project": {"allViews": {"edges": edges, "pageInfo": NO_MORE}}}


def _view(view: View) -> dict[str, Any]:
    shown = ("type", "name", "displayName", "description", "spec")
    project = {
        "id": view.project.id,
        "name": view.project.name,
        "entityName": view.project.entity,
    }
    fields = {key: view.fields.get(key) for key in shown}
    times = {"createdAt": NOW, "updatedAt": NOW, "user": None}
    return {"id": view.id, "project": project, **fields, **times}


OPERATIONS: dict[str, Operation] = {
    "XXHashDigestsEnabled": digest_algorithm,
    "FetchArtifactDigestAlgorithm": digest_algorithm,
    "ArtifactType": artifact_type,
    "CreateArtifact": create,
    "CreateArtifactManifest": create_manifest,
    "CreateArtifactFiles": create_files,
    "CommitArtifact": commit,
    "ArtifactByID": by_id,
    "ArtifactMembershipByName": by_name,
    "upsertView": upsert_view,
    "SpecificReport": one_view,
    "ProjectViews": all_views,
}
