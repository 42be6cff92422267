"""The tables and their keys. The tables themselves are made by infra/template.yaml alone."""

from typing import Final

USERS: Final = "Users"
PROJECTS: Final = "Projects"
IMAGES: Final = "Images"
LABELS: Final = "Labels"
CONFIGURATIONS: Final = "TrainingConfigurations"
SESSIONS: Final = "TrainingSessions"
METRICS: Final = "TrainingMetrics"
IDEMPOTENCY: Final = "Idempotency"

#: table -> its key attributes, partition key first
KEYS: Final[dict[str, tuple[str, ...]]] = {
    USERS: ("UserID",),
    PROJECTS: ("ProjectID",),
    IMAGES: ("ProjectID", "ImageID"),
    LABELS: ("ProjectID", "LabelID"),
    CONFIGURATIONS: ("ProjectID", "ConfigID"),
    SESSIONS: ("ProjectID", "SessionID"),
    METRICS: ("SessionID", "Epoch"),
    IDEMPOTENCY: ("Key",),
}

#: Projects by UserID, to list them. Never to decide ownership: an index is eventually consistent.
PROJECTS_BY_USER: Final = "UserID-index"
#: Sessions that are not over, by the attribute Active, which a terminal session doesn't have.
ACTIVE_SESSIONS: Final = "Active-index"
ACTIVE: Final = "active"
#: On a project and on a user, the sessions that count against their limits: a set of `slot`s.
SLOTS: Final = "ActiveSessions"
#: Deleted projects of which something is left, by the attribute Removing, which no other project has.
REMOVING_PROJECTS: Final = "Removing-index"
REMOVING: Final = "removing"

#: Time to live, in Unix seconds, on every table that forgets: Users, Images, TrainingMetrics, Idempotency.
EXPIRES_AT: Final = "ExpiresAt"

EMAIL_MARKER: Final = "email#"
USERNAME_MARKER: Final = "username#"
REFRESH_MARKER: Final = "refresh#"
#: Counts attempts to log in; a keyed hash of the account, or of the account and an address, follows.
ATTEMPTS_MARKER: Final = "attempts#"
SHA256_MARKER: Final = "sha256#"
UPLOAD_MARKER: Final = "upload#"
IMPORT_MARKER: Final = "import#"
EXPORT_MARKER: Final = "export#"
VERSION_MARKER: Final = "version#"
#: Takes a version's name: the SHA-256 of the folded name follows.
VERSION_NAME_MARKER: Final = "versionname#"


def slot(project_id: str, session_id: str) -> str:
    """How a session stands among those that count."""
    return f"{project_id}/{session_id}"


def slot_key(slot: str) -> dict[str, str]:
    """The key of a slot's session."""
    project_id, session_id = slot.split("/")
    return {"ProjectID": project_id, "SessionID": session_id}
