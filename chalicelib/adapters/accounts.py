"""Users, logins and projects in DynamoDB, and the read that admits a request."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from ..contract.attributes import from_item, to_item
from ..contract.errors import ConflictError, NotFoundError
from ..contract.records import Project, RefreshToken, Session, User
from ..contract.tables import (
    EMAIL_MARKER,
    PROJECTS,
    PROJECTS_BY_USER,
    REFRESH_MARKER,
    REMOVING,
    REMOVING_PROJECTS,
    SESSIONS,
    USERNAME_MARKER,
    USERS,
)
from ..services.names import folded
from ..services.ports import Seen
from .dynamodb import Tables

#: No user's id.
_NOBODY = "nobody"
_MAX_MARKER_BYTES = 1024
_IS_NEW = "attribute_not_exists(#UserID)"


class DynamoAdmissionReader:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def read(self, user_id: str, project_id: str | None, session_id: str | None) -> Seen:
        keys: list[tuple[str, dict[str, Any]]] = [(USERS, {"UserID": user_id})]
        if project_id is not None:
            keys.append((PROJECTS, {"ProjectID": project_id}))
        if project_id is not None and session_id is not None:
            keys.append((SESSIONS, {"ProjectID": project_id, "SessionID": session_id}))
        found = dict(self._tables.get_many(keys))
        return Seen(
            from_item(User, found[USERS]) if USERS in found else None,
            from_item(Project, found[PROJECTS]) if PROJECTS in found else None,
            from_item(Session, found[SESSIONS]) if SESSIONS in found else None,
        )


class DynamoUsers:
    """Users, with a marker item for each email address and username that is taken."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, user: User) -> None:
        markers = {
            "email-taken": _marker(EMAIL_MARKER, user.email),
            "username-taken": _marker(USERNAME_MARKER, user.username),
        }
        actions = [self._tables.put_action(USERS, to_item(user), _IS_NEW)]
        for marker in markers.values():
            item = {"UserID": {"S": marker}, "OwnerID": {"S": user.user_id}}
            actions.append(self._tables.put_action(USERS, item, _IS_NEW))
        went_through = self._tables.transact(actions)
        for code, is_free in zip(markers, went_through[1:], strict=True):
            if not is_free:
                what = code.removesuffix("-taken")
                raise ConflictError(f"this {what} is taken", code=code, hint="Log in, or choose another.")

    def get(self, user_id: str) -> User | None:
        item = self._tables.get(USERS, {"UserID": user_id})
        return from_item(User, item) if item else None

    def get_by_login(self, login: str) -> User | None:
        prefix = EMAIL_MARKER if "@" in login else USERNAME_MARKER
        marker = self._tables.get(USERS, {"UserID": _marker(prefix, login)})
        # Nobody is looked for too: the time of an answer tells nothing.
        return self.get(marker["OwnerID"]["S"] if marker else _NOBODY)

    def end_all_logins(self, user_id: str, token_version: int) -> None:
        values = {"version": token_version, "next": token_version + 1}
        change = "SET #TokenVersion = :next"
        self._tables.update(USERS, {"UserID": user_id}, change, "#TokenVersion = :version", values)

    def change_password(self, user: User, password_hash: str) -> User | None:
        changed = replace(user, password_hash=password_hash, token_version=user.token_version + 1)
        went_through = self._tables.update(
            USERS,
            {"UserID": user.user_id},
            "SET #PasswordHash = :new, #TokenVersion = :next",
            "#PasswordHash = :old AND #TokenVersion = :version",
            {
                "new": password_hash,
                "next": changed.token_version,
                "old": user.password_hash,
                "version": user.token_version,
            },
        )
        # A hash has a salt of its own: what is there was written by this call, whose answer was lost.
        is_ours = went_through or self.get(user.user_id) == changed
        return changed if is_ours else None

    def add_login(self, token: RefreshToken) -> None:
        self._tables.put(USERS, to_item(_stored(token)), _IS_NEW)

    def rotate_login(self, family: str, old_token_id: str, token: RefreshToken) -> bool:
        item = to_item(_stored(replace(token, user_id=family)))
        return self._tables.put(USERS, item, "#TokenID = :old", {"old": old_token_id})

    def get_login(self, family: str) -> RefreshToken | None:
        item = self._tables.get(USERS, {"UserID": REFRESH_MARKER + family})
        return replace(from_item(RefreshToken, item), user_id=family) if item else None

    def end_login(self, family: str) -> None:
        self._tables.delete(USERS, {"UserID": REFRESH_MARKER + family})


def _marker(prefix: str, name: str) -> str:
    """The key that takes a name; a character can fold into 18, and a key has 2,048 bytes at most."""
    text = folded(name)
    whole = text if len(text.encode()) <= _MAX_MARKER_BYTES else sha256(text.encode()).hexdigest()
    return prefix + whole


def _stored(token: RefreshToken) -> RefreshToken:
    return replace(token, user_id=REFRESH_MARKER + token.user_id)


class DynamoProjects:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, project: Project) -> None:
        self._tables.put(PROJECTS, to_item(project), "attribute_not_exists(#ProjectID)")

    def list(self, user_id: str, limit: int, before: str | None) -> Sequence[Project]:
        values = {"user": user_id} | ({"before": before} if before else {})
        condition = "#UserID = :user" + (" AND #ProjectID < :before" if before else "")
        items = self._tables.query(
            PROJECTS,
            condition,
            values,
            index=PROJECTS_BY_USER,
            where="attribute_not_exists(#DeletedAt)",
            descending=True,
            limit=limit,
        )
        return [from_item(Project, each) for each in items]

    def rename(self, project_id: str, project_name: str | None, description: str | None) -> Project:
        changes = {"ProjectName": project_name, "Description": description}
        values = {name: value for name, value in changes.items() if value is not None}
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        is_there = "attribute_exists(#ProjectID) AND attribute_not_exists(#DeletedAt)"
        key = {"ProjectID": project_id}
        changed = self._tables.update(PROJECTS, key, change, is_there, values)
        item = self._tables.get(PROJECTS, key) if changed else None
        if item is None:
            raise NotFoundError("no such project", code="project-not-found")
        return from_item(Project, item)

    def delete(self, project_id: str, deleted_at: str) -> None:
        is_there = "attribute_exists(#ProjectID) AND attribute_not_exists(#DeletedAt)"
        change, values = (
            "SET #DeletedAt = :at, #Removing = :removing",
            {"at": deleted_at, "removing": REMOVING},
        )
        self._tables.update(PROJECTS, {"ProjectID": project_id}, change, is_there, values)

    def removing(self) -> Iterator[Project]:
        condition, values = "#Removing = :removing", {"removing": REMOVING}
        found = self._tables.query(PROJECTS, condition, values, index=REMOVING_PROJECTS)
        return (from_item(Project, each) for each in found)

    def forget(self, project_id: str) -> None:
        # Without a condition: a deleted project never comes back.
        self._tables.delete(PROJECTS, {"ProjectID": project_id})
