"""The rows of the tables. Each field is the attribute of the same name: `project_id` is ProjectID.

Times are RFC 3339 in UTC. Maps inside a row (a configuration, the latest metrics) are kept in the
camelCase form in which the API shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal, Self

from .naming import camel
from .states import TERMINAL, Phase, Status

TaskType = Literal["classification", "detection"]
#: Which part of a data set an image is kept for; an image without one is divided by the run.
SplitName = Literal["train", "val", "test"]


#: What an API key may be used for. `read`: look at everything, and take it along; `upload`: bring in and
#: arrange data; `train`: configure, start and stop runs. None of them deletes, and none reaches the account.
Scope = Literal["read", "upload", "train"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """What is kept of an API key: a hash of its secret, which nobody can get back."""

    key_id: str
    name: str
    scopes: Sequence[Scope]
    secret_sha256: str
    created_at: str
    expires_at: str | None = None
    last_used_at: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As it stands in its user's row, below its id."""
        own = {camel(each.name): getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in own.items() if name != "keyId" and value is not None}

    @classmethod
    def from_json(cls, key_id: str, kept: Mapping[str, Any]) -> Self:
        known = {each.name: camel(each.name) for each in fields(cls)}
        return cls(key_id=key_id, **{name: kept[member] for name, member in known.items() if member in kept})


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    user_id: str
    username: str
    email: str
    password_hash: str
    token_version: int
    created_at: str
    #: Key id -> what is kept of the key: in the row that every request reads, so that no other is.
    api_keys: Mapping[str, Mapping[str, Any]] | None = None

    def api_key(self, key_id: str) -> ApiKey | None:
        kept = (self.api_keys or {}).get(key_id)
        return ApiKey.from_json(key_id, kept) if kept else None


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshToken:
    """The newest refresh token of a login, kept in the Users table as `refresh#<family>`."""

    user_id: str  # refresh#<family>
    owner_id: str
    token_id: str
    expires_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginAttempts:
    """How often one account was tried, kept in the Users table; times are Unix seconds."""

    user_id: str  # attempts#<keyed hash>
    failures: int
    allowed_at: float  # when the next attempt may come
    counted_until: int  # the failures are forgotten then
    known_until: int = 0  # until then it is an address from which its owner has logged in
    expires_at: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    project_id: str
    user_id: str
    project_name: str
    description: str
    task_type: TaskType
    created_at: str
    current_config_id: str | None = None
    deleted_at: str | None = None
    #: Set with `deleted_at`, and as long as something of the project is left: the key of a sparse index.
    removing: str | None = None


class ImageStatus(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    #: Was accepted, then deleted. The row stays a while so that a late event can't bring it back
    #: and its upload still adds up.
    DELETED = "deleted"


#: The reject reason of a file that could not be processed, through no fault of the file's.
INGEST_FAILED = "ingest-failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """One image, or what became of one file of an upload."""

    project_id: str
    image_id: str
    status: ImageStatus
    upload_time: str
    file_name: str | None = None
    file_path: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    etag: str | None = None
    reject_reason: Mapping[str, str] | None = None
    duplicate_of: str | None = None
    upload_id: str | None = None
    #: Further names under which the same bytes were uploaded: labels by file name find it too.
    aliases: frozenset[str] | None = None
    split: SplitName | None = None
    #: 128 bits, hexadecimal: images that look alike differ in few of them.
    perceptual_hash: str | None = None
    expires_at: int | None = None

    def tombstone(self, expires_at: int) -> "Image":
        """What stays of it when it is deleted: enough to say what its file had become."""
        reason = {"code": "deleted", "message": "deleted"} if self.reject_reason else None
        return Image(
            project_id=self.project_id,
            image_id=self.image_id,
            status=ImageStatus.DELETED,
            upload_time=self.upload_time,
            upload_id=self.upload_id,
            reject_reason=reason,
            duplicate_of=self.duplicate_of,
            expires_at=expires_at,
        )

    @property
    def may_be_retried(self) -> bool:
        """Whether the file was refused for our own failure, so that another try may replace this."""
        return self.reject_reason is not None and self.reject_reason["code"] == INGEST_FAILED


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A batch of announced files, kept in the Images table as `upload#<uploadId>`.

    File number `i` has the image id `ulid_at(upload_id, 1 + i)`, so all of an upload's rows lie
    side by side and are read by one query. The file names are kept compressed, in parts that fit
    into items of 400 KB: `upload#<uploadId>#<part>`.
    """

    project_id: str
    image_id: str  # upload#<uploadId>
    upload_id: str
    expected: int
    parts: int
    created_at: str
    closes_at: str
    expires_at: int
    #: Of an import: its files come out of an archive, and no signed form brings them.
    is_import: bool = False


#: A box in pixels of the upright image: left, top, width, height.
Box = list[float]
#: A class, or for detection a list of {"label": class, "box": Box}.
LabelValue = str | list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What an image shows. LabelID is the image's own id: labelling again replaces."""

    project_id: str
    label_id: str
    image_id: str
    label: LabelValue
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """One immutable version of a project's training configuration."""

    project_id: str
    config_id: str
    learning_rate: float
    epochs: int
    batch_size: int
    other_parameters: Mapping[str, Any]
    created_at: str

    def to_json(self) -> dict[str, Any]:
        """The parameters as `TrainingConfig.from_json` reads them."""
        own = {"learningRate": self.learning_rate, "epochs": self.epochs, "batchSize": self.batch_size}
        return own | dict(self.other_parameters)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a session failed: a code for programs, a sentence for people."""

    code: str
    message: str

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One run of training, with a snapshot of the configuration that it uses."""

    project_id: str
    session_id: str
    user_id: str
    config_id: str
    config: Mapping[str, Any]
    status: Status
    start_time: str
    end_time: str | None = None
    progress: float = 0
    phase: str = Phase.QUEUED
    metrics: Mapping[str, Any] | None = None
    eta_seconds: int | None = None
    batch_job_id: str | None = field(default=None, metadata={"attribute": "JobID"})
    attempt: int = 0
    generation: int = 1
    heartbeat_at: str | None = None
    stop_requested_at: str | None = None
    failure_reason: Mapping[str, str] | None = None
    results_key: str | None = None
    #: The data set that it trains on: a version of the project's, and the SHA-256 of its manifest.
    version_id: str | None = None
    version_name: str | None = None
    dataset_hash: str | None = None
    active: str | None = None
    #: What a later attempt goes on from: key, sha256, epoch, step; `previous` is the one before.
    checkpoint: Mapping[str, Any] | None = None
    #: Of the request that started it: it stands in every line of the log that is about this run.
    request_id: str | None = None

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """What one epoch of a session measured. Losses are means over images, accuracies fractions."""

    session_id: str
    epoch: int  # from 1; 0 is the head on a frozen, pretrained backbone
    train_loss: float
    train_accuracy: float | None = None  # None for a detector; its val_accuracy is mAP@0.5
    val_loss: float
    val_accuracy: float
    learning_rate: float
    images_per_second: float
    epoch_seconds: float
    created_at: str
    expires_at: int

    def to_json(self) -> dict[str, Any]:
        """As the API shows it, among a session's metrics and in its history."""
        return {
            "epoch": self.epoch,
            "trainLoss": self.train_loss,
            "trainAccuracy": self.train_accuracy,
            "valLoss": self.val_loss,
            "valAccuracy": self.val_accuracy,
            "learningRate": self.learning_rate,
            "imagesPerSecond": self.images_per_second,
            "epochSeconds": self.epoch_seconds,
        }
