"""A run of a claimed session, to its last state."""

import gc
from dataclasses import replace

from chalicelib.contract.config import TrainingConfig, task_of
from chalicelib.contract.errors import TrainingError
from chalicelib.contract.records import Session
from chalicelib.contract.results import DataWarning
from chalicelib.contract.states import Phase, Status

from .config import given, read_training_config
from .engine import Ending, Fit, fit
from .heart import beating
from .job import Job
from .metrics_sink import SessionSink, SilentSink, StopRequestedError
from .outcome import Outcome
from .prepare import set_up
from .report import store_report
from .task import Setup
from .termination import EXIT_CODE, Termination


class _BatchTooLargeError(TrainingError):
    default_code = "out-of-memory"


class Run:
    """Reads what to train, trains it, and reports.

    Args:
        termination: what to do about SIGTERM.
        start: the moment of `time.monotonic` from which maxRuntimeMinutes counts.

    Raises:
        TrainingError: the session can't be trained; the code and the sentence are for its user.
    """

    def __init__(self, job: Job, session: Session, termination: Termination, start: float) -> None:
        self.job, self.session, self.termination, self.start = job, session, termination, start
        self.group = job.group
        self.sink = (
            SessionSink(job.sessions, job.stop, pulse=job.pulse) if self.group.writes else SilentSink()
        )

    def train(self) -> int:
        """Trains, and gives the session its last state.

        Returns:
            The exit code: 0, or 143 where the machine is reclaimed and another attempt is to go on.

        Raises:
            TrainingError: the run failed.
            StopRequestedError: the user ended it before there was anything to keep.
        """
        with beating(self.sink.beat):
            return self._train()

    def _train(self) -> int:
        self._check_device()
        self.config = read_training_config(self.session.config)
        task_type = task_of(given(self.config.architecture))
        self.manifest = self.job.manifests.get(self.session.dataset_hash, task_type)
        self.checkpoints = self.job.checkpoints(self.config, self.manifest.dataset_hash)
        try:
            setup, result = self._fit_in_memory()
        finally:
            self.checkpoints.close()
        if result.ending is Ending.RECLAIMED or self.job.reclaimed.is_set():
            return EXIT_CODE
        _check_kept(result)
        outcome = self._judge(setup, result)
        if self.group.writes:
            self._report(outcome)
        return 0

    def _report(self, outcome: Outcome) -> None:
        """Stores all that is known of the best weights, and ends the session."""
        self.sink.enter(Phase.EXPORTING)
        key = store_report(outcome, self.job.reports)
        status = Status.STOPPED if outcome.fit.ending is Ending.STOPPED else Status.COMPLETED
        final = {"Phase": Phase.DONE, "Progress": 100, "ResultsKey": key}
        self.job.sessions.end(status, final)

    def _check_device(self) -> None:
        if self.job.needs_gpu and self.job.device.type != "cuda":
            raise TrainingError(
                "The machine has no GPU that PyTorch can use. Check the machine image's driver.",
                code="gpu-missing",
            )

    def _fit_in_memory(self) -> tuple[Setup, Fit]:
        """Trains; with half the batch size where the whole doesn't fit and autoBatchSize allows that."""
        wanted = given(self.config.batch_size)
        self._go_on()
        try:
            return self._fit()
        except _BatchTooLargeError:
            # Halved before, or too small to be; and one process of several can't go back alone.
            is_last = given(self.config.batch_size) < max(wanted, 4) or self.group.size > 1
            if is_last or not self.config.auto_batch_size:
                raise
        # Not in the handler: the error holds the memory that is needed now.
        gc.collect()
        self.config = replace(self.config, batch_size=wanted // 2)
        self.checkpoints.reopen()
        return self._fit()

    def _go_on(self) -> None:
        if self.checkpoints.open(self.session.checkpoint):
            self.config = replace(self.config, batch_size=self.checkpoints.batch_size)
            self.sink.go_on(self.session)
        elif self.session.attempt > 1:
            self.sink.begin_anew()

    def _fit(self) -> tuple[Setup, Fit]:
        job, config = self.job, self.config
        setup = set_up(config, self.manifest, job.images, job.device, self.group, self.sink.on_download)
        self.sink.enter(Phase.TRAINING)
        deadline = self.start + 60 * config.max_runtime_minutes
        try:
            with self.termination.keeping():
                result = fit(
                    setup.model, setup.task, setup.source, config, self.sink,
                    group=self.group, checkpoints=self.checkpoints, deadline=deadline,
                )  # fmt: skip
        except TrainingError as error:
            raise _too_large(config) if error.code == _BatchTooLargeError.default_code else error from error
        if config.batch_size != self.session.config["batchSize"]:
            setup = replace(setup, warnings=[*setup.warnings, _halved(given(config.batch_size))])
        return setup, result

    def _judge(self, setup: Setup, result: Fit) -> Outcome:
        """Evaluates the best weights, in all processes."""
        self.sink.enter(Phase.EVALUATING)
        judgement = setup.task.judge(setup.model, self.sink.tick)
        # The validation split has filled this phase's span: only the heartbeat is wanted.
        test = setup.task.held_out(setup.model, lambda _: self.sink.tick(1))
        return Outcome(
            config=self.config, manifest=self.manifest, setup=setup, fit=result,
            judgement=judgement, test=test, device=self.job.device, devices=self.group.size,
            attempts=self.session.attempt,
        )  # fmt: skip


def _check_kept(result: Fit) -> None:
    if result.history:
        return
    if result.ending is Ending.STOPPED:
        raise StopRequestedError
    raise TrainingError(
        "maxRuntimeMinutes had passed before the first epoch was over. Set more, or a lower imageSize.",
        code="max-runtime",
    )


def _too_large(config: TrainingConfig) -> TrainingError:
    size = given(config.batch_size)
    return _BatchTooLargeError(
        f"The memory is too small for batches of {size}. Set batchSize to {max(2, size // 2)}, "
        "or a lower imageSize."
    )


def _halved(size: int) -> DataWarning:
    words = f"The memory was too small for the batch size: it was halved to {size}."
    return DataWarning(code="batch-size-halved", message=words, count=size, examples=[])
