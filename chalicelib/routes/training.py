"""Training: configure, start, watch, stop, collect."""

from hashlib import sha256

from ..bootstrap import services
from ..logs import note
from ..schemas.base import Page
from ..schemas.predictions import PredictionAnswer
from ..schemas.training import (
    ConfigurationAnswer,
    ResultsAnswer,
    SessionAnswer,
    SessionStarted,
    StartRequest,
    StatusAnswer,
    TrainingConfigure,
    training_config,
)
from ..services.runs import POLL_SECONDS
from .api import Answered, Api, Call, Query
from .body import read_files
from .idempotency import idempotency_key
from .paging import PAGING, page

api = Api(__name__)


@api.endpoint(
    "PUT",
    "/api/projects/{projectId}/training/configure",
    summary="Set the training parameters; what is left out gets a default that trains well.",
    body=TrainingConfigure,
    answers={200: ConfigurationAnswer},
    scope="train",
)
def configure(call: Call) -> Answered:
    stored = services().training.configure(call.admitted.project, training_config(call.body))
    return Answered(200, ConfigurationAnswer.of(stored))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/training/configure",
    summary="The current training parameters.",
    answers={200: ConfigurationAnswer},
    scope="read",
)
def get_configuration(call: Call) -> Answered:
    return Answered(200, ConfigurationAnswer.of(services().training.configuration(call.admitted.project)))


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/training/start",
    summary="Start a run with the current configuration, on a dataset version or the data as it is now.",
    body=StartRequest,
    body_optional=True,
    headers={"Idempotency-Key": "With the same key, a repeated request within 24 hours starts nothing new."},
    answers={202: SessionStarted},
    scope="train",
)
def start(call: Call) -> Answered:
    project = call.admitted.project
    key = idempotency_key(call.headers)
    request_hash = sha256(call.raw).hexdigest()
    started = services().training.start(project, key, request_hash, call.body.version_id, call.request_id)
    note(sessionId=started.session_id)
    headers = {
        "Location": f"/api/projects/{project.project_id}/training/{started.session_id}/status",
        "Retry-After": str(POLL_SECONDS),
    }
    if started.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answered(202, SessionStarted(session_id=started.session_id, status=started.status), headers)


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/training",
    summary="The project's runs, newest first.",
    query=PAGING,
    answers={200: Page[SessionAnswer]},
    scope="read",
)
def list_sessions(call: Call) -> Answered:
    limit = call.query["limit"]
    found = services().runs.list(call.admitted.project.project_id, limit, call.query["cursor"])
    return Answered(200, page(found, limit, lambda each: each.session_id, SessionAnswer.of))


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/training/{sessionId}/stop",
    summary="Stop a run; one that is training keeps its best weights so far.",
    answers={202: SessionAnswer},
    scope="train",
    problems=(409,),
)
def stop(call: Call) -> Answered:
    return Answered(202, SessionAnswer.of(services().runs.stop(call.admitted.session)))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/training/{sessionId}/status",
    summary="How a run is doing.",
    query={
        "history": Query(bool, False, "Also every epoch so far."),
        "configuration": Query(bool, False, "Also the parameters that it trains with."),
    },
    headers={"If-None-Match": "The ETag of an earlier answer: 304 where nothing has changed since."},
    answers={200: StatusAnswer, 304: None},
    scope="read",
)
def status(call: Call) -> Answered:
    watched = services().runs.watch(call.admitted.session, call.query["history"])
    answer = StatusAnswer.of_watched(watched, call.query["configuration"])
    etag = f'"{sha256(answer.model_dump_json().encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if etag in call.headers.get("if-none-match", ""):
        return Answered(304, "", headers)
    return Answered(200, answer, headers)


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/training/{sessionId}/results",
    summary="Accuracy, loss, confusion matrix, model details and the model's files.",
    answers={200: ResultsAnswer},
    scope="read",
    problems=(409,),
)
def results(call: Call) -> Answered:
    session = call.admitted.session
    return Answered(200, ResultsAnswer.of(services().runs.results(session), session))


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/training/{sessionId}/predict",
    summary="Try the model of a run on an image, sent in the multipart field `image`, up to 4.5 MB.",
    content_type="multipart/form-data",
    file="image",
    answers={200: PredictionAnswer},
    scope="read",
    problems=(409,),
)
def predict(call: Call) -> Answered:
    files = read_files(call.raw, call.headers["content-type"], "image")
    return Answered(200, PredictionAnswer.of(services().predictions.predict(call.admitted.session, files)))
