"""/api/openapi.json: what the other resources declare."""

import json

from ..openapi import document
from . import (
    api_keys,
    console,
    images,
    labels,
    projects,
    run_logs,
    training,
    transfers,
    uploads,
    users,
    versions,
)
from .api import Answered, Api, Call

api = Api(__name__)

#: Every Blueprint of the API.
BLUEPRINTS = (
    users.api,
    api_keys.api,
    projects.api,
    uploads.api,
    images.api,
    labels.api,
    versions.api,
    transfers.api,
    training.api,
    run_logs.api,
    console.api,
    api,
)


@api.endpoint("GET", "/api/openapi.json", summary="This document.", answers={200: None}, public=True)
def openapi(_: Call) -> Answered:
    return Answered(
        200, json.dumps(document(each for blueprint in BLUEPRINTS for each in blueprint.endpoints))
    )
