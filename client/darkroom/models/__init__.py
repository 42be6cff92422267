"""What the API answers, as dataclasses; a test compares each with its schema in the OpenAPI document."""

from .accounts import ProjectInfo, TaskType, Tokens, User
from .data import (
    Image,
    Label,
    LabelledImage,
    LabelProblem,
    LabelsReport,
    OpenUpload,
    Reason,
    RejectedFile,
    SplitName,
    SplitsReport,
    UploadStatus,
)
from .decoding import MODELS, decode, encode
from .logs import LogLine, LogPage
from .results import Artifact, Results
from .summary import Summary
from .training import OVER, Configuration, Metrics, RunInfo, RunState, RunStatus, StartedRun
from .transfers import Export, FormatName, Import

__all__ = [
    "MODELS",
    "OVER",
    "Artifact",
    "Configuration",
    "Export",
    "FormatName",
    "Image",
    "Import",
    "Label",
    "LabelProblem",
    "LabelledImage",
    "LabelsReport",
    "LogLine",
    "LogPage",
    "Metrics",
    "OpenUpload",
    "ProjectInfo",
    "Reason",
    "RejectedFile",
    "Results",
    "RunInfo",
    "RunState",
    "RunStatus",
    "SplitName",
    "SplitsReport",
    "StartedRun",
    "Summary",
    "TaskType",
    "Tokens",
    "UploadStatus",
    "User",
    "decode",
    "encode",
]
