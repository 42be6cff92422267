"""Configuring and starting a run; projects."""

from dataclasses import replace

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.errors import (
    ConflictError,
    NotFoundError,
    TooManyRequestsError,
    UnavailableError,
    UnprocessableError,
)
from chalicelib.contract.objects import version_key
from chalicelib.contract.states import Status
from chalicelib.services.run_ports import Limits
from tests.fakes import FakeJobs, fake_ports
from tests.support import make_image, make_label, new_id

REFUSED = UnavailableError("the queue is disabled", code="submit-refused")
LOST = UnavailableError("AWS didn't answer")


class World:
    """A project with two classes of two labelled images."""

    def __init__(self, **overrides) -> None:
        self.ports = fake_ports(**overrides)
        self.services = assemble(self.ports)
        self.project = self.services.projects.create("U", "cats", "", "classification")
        self.label("cat", "cat", "dog", "dog")

    def label(self, *classes: str, split: str | None = None) -> None:
        """Images of these classes, instead of those before."""
        self.ports.images.rows.clear()
        self.ports.labels.rows.clear()
        self.add(*classes, split=split)

    def add(self, *classes: str, split: str | None = None) -> None:
        for each in classes:
            image = make_image(self.project.project_id, split=split)
            assert self.ports.images.accept(image) is None
            self.ports.labels.put([make_label(self.project.project_id, image.image_id, each)])

    def start(self, key: str | None = None, request_hash: str = "h", version_id: str | None = None):
        return self.services.training.start(self.project, key, request_hash, version_id)

    @property
    def sessions(self) -> list:
        return list(self.ports.sessions.rows.values())


@pytest.fixture
def world() -> World:
    return World()


def test_a_start_writes_the_session_and_submits_its_job(world):
    """The session is queued with its configuration, and its job has the run's time and an hour."""
    started = world.start()
    [session] = world.sessions
    assert (started.session_id, started.status, started.replayed) == (session.session_id, "queued", False)
    assert session.config == TrainingConfig().resolved().to_json()
    [(submitted, seconds)] = world.ports.jobs.submitted
    assert submitted.session_id == session.session_id
    assert seconds == 480 * 60 + 3600
    assert session.batch_job_id in world.ports.jobs.seen
    assert (session.active, session.generation, session.user_id) == ("active", 1, "U")


def test_a_run_keeps_its_configuration(world):
    """A later change of the configuration leaves the session's snapshot as it was."""
    world.services.training.configure(world.project, TrainingConfig(epochs=3))
    world.project = world.ports.projects.rows[world.project.project_id]
    world.start()
    world.services.training.configure(world.project, TrainingConfig(epochs=5))
    assert world.sessions[0].config["epochs"] == 3


def test_a_project_without_a_configuration_gets_the_defaults(world):
    """Asking for the configuration stores the defaults as the first version, once."""
    first = world.services.training.configuration(world.project)
    world.project = world.ports.projects.rows[world.project.project_id]
    assert world.services.training.configuration(world.project) == first
    assert first.to_json() == TrainingConfig().resolved().to_json()


def test_each_configuration_is_a_new_version(world):
    """Configuring twice makes two versions, and the second is the current one."""
    configure = world.services.training.configure
    first, second = (configure(world.project, TrainingConfig(epochs=n)) for n in (3, 4))
    project = world.ports.projects.rows[world.project.project_id]
    assert project.current_config_id == second.config_id != first.config_id
    assert world.services.training.configuration(project).epochs == 4


@pytest.mark.parametrize(
    "classes", [(), ("cat",), ("cat",) * 9, ("cat", "cat", "dog"), ("a", "b", "c", "d")], ids=str
)
def test_data_that_cannot_be_trained_on_is_refused_with_counts(world, classes):
    """Under two classes of two images nothing is started, and the answer says what there is."""
    world.label(*classes)
    with pytest.raises(UnprocessableError) as refused:
        world.start()
    assert refused.value.code == "not-trainable"
    assert refused.value.extra["counts"]["labelled"] == len(classes)
    assert world.sessions == list(world.ports.versions.rows) == list(world.ports.store.objects) == []


