"""`python -m training_job`: trains the session that the environment names."""

import logging
import os
import sys
import time

import torch

from chalicelib.contract.errors import LostClaimError, TrainingError
from chalicelib.contract.records import Failure, Session
from chalicelib.contract.results import HeldOut
from chalicelib.contract.states import Phase, Status

from .aws import Clients
from .config import JobEnvironment, available_cores, given, read_training_config
from .dataset import load_splits
from .engine import Ending, Fit, fit
from .evaluate import held_out, predict
from .job import Job
from .loader import EvalLoader, TrainLoader
from .metrics_sink import SessionSink, StopRequestedError
from .model import Classifier, build_model
from .presets import Preset
from .report import Run, publish
from .split import split_of
from .termination import handle_sigterm
from .weights import checkpoint_dir, load_weights

_LOG = logging.getLogger("training_job")


def main() -> int:
    """Claims the session and trains it.

    Returns:
        The exit code. 0: completed, stopped, or another attempt's business. 1: the session says
        why it failed, and another attempt would fail as well.
    """
    _configure_process()
    job = Job.create(JobEnvironment.read(os.environ), Clients.create())
    try:
        return claim_and_train(job, time.monotonic())
    except LostClaimError as error:
        _LOG.info("%s", error.detail)
        return 0


def _configure_process() -> None:
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    _LOG.setLevel(logging.INFO)
    torch.set_num_threads(available_cores())
    torch.backends.cudnn.deterministic = True


def claim_and_train(job: Job, start: float) -> int:
    """Trains the session if it can be claimed, and gives it its last state; see `main`.

    Raises:
        LostClaimError: the session is over, or another attempt has it.
    """
    session = job.sessions.claim()
    handle_sigterm(job.sessions, job.stop)
    try:
        train(job, session, start)
    except LostClaimError:
        raise
    except StopRequestedError:
        job.sessions.end(Status.STOPPED, {"Phase": Phase.DONE})
    except TrainingError as error:
        return _fail(job, Failure(code=error.code, message=error.detail))
    except Exception as error:  # noqa: BLE001 - the outermost layer: its user must see that it failed
        _LOG.exception("unforeseen")
        reason = (
            f"The training ended with an unforeseen {type(error).__name__}; the job's log has the details."
        )
        return _fail(job, Failure(code="internal-error", message=reason))
    return 0


def _fail(job: Job, failure: Failure) -> int:
    _LOG.error("%s: %s", failure.code, failure.message)
    job.sessions.fail(failure)
    return 1


def train(job: Job, session: Session, start: float) -> None:
    """The whole of a run, from the claimed session to its last state.

    Args:
        start: the moment of `time.monotonic` from which maxRuntimeMinutes counts.

    Raises:
        TrainingError: the run failed; the code and the sentence are for its user.
        StopRequestedError: the user ended it before there was anything to keep.
    """
    sink = SessionSink(job.sessions, job.stop)
    _check_device(job)
    config = read_training_config(session.config)
    pretrained = load_weights(given(config.architecture), checkpoint_dir()) if config.pretrained else None
    manifest = job.manifests.get(session.dataset_hash)
    class_names, preset = manifest.class_names, Preset.of(config)
    split = split_of(manifest.entries, share=config.validation_split, seed=config.seed)
    split.check()

    sink.enter(Phase.DOWNLOADING)
    sides = preset.cache_side, given(config.image_size)
    train_set, val_set, test_set = load_splits(job.images, split, class_names, sides, sink.on_progress)

    sink.enter(Phase.TRAINING)
    model = build_model(given(config.architecture), len(class_names), seed=config.seed, pretrained=pretrained)
    train_loader = TrainLoader.of(train_set, config, preset, job.device)
    val_loader = EvalLoader.of(val_set, config, job.device)
    deadline = start + 60 * config.max_runtime_minutes
    result = fit(model.to(job.device), train_loader, val_loader, config, sink, deadline=deadline)
    _check_kept(result)

    sink.enter(Phase.EVALUATING)
    logits = predict(model, val_loader, sink.tick)
    test = _evaluate_test(model, EvalLoader.of(test_set, config, job.device), sink)

    sink.enter(Phase.EXPORTING)
    run = Run(config=config, manifest=manifest, split=split, model=model.cpu(), fit=result, test=test)
    results_key = publish(run, logits, val_set.labels, job.reports)
    status = Status.STOPPED if result.ending is Ending.STOPPED else Status.COMPLETED
    job.sessions.end(status, {"Phase": Phase.DONE, "Progress": 100, "ResultsKey": results_key})


def _evaluate_test(model: Classifier, loader: EvalLoader, sink: SessionSink) -> HeldOut | None:
    if not len(loader):
        return None
    # The validation split has filled this phase's span: only the heartbeat is wanted.
    return held_out(predict(model, loader, lambda _: sink.tick(1)), loader.dataset.labels)


def _check_device(job: Job) -> None:
    if job.needs_gpu and job.device.type != "cuda":
        raise TrainingError(
            "The machine has no GPU that PyTorch can use. Check the machine image's driver.",
            code="gpu-missing",
        )


def _check_kept(result: Fit) -> None:
    if result.best_epoch:
        return
    if result.ending is Ending.STOPPED:
        raise StopRequestedError
    raise TrainingError(
        "maxRuntimeMinutes had passed before the first epoch was over. Set more, or a lower imageSize.",
        code="max-runtime",
    )


if __name__ == "__main__":
    sys.exit(main())
