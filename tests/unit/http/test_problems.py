"""Every error as problem+json."""

import json

import pytest
from chalice.app import Response
from pydantic import ValidationError

from chalicelib.contract import errors
from chalicelib.contract.errors import DarkroomError, FieldError
from chalicelib.problems import chalice_problem, internal_problem, is_chalice_error, problem, unprocessable
from chalicelib.schemas.accounts import ProjectCreate, UserCreate
from chalicelib.schemas.api_keys import KeyCreate
from chalicelib.schemas.base import Problem
from chalicelib.schemas.labels import LabelsAnswer, LabelsCreate
from chalicelib.schemas.training import TrainingConfigure, training_config
from chalicelib.schemas.uploads import UploadCreate
from chalicelib.schemas.versions import VersionCreate
from chalicelib.services.labelling import LabelFailure, LabelReport

STATUS = {
    "MalformedError": 400,
    "UnauthenticatedError": 401,
    "ForbiddenError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "TooLargeError": 413,
    "UnsupportedMediaTypeError": 415,
    "UnprocessableError": 422,
    "TooManyRequestsError": 429,
    "RequestError": 400,
    "UnavailableError": 503,
    "ContendedError": 503,
    "RejectedImageError": 500,
    "TrainingError": 500,
    "LostClaimError": 500,
}


def _tree(kind: type[DarkroomError]) -> list[type[DarkroomError]]:
    children = [each for each in kind.__subclasses__() if each.__module__ == DarkroomError.__module__]
    return [each for child in children for each in (child, *_tree(child))]


@pytest.mark.parametrize("kind", _tree(DarkroomError), ids=lambda each: each.__name__)
def test_each_error_has_its_status(kind):
    """Every class of the tree answers with its status, its code and the members of RFC 9457."""
    response = problem(kind("what is wrong"), "R")
    assert response.status_code == STATUS[kind.__name__]
    assert response.headers["Content-Type"] == "application/problem+json"
    body = Problem.model_validate(response.body)
    assert (body.status, body.detail, body.request_id) == (response.status_code, "what is wrong", "R")
    assert body.type.endswith(body.code)


def test_a_problem_carries_what_helps():
    """Hint, fields, retry time and further members are there where the error has them."""
    error = errors.UnavailableError(
        "busy",
        code="c",
        hint="wait",
        errors=[FieldError("/a", "m")],
        retry_after_seconds=5,
        extra={"counts": {"cat": 1}},
    )
    response = problem(error, "R")
    assert response.headers["Retry-After"] == "5"
    assert response.body["hint"] == "wait"
    assert response.body["errors"] == [{"pointer": "/a", "message": "m"}]
    assert response.body["counts"] == {"cat": 1}


def test_a_plain_problem_has_no_empty_members():
    """Members without a value are left out, and 401 names its scheme."""
    response = problem(errors.UnauthenticatedError("no"), "R")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert not {"hint", "errors"} & response.body.keys()


@pytest.mark.parametrize("status", [400, 404, 405, 415, 500])
def test_chalices_own_errors_are_reshaped(status):
    """Chalice's answers keep their status and headers, and say nothing of the inside."""
    own = Response({"Code": "X", "Message": "secret"}, {"Allow": "GET", "Content-Type": "a/b"}, status)
    assert is_chalice_error(own)
    reshaped = chalice_problem(own, "R")
    assert (reshaped.status_code, reshaped.headers["Allow"]) == (status, "GET")
    assert reshaped.headers["Content-Type"] == "application/problem+json"
    assert "secret" not in json.dumps(reshaped.body)


def test_our_own_answers_are_not_chalices():
    """A problem of ours, and any success, are left as they are."""
    assert not is_chalice_error(problem(errors.NotFoundError("no"), "R"))
    assert not is_chalice_error(Response({"Code": "X", "Message": "y"}, {}, 200))
    assert not is_chalice_error(Response("", {}, 500))


