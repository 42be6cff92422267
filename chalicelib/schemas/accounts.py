"""Users, logins and projects."""

from typing import Annotated, Self

from pydantic import Field

from ..contract.records import Project, TaskType, User
from ..services.accounts import Login
from . import patterns
from .base import Answer, Request

Email = Annotated[str, Field(pattern=patterns.EMAIL, max_length=254)]
Username = Annotated[str, Field(pattern=patterns.USERNAME, min_length=3, max_length=40)]
Password = Annotated[str, Field(min_length=8, max_length=128)]


class UserCreate(Request):
    username: Username
    email: Email
    password: Password


class UserAnswer(Answer):
    user_id: str
    username: str
    email: str
    created_at: str

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(user_id=user.user_id, username=user.username, email=user.email, created_at=user.created_at)


class LoginRequest(Request):
    """`login` is an email address or a username."""

    login: Annotated[str, Field(min_length=1, max_length=254)]
    password: Annotated[str, Field(max_length=128)]


class PasswordChange(Request):
    current_password: Annotated[str, Field(max_length=128)]
    new_password: Password


class RefreshRequest(Request):
    refresh_token: Annotated[str, Field(max_length=2000)]


class LogoutRequest(RefreshRequest):
    """With `everywhere` every login of the user ends, and every access token with it."""

    everywhere: bool = False


class LoginAnswer(Answer):
    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: Annotated[int, Field(description="Seconds until the access token expires.")]

    @classmethod
    def of(cls, login: Login) -> Self:
        return cls(
            access_token=login.access_token, refresh_token=login.refresh_token, expires_in=login.expires_in
        )


ProjectName = Annotated[str, Field(max_length=100, pattern=patterns.VISIBLE)]
Description = Annotated[str, Field(max_length=2000)]


class ProjectCreate(Request):
    project_name: ProjectName
    description: Description = ""
    task_type: TaskType = "classification"


class ProjectChange(Request):
    """What is left out stays as it is."""

    project_name: ProjectName | None = None
    description: Description | None = None


class ProjectAnswer(Answer):
    project_id: str
    project_name: str
    description: str
    task_type: TaskType
    created_at: str

    @classmethod
    def of(cls, project: Project) -> Self:
        return cls(
            project_id=project.project_id,
            project_name=project.project_name,
            description=project.description,
            task_type=project.task_type,
            created_at=project.created_at,
        )
