"""The endpoints of the API that the client uses; a test finds each in the OpenAPI document."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from . import models

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """One endpoint.

    Args:
        method: HTTP method.
        path: with ids in braces.
        answer: model of the answer, or of a page's items; NoneType for an empty one.
        is_public: whether it needs no login.
        is_repeatable: whether sending it twice is the same as sending it once. With an
            idempotency key every request is.
    """

    method: str
    path: str
    answer: type[T]
    is_public: bool = False
    is_repeatable: bool = True


_PROJECT = "/api/projects/{project}"
_RUN = _PROJECT + "/training/{run}"
_NOTHING = type(None)

REGISTER = Endpoint("POST", "/api/users", models.User, is_public=True, is_repeatable=False)
ME = Endpoint("GET", "/api/users/me", models.User)
LOGIN = Endpoint("POST", "/api/auth/login", models.Tokens, is_public=True)
#: A refresh token works once: a repeated request would end the login.
REFRESH = Endpoint("POST", "/api/auth/refresh", models.Tokens, is_public=True, is_repeatable=False)
LOGOUT = Endpoint("POST", "/api/auth/logout", _NOTHING, is_public=True)

CREATE_PROJECT = Endpoint("POST", "/api/projects", models.ProjectInfo, is_repeatable=False)
PROJECTS = Endpoint("GET", "/api/projects", models.ProjectInfo)
PROJECT = Endpoint("GET", _PROJECT, models.ProjectInfo)
DELETE_PROJECT = Endpoint("DELETE", _PROJECT, _NOTHING)

IMAGES = Endpoint("GET", _PROJECT + "/data/images", models.Image)
SUMMARY = Endpoint("GET", _PROJECT + "/data/summary", models.Summary)
LABELS = Endpoint("GET", _PROJECT + "/data/labels", models.LabelledImage)
STORE_LABELS = Endpoint("POST", _PROJECT + "/data/labels", models.LabelsReport)
STORE_SPLITS = Endpoint("POST", _PROJECT + "/data/splits", models.SplitsReport)
OPEN_UPLOAD = Endpoint("POST", _PROJECT + "/data/uploads", models.OpenUpload, is_repeatable=False)
UPLOAD = Endpoint("GET", _PROJECT + "/data/uploads/{upload}", models.UploadStatus)
RENEW_UPLOAD = Endpoint("POST", _PROJECT + "/data/uploads/{upload}/renew", models.OpenUpload)

OPEN_IMPORT = Endpoint("POST", _PROJECT + "/data/imports", models.Import, is_repeatable=False)
IMPORT = Endpoint("GET", _PROJECT + "/data/imports/{transfer}", models.Import)
COMPLETE_IMPORT = Endpoint("POST", _PROJECT + "/data/imports/{transfer}/complete", models.Import)
START_EXPORT = Endpoint("POST", _PROJECT + "/data/exports", models.Export, is_repeatable=False)
EXPORT = Endpoint("GET", _PROJECT + "/data/exports/{transfer}", models.Export)

CONFIGURE = Endpoint("PUT", _PROJECT + "/training/configure", models.Configuration)
CONFIGURATION = Endpoint("GET", _PROJECT + "/training/configure", models.Configuration)
START = Endpoint("POST", _PROJECT + "/training/start", models.StartedRun, is_repeatable=False)
RUNS = Endpoint("GET", _PROJECT + "/training", models.RunInfo)
STOP = Endpoint("POST", _RUN + "/stop", models.RunInfo)
STATUS = Endpoint("GET", _RUN + "/status", models.RunStatus)
RESULTS = Endpoint("GET", _RUN + "/results", models.Results)
LOGS = Endpoint("GET", _RUN + "/logs", models.LogPage)

OPENAPI_PATH = "/api/openapi.json"
ALL: list[Endpoint[object]] = [each for each in list(globals().values()) if isinstance(each, Endpoint)]
