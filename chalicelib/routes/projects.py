"""Projects."""

from ..bootstrap import services
from ..schemas.accounts import ProjectAnswer, ProjectChange, ProjectCreate
from ..schemas.base import Page
from .api import Answered, Api, Call
from .paging import PAGING, page

api = Api(__name__)


@api.endpoint(
    "POST",
    "/api/projects",
    summary="Create a project.",
    body=ProjectCreate,
    answers={201: ProjectAnswer},
    scope="upload",
)
def create_project(call: Call) -> Answered:
    body = call.body
    project = services().projects.create(
        call.admitted.user.user_id, body.project_name, body.description, body.task_type
    )
    return Answered(201, ProjectAnswer.of(project), {"Location": f"/api/projects/{project.project_id}"})


@api.endpoint(
    "GET",
    "/api/projects",
    summary="Your projects, newest first.",
    query=PAGING,
    answers={200: Page[ProjectAnswer]},
    scope="read",
)
def list_projects(call: Call) -> Answered:
    limit = call.query["limit"]
    found = services().projects.list(call.admitted.user.user_id, limit, call.query["cursor"])
    return Answered(200, page(found, limit, lambda each: each.project_id, ProjectAnswer.of))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}",
    summary="A project.",
    answers={200: ProjectAnswer},
    scope="read",
)
def get_project(call: Call) -> Answered:
    return Answered(200, ProjectAnswer.of(call.admitted.project))


@api.endpoint(
    "PATCH",
    "/api/projects/{projectId}",
    summary="Change a project's name or description.",
    body=ProjectChange,
    answers={200: ProjectAnswer},
    scope="upload",
)
def change_project(call: Call) -> Answered:
    body = call.body
    changed = services().projects.rename(call.admitted.project, body.project_name, body.description)
    return Answered(200, ProjectAnswer.of(changed))


@api.endpoint(
    "DELETE",
    "/api/projects/{projectId}",
    summary="Delete a project: it and all below it can't be reached any more.",
    answers={204: None},
)
def delete_project(call: Call) -> Answered:
    services().projects.delete(call.admitted.project)
    return Answered(204)
