"""Users, logins, projects."""

from typing import Literal

from .decoding import model

TaskType = Literal["classification", "detection"]


@model("UserAnswer")
class User:
    user_id: str
    username: str
    email: str
    created_at: str


@model("LoginAnswer")
class Tokens:
    """`expires_in` is in seconds, of the access token."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int


@model("ProjectAnswer")
class ProjectInfo:
    project_id: str
    project_name: str
    description: str
    task_type: TaskType
    created_at: str
