"""Records for tests, and a way to make any port fail at any call."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.ids import ulid
from chalicelib.contract.objects import image_key
from chalicelib.contract.records import Image, ImageStatus, Label, Project, Session, User
from chalicelib.contract.states import Status
from chalicelib.contract.tables import ACTIVE

NOW = "2026-01-31T08:15:00.000Z"


def new_id(milliseconds: int = 1_769_000_000_000) -> str:
    return ulid(milliseconds)


def make_user(**changes: Any) -> User:
    user_id = new_id()
    own = {"user_id": user_id, "username": f"u{user_id}", "email": f"{user_id}@example.org"}
    return User(
        **(own | {"password_hash": "hash of secret", "token_version": 1, "created_at": NOW} | changes)
    )


def make_project(**changes: Any) -> Project:
    own = {"project_id": new_id(), "user_id": new_id(), "project_name": "cats", "description": ""}
    return Project(**(own | {"task_type": "classification", "created_at": NOW} | changes))


def make_image(project_id: str, **changes: Any) -> Image:
    """An accepted image, the bytes of which are told apart by its id."""
    image_id = changes.get("image_id") or new_id()
    own = {
        "project_id": project_id,
        "image_id": image_id,
        "status": ImageStatus.ACCEPTED,
        "upload_time": NOW,
        "file_name": f"{image_id}.png",
        "file_path": image_key(project_id, image_id),
        "content_type": "image/png",
        "size_bytes": 5,
        "width": 8,
        "height": 6,
        "sha256": sha256(image_id.encode()).hexdigest(),
        "etag": "e",
    }
    return Image(**(own | changes))


def make_label(project_id: str, image_id: str, label: Any = "cat") -> Label:
    return Label(project_id=project_id, label_id=image_id, image_id=image_id, label=label, updated_at=NOW)


def make_session(project_id: str = "", status: Status = Status.QUEUED, **changes: Any) -> Session:
    own = {
        "project_id": project_id or new_id(),
        "session_id": new_id(),
        "user_id": new_id(),
        "config_id": new_id(),
        "config": TrainingConfig().resolved().to_json(),
        "status": status,
        "start_time": NOW,
        "active": ACTIVE if status in (Status.QUEUED, Status.PROVISIONING, Status.RUNNING) else None,
    }
    return Session(**(own | changes))


class Crash(BaseException):
    """The process died: no handler of ours may catch it."""


class Crashes:
    """Counts the calls of the ports that it wraps, and dies at one of them.

    Args:
        at: at which call, from 1; 0 is never.
        after: whether the call has its effect before the process dies.
    """

    def __init__(self, at: int, *, after: bool) -> None:
        self.calls = 0
        self._at = at
        self._after = after

    def wrap(self, port: Any) -> Any:
        return _Wrapped(port, self)

    def run(self, call: Callable[[], Any]) -> Any:
        self.calls += 1
        if self.calls != self._at:
            return call()
        if self._after:
            call()
        raise Crash


class _Wrapped:
    def __init__(self, port: Any, crashes: Crashes) -> None:
        self._port = port
        self._crashes = crashes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not callable(method):
            return method
        return lambda *args, **kwargs: self._crashes.run(lambda: method(*args, **kwargs))
