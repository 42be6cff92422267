"""Trying a model out: what is asked of the predictor, and what its refusals become."""

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import ConflictError, UnavailableError, UnprocessableError
from chalicelib.contract.states import Status
from chalicelib.services.direct_uploads import SentFile
from chalicelib.services.prediction_ports import Classified, Prediction
from tests.fakes import fake_ports
from tests.images import image
from tests.support import make_session

CAT = Classified((Prediction("cat", 0.75), Prediction("dog", 0.25)))
FILE = SentFile("a.png", image())


@pytest.fixture
def ports():
    return fake_ports()


def _session(**changes):
    return make_session(**({"status": Status.COMPLETED, "results_key": "results"} | changes))


def test_the_model_of_the_runs_results_is_asked(ports):
    """What the predictor says of the image under the session's own results key is the answer."""
    ports.predictor.models["results"] = CAT
    assert assemble(ports).predictions.predict(_session(), [FILE]) == CAT


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.RUNNING, "run-not-over"), (Status.FAILED, "run-failed"), (Status.STOPPED, "run-stopped")],
)
def test_a_run_without_results_has_no_model(ports, status, code):
    """Each state says why, and one that may still have a model when to ask again."""
    with pytest.raises(ConflictError) as caught:
        assemble(ports).predictions.predict(_session(status=status, results_key=None), [FILE])
    assert caught.value.code == code
    assert bool(caught.value.retry_after_seconds) == (status is Status.RUNNING)


def test_a_bad_image_is_a_wrong_field(ports):
    """The refusal of the file becomes one of the request, with its code, that points at the field."""
    ports.predictor.models["results"] = CAT
    with pytest.raises(UnprocessableError) as caught:
        assemble(ports).predictions.predict(_session(), [SentFile("a.txt", b"text")])
    assert (caught.value.code, caught.value.errors[0].pointer) == ("unsupported-format", "/image")


def test_several_images_are_refused(ports):
    """One image a request: which of several an answer is of would be a guess."""
    with pytest.raises(UnprocessableError, match="one image"):
        assemble(ports).predictions.predict(_session(), [FILE, FILE])


def test_what_is_busy_stays_busy(ports):
    """A predictor without room is no conflict and no bad image."""
    ports.predictor.fails = UnavailableError("busy", retry_after_seconds=5)
    with pytest.raises(UnavailableError):
        assemble(ports).predictions.predict(_session(), [FILE])