def test_labels_without_their_images_are_not_counted(world):
    """A label that is stored while its image is deleted makes no data set trainable."""
    world.label("cat", "cat", "dog")
    world.ports.labels.put([make_label(world.project.project_id, new_id(), "dog")])
    with pytest.raises(UnprocessableError) as refused:
        world.start()
    assert refused.value.extra["counts"]["classes"] == {"cat": 2, "dog": 1}


@pytest.mark.parametrize(
    ("split", "code"), [("train", "no-validation-images"), ("val", "no-training-images")]
)
def test_splits_that_leave_nothing_are_refused(world, split, code):
    """No image is moved across a split that it was given, so that the others must leave something."""
    world.label("cat", "cat", "dog", "dog", split=split)
    with pytest.raises(UnprocessableError) as refused:
        world.start()
    assert (refused.value.code, refused.value.extra["counts"]["splits"]) == (code, {split: 4})
    assert refused.value.hint
    world.add("cat", "dog")
    world.start()


def test_a_session_names_the_data_that_it_trains_on(world):
    """The present data becomes a version without a name, whose manifest is stored before the session."""
    world.start()
    [session], [version] = world.sessions, world.ports.versions.rows.values()
    assert (session.version_id, session.dataset_hash) == (version.version_id, version.dataset_hash)
    assert version.name is session.version_name is None
    assert version_key(session.project_id, session.dataset_hash) in world.ports.store.objects


def test_the_same_data_is_one_version(world):
    """A second start on unchanged data makes no version; one on other data does."""
    for _ in range(2):
        world.start()
    assert len({each.version_id for each in world.sessions}) == len(world.ports.versions.rows) == 1
    world.add("bird")
    world.start()
    assert len({each.dataset_hash for each in world.sessions}) == len(world.ports.versions.rows) == 2


def test_an_earlier_version_can_be_trained_on(world):
    """The session names the version that was asked for, with its name, whatever the data is now."""
    version = world.services.versions.create(world.project.project_id, "first", None)
    world.label("cat")
    world.start(version_id=version.version_id)
    [session] = world.sessions
    assert (session.version_name, session.dataset_hash) == ("first", version.dataset_hash)


def test_the_version_is_judged_and_not_the_present_data(world):
    """A version that can't be trained on is refused though the project's data now could be."""
    world.label("cat")
    version = world.services.versions.create(world.project.project_id, "first", None)
    world.label("cat", "cat", "dog", "dog")
    with pytest.raises(UnprocessableError) as refused:
        world.start(version_id=version.version_id)
    assert refused.value.code == "not-trainable"
    with pytest.raises(NotFoundError):
        world.start(version_id=new_id())
    assert world.sessions == []


@pytest.mark.parametrize(("nodes", "taken"), [(1, True), (4, True), (5, False)])
def test_more_machines_than_there_are_to_be_had_are_refused(nodes, taken):
    """A run on more machines than the stage gives one is refused by the parameter, without a session."""
    world = World(jobs=FakeJobs(max_nodes=4))
    configuration = world.services.training.configure(world.project, TrainingConfig(nodes=nodes))
    world.project = replace(world.project, current_config_id=configuration.config_id)
    if taken:
        assert world.start().status == Status.QUEUED
        return
    with pytest.raises(UnprocessableError) as refused:
        world.start()
    assert (refused.value.code, refused.value.errors[0].pointer) == ("too-many-nodes", "/nodes")
    assert world.sessions == []


def test_too_many_classes_are_refused_before_the_gpu(world):
    """Labels that are names of single images would train for hours into results nobody can read."""
    world.label(*(f"class {number}" for number in range(1001)))
    with pytest.raises(UnprocessableError) as raised:
        world.start()
    assert raised.value.code == "too-many-classes"
    assert world.sessions == []


