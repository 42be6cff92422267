"""The way in: a client of one Darkroom, as one user."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from . import configuration, endpoints
from .destinations import key_for
from .errors import ConfigurationError, NotFoundError
from .files import state_folder
from .logins import ApiKey, FileStore, Login, LoginStore, MemoryStore, RenewingLogin
from .models import ProjectInfo, TaskType, Tokens, User
from .project import Project
from .retries import RetryPolicy
from .storage import Storage
from .transport import Credentials, Transport, normalized


class Client:
    """A client of one Darkroom.

    `Client.login(...)` is for a program with a password, `Client.from_settings()` for one that
    uses what the `darkroom` command uses: the settings, and its stored login or DARKROOM_API_KEY.
    Close it, or use it as a context manager.

    Args:
        transport: how requests are sent.
        state: the folder in which unfinished uploads are kept.
    """

    def __init__(self, transport: Transport, *, state: Path | None = None) -> None:
        self.transport = transport
        self.storage = Storage(transport.retries)
        self.state = state or state_folder(os.environ)

    @classmethod
    def login(
        cls,
        url: str,
        login: str,
        password: str,
        *,
        store: LoginStore | None = None,
        retries: RetryPolicy | None = None,
    ) -> Self:
        """Logs in.

        Args:
            url: of the API, such as https://host.example.
            login: email address or username.
            password: of the user.
            store: where the login is kept; by default in this object alone.
            retries: when a request is sent again.

        Raises:
            AuthenticationError: wrong login or password.
        """
        transport = Transport(normalized(url), retries=retries or RetryPolicy())
        tokens = transport.call(endpoints.LOGIN, body={"login": login, "password": password})
        store = store or MemoryStore()
        with store.held():
            store.write(Login.of(tokens, login))
        return cls(transport.signed_in(renewing(transport, store)))

    @classmethod
    def with_api_key(cls, url: str, api_key: str, *, retries: RetryPolicy | None = None) -> Self:
        """A client that needs no login."""
        return cls(Transport(normalized(url), ApiKey(api_key), retries or RetryPolicy()))

    @classmethod
    def from_settings(
        cls, settings: configuration.Settings | None = None, *, retries: RetryPolicy | None = None
    ) -> Self:
        """A client as the command has it: by the API key of the environment, else by the stored login.

        Raises:
            ConfigurationError: a setting is wrong, or the API key isn't sent to a URL that only the
                present folder names.
        """
        settings = settings or configuration.load(os.environ, Path.cwd())
        key = key_for(settings)
        transport = Transport(normalized(settings.url.value), retries=retries or RetryPolicy())
        credentials: Credentials
        if key:
            credentials = ApiKey(key)
        else:
            credentials = renewing(transport, FileStore(settings.credentials_file, transport.url))
        return cls(transport.signed_in(credentials))

    @property
    def url(self) -> str:
        return self.transport.url

    def me(self) -> User:
        """Who is logged in."""
        return self.transport.call(endpoints.ME)

    def create_project(
        self, name: str, *, task_type: TaskType = "classification", description: str = ""
    ) -> Project:
        body = {"projectName": name, "taskType": task_type, "description": description}
        return Project(self, self.transport.call(endpoints.CREATE_PROJECT, body=body))

    def projects(self) -> Iterator[ProjectInfo]:
        """Your projects, newest first."""
        return self.transport.pages(endpoints.PROJECTS)

    def project(self, id_or_name: str) -> Project:
        """A project by its id, or by its name where only one has it.

        Raises:
            NotFoundError: there is none.
            ConfigurationError: several have that name.
        """
        if _is_id(id_or_name):
            try:
                return Project(self, self.transport.call(endpoints.PROJECT, project=id_or_name))
            except NotFoundError:
                pass  # a name may look like an id
        found = [each for each in self.projects() if each.project_name == id_or_name]
        if not found:
            raise NotFoundError(f"you have no project {id_or_name!r}", code="project-not-found", status=404)
        if len(found) > 1:
            ids = ", ".join(each.project_id for each in found)
            raise ConfigurationError(
                f"{len(found)} projects are called {id_or_name!r}", hint=f"Say which: {ids}"
            )
        return Project(self, found[0])

    def close(self) -> None:
        self.transport.close()
        self.storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def renewing(transport: Transport, store: LoginStore) -> RenewingLogin:
    """Credentials that renew themselves by the login in a store."""

    def refresh(refresh_token: str) -> Tokens:
        return transport.call(endpoints.REFRESH, body={"refreshToken": refresh_token})

    return RenewingLogin(store, refresh)


def _is_id(text: str) -> bool:
    """Whether it has the form of an id, a ULID."""
    return len(text) == 26 and text[0] in "01234567" and set(text) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