def test_an_unforeseen_error_says_nothing_but_its_id():
    """A 500 carries the id of the request, by which its log line is found."""
    body = internal_problem("R").body
    assert (body["status"], body["code"], body["requestId"]) == (500, "internal-error", "R")


@pytest.mark.parametrize(
    ("model", "body", "pointers"),
    [
        (ProjectCreate, {"projectName": ""}, {"/projectName"}),
        (ProjectCreate, {"projectName": "a\x00"}, {"/projectName"}),
        (ProjectCreate, {"projectName": "\ud800"}, {"/projectName"}),
        (ProjectCreate, {"projectName": "a", "x/y~z": 1}, {"/x~1y~0z"}),
        (ProjectCreate, [], {""}),
        (UploadCreate, {"files": []}, {"/files"}),
        (
            UploadCreate,
            {"files": [{"fileName": "a", "sizeBytes": "5", "contentType": 1}]},
            {"/files/0/sizeBytes", "/files/0/contentType"},
        ),
        (TrainingConfigure, {"epochs": 0, "learningRate": 11}, {"/epochs", "/learningRate"}),
        (TrainingConfigure, {"epochs": 1.5, "pretrained": 1}, {"/epochs", "/pretrained"}),
        (TrainingConfigure, {"epochs": True, "learningRate": "0.1"}, {"/epochs", "/learningRate"}),
        (TrainingConfigure, {"dropout": 0.5}, {"/dropout"}),
        (LabelsCreate, {"labels": {}}, {"/labels"}),
    ],
)
def test_wrong_fields_are_pointed_at(model, body, pointers):
    """Each wrong field is named by its JSON pointer."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate(body)
    error = unprocessable(refused.value)
    assert {each.pointer for each in error.errors} == pointers
    assert json.dumps(problem(error, "R").body)


def test_at_most_a_hundred_wrong_fields_are_listed():
    """A body with thousands of errors has a short answer."""
    with pytest.raises(ValidationError) as refused:
        UploadCreate.model_validate({"files": [{}] * 5000})
    assert len(unprocessable(refused.value).errors) == 100


@pytest.mark.parametrize(
    ("request_model", "members", "said"),
    [
        (
            UserCreate,
            {"username": "a b", "email": "a@b.cd"},
            "only letters, digits, dots, dashes and underscores",
        ),
        (UserCreate, {"username": "ann", "email": "ann"}, "no email address"),
        (ProjectCreate, {"projectName": " "}, "text that can be seen"),
        (VersionCreate, {"name": " first"}, "no space can be at its ends"),
        (KeyCreate, {"name": "ci", "scopes": ["read"], "expiresAt": "tomorrow"}, "like 2027-01-31"),
    ],
    ids=["username", "email", "name", "version", "time"],
)
def test_what_is_typed_in_another_form_is_told_what_it_is_not(request_model, members, said):
    """Names, addresses and times are each told about their own form, and not about ids."""
    given = members | ({"password": "long enough"} if request_model is UserCreate else {})
    with pytest.raises(ValidationError) as refused:
        request_model.model_validate(given)
    [wrong] = unprocessable(refused.value).errors
    assert said in wrong.message


def test_half_a_character_in_a_label_key_can_be_answered():
    """A lone surrogate, which JSON can spell and UTF-8 can't, is reported with a ? in its place."""
    body = LabelsCreate.model_validate({"labels": {"a\ud800": "cat"}})
    failures = [LabelFailure(key, "unknown-image", "no") for key in body.labels]
    [item] = json.loads(LabelsAnswer.of(LabelReport(0, failures, {})).model_dump_json())["items"]
    assert item["key"] == "a?"


def test_parameters_that_do_not_go_together_have_a_pointer():
    """Values that are each in bounds, but not together, are 422 at the field to change."""
    body = TrainingConfigure.model_validate({"architecture": "vit_b_16", "imageSize": 100})
    with pytest.raises(errors.UnprocessableError) as caught:
        training_config(body)
    assert caught.value.code == "invalid-fields"
    assert [each.pointer for each in caught.value.errors] == ["/imageSize"]