def test_detection_is_started(world):
    """A detection project with one class in two images starts, with a detector as its default."""
    world.project = replace(world.project, task_type="detection")
    world.label(*([{"label": "cat", "box": [0, 0, 5, 5]}] for _ in range(2)), [])
    world.start()
    [session] = world.sessions
    assert session.config["architecture"] == "ssdlite_mobilenet_v2"


@pytest.mark.parametrize(
    ("parameters", "pointers"),
    [
        ({"mixup": 0.2, "class_weights": "balanced"}, ["/mixup", "/classWeights"]),
        ({"augmentation": "randaugment"}, ["/augmentation"]),
    ],
    ids=str,
)
def test_parameters_of_classifiers_are_refused_for_detection(world, parameters, pointers):
    """What would change nothing for a detector is refused, each with its pointer; the rest is taken."""
    project = replace(world.project, task_type="detection")
    with pytest.raises(UnprocessableError) as refused:
        world.services.training.configure(project, TrainingConfig(**parameters))
    assert refused.value.code == "parameter-task"
    assert [each.pointer for each in refused.value.errors] == pointers
    assert world.services.training.configure(project, TrainingConfig(augmentation="strong"))


def test_classes_that_are_all_kept_for_test_are_no_second_class(world):
    """Two classes of which one is in the split test alone would fail on the GPU: start refuses them."""
    world.label("cat", "cat")
    world.add("dog", "dog", split="test")
    with pytest.raises(UnprocessableError) as refused:
        world.start()
    assert refused.value.code == "too-few-trained-classes"


def test_the_same_key_starts_once(world):
    """A repeat with its key answers the same session, and there is one job."""
    first, again = world.start("key"), world.start("key")
    assert again == replace(first, replayed=True)
    assert len(world.ports.jobs.submitted) == 1


def test_another_key_and_no_key_start_anew(world):
    """Without a key, and with another, each request starts a run."""
    ids = {world.start("key").session_id, world.start("other").session_id, world.start().session_id}
    assert len(ids) == 3


def test_a_key_belongs_to_its_project_and_request(world):
    """The same key starts another project's run, and is refused for another body."""
    world.start("key")
    with pytest.raises(UnprocessableError):
        world.start("key", "another body")
    world.project = replace(world.project, project_id=new_id())
    world.label("cat", "cat", "dog", "dog")
    assert not world.start("key").replayed


def test_a_key_is_free_again_after_a_failure(world):
    """A start that was refused for its data can be repeated with its key."""
    world.label("cat")
    with pytest.raises(UnprocessableError):
        world.start("key")
    world.label("cat", "cat", "dog", "dog")
    assert not world.start("key").replayed


def test_a_key_in_flight_is_refused(world):
    """While the first request with a key is carried out, a second one is told so."""
    key = f"start#{world.project.project_id}#key"
    world.ports.idempotency.begin(key, "h", world.ports.clock.now(), {"sessionId": new_id()})
    with pytest.raises(ConflictError):
        world.start("key")
    assert world.sessions == []


def test_a_refused_job_fails_the_session(world):
    """Where AWS Batch says no, the session has failed with its words, and the key is free."""
    world.ports.jobs.error = REFUSED
    with pytest.raises(UnavailableError):
        world.start("key")
    [session] = world.sessions
    assert (session.status, session.active) == ("failed", None)
    assert session.failure_reason == {"code": "submit-refused", "message": "the queue is disabled"}
    world.ports.jobs.error = None
    assert not world.start("key").replayed


