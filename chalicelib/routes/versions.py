"""Dataset versions: name, list, fetch, compare."""

from typing import Annotated

from pydantic import Field

from ..bootstrap import services
from ..contract.datasets import DatasetVersion
from ..schemas.base import Page, Ulid
from ..schemas.versions import ComparisonAnswer, VersionAnswer, VersionCreate, VersionDetailsAnswer
from ..services.versions import CURRENT
from .api import Answered, Api, Call, Query
from .paging import PAGING, page

api = Api(__name__)

_Other = Ulid | Annotated[str, Field(pattern=f"^{CURRENT}$")]


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/versions",
    summary="Keep the labelled images as they are now under a name; later changes leave the version alone.",
    body=VersionCreate,
    answers={201: VersionDetailsAnswer},
    scope="upload",
    problems=(409,),
)
def create_version(call: Call) -> Answered:
    project_id = call.admitted.project.project_id
    made = services().versions.create(project_id, call.body.name, call.body.description)
    location = f"/api/projects/{project_id}/data/versions/{made.version_id}"
    return Answered(201, _details(made), {"Location": location})


def _details(version: DatasetVersion) -> VersionDetailsAnswer:
    return VersionDetailsAnswer.of_signed(version, services().versions.manifest_url(version))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/versions",
    summary="The versions, newest first; those without a name were made by runs.",
    query=PAGING | {"named": Query(bool, False, "Only versions that have a name.")},
    answers={200: Page[VersionAnswer]},
    scope="read",
)
def list_versions(call: Call) -> Answered:
    limit, cursor, named = call.query["limit"], call.query["cursor"], call.query["named"]
    found = services().versions.list(call.admitted.project.project_id, limit, cursor, named)
    return Answered(200, page(found, limit, lambda each: each.version_id, VersionAnswer.of))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/versions/{versionId}",
    summary="A version, and where its manifest can be fetched.",
    answers={200: VersionDetailsAnswer},
    scope="read",
)
def get_version(call: Call) -> Answered:
    found = services().versions.get(call.admitted.project.project_id, call.path["versionId"])
    return Answered(200, _details(found))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/versions/{versionId}/compare",
    summary="What changed since a version: images added, removed, relabelled, moved to another split.",
    query={"with": Query(_Other, CURRENT, f"A later version's id, or {CURRENT!r}: the data as it is now.")},
    answers={200: ComparisonAnswer},
    scope="read",
    problems=(409,),
)
def compare_versions(call: Call) -> Answered:
    project_id = call.admitted.project.project_id
    found = services().versions.compare(project_id, call.path["versionId"], call.query["with"])
    return Answered(200, ComparisonAnswer.of(found))