@pytest.mark.parametrize(
    ("limits", "whose"), [(Limits(per_project=2), "this project"), (Limits(per_user=2), "you")]
)
def test_one_run_too_many_is_refused(limits, whose):
    """At the limit a start says whose it is and when to come again, leaves nothing, and its key is free."""
    world = World(limits=limits)
    first, _ = world.start(), world.start()
    with pytest.raises(TooManyRequestsError) as refused:
        world.start("key")
    assert (refused.value.code, refused.value.retry_after_seconds) == ("too-many-sessions", 60)
    assert whose in refused.value.detail
    assert len(world.sessions) == len(world.ports.jobs.submitted) == 2
    assert world.ports.telemetry.counts["StartsOverLimit"] == 1
    world.services.runs.stop(world.ports.sessions.get(world.project.project_id, first.session_id))
    assert not world.start("key").replayed


def test_a_start_that_comes_after_the_deletion_is_refused():
    """A project that was deleted since its request was admitted gets no run any more."""
    world = World(limits=Limits(per_project=2))
    world.services.projects.delete(world.project)
    with pytest.raises(NotFoundError):
        world.start()
    assert world.sessions == []


def test_a_job_that_could_not_be_noted_is_left_to_its_events(world):
    """Where DynamoDB fails after SubmitJob the start is answered: asked again, it could see no job yet."""

    class Failing(type(world.ports.sessions)):
        def set_job(self, session, batch_job_id):
            raise LOST

    world.ports.sessions.__class__ = Failing
    assert world.start("key").status == "queued"
    assert len(world.ports.jobs.submitted) == 1
    assert world.start("key").replayed


def test_after_a_failure_of_unknown_effect_the_same_session_goes_on(world):
    """A put whose answer was lost may have put the session: the key's repetition takes it for its own."""

    class Failing(type(world.ports.sessions)):
        def add(self, session, limits):
            super().add(session, limits)
            raise LOST

    own, world.ports.sessions.__class__ = type(world.ports.sessions), Failing
    with pytest.raises(UnavailableError):
        world.start("key")
    world.ports.sessions.__class__ = own
    again = world.start("key")
    assert (again.replayed, [each.session_id for each in world.sessions]) == (True, [again.session_id])
    assert len(world.ports.jobs.submitted) == 1


def test_an_answer_that_could_not_be_kept_is_given(world):
    """A run that has started is no error; its key's repetition finds it, in a minute."""

    class Failing(type(world.ports.idempotency)):
        def finish(self, key, answer):
            raise LOST

    world.ports.idempotency.__class__ = Failing
    first = world.start("key")
    world.ports.clock.advance(seconds=61)
    assert world.start("key").session_id == first.session_id
    assert len(world.ports.jobs.submitted) == 1


@pytest.mark.parametrize("job_was_made", [True, False])
def test_a_lost_answer_leaves_the_session_to_the_sweep(world, job_was_made):
    """Whether the job exists isn't known: the start is answered, and the sweep finds out."""
    world.ports.jobs.error, world.ports.jobs.loses_answer = LOST, job_was_made
    started = world.start()
    assert (started.status, world.sessions[0].batch_job_id) == ("queued", None)
    assert world.ports.telemetry.warnings
    world.ports.clock.advance(minutes=3)
    world.services.oversight.sweep()
    [session] = world.sessions
    assert (session.batch_job_id is not None) == job_was_made
    assert session.status == ("queued" if job_was_made else "failed")


def test_a_stop_that_races_the_start_ends_the_job():
    """A session that was stopped before its job's id was noted leaves no job running."""

    class Racing(FakeJobs):
        def submit(self, session, timeout_seconds):
            world.services.runs.stop(session)
            return super().submit(session, timeout_seconds)

    world = World(jobs=Racing())
    world.start()
    assert world.sessions[0].status == Status.STOPPED
    assert [each.status for each in world.ports.jobs.seen.values()] == ["FAILED"]


def test_projects_are_made_listed_renamed_and_deleted(world):
    """The project book keeps what it is told, and changes nothing where nothing is given."""
    book = world.services.projects
    assert list(book.list("U", 10, None)) == [world.project]
    assert book.rename(world.project, None, None) == world.project
    assert book.rename(world.project, "dogs", None).project_name == "dogs"
    book.delete(world.project)
    assert list(book.list("U", 10, None)) == []
