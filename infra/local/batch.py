"""The compute environment: runs the jobs of a queue as processes of this machine."""

import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from moto.batch.models import batch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from .awslogs import new_stream, shipping
from .container import Container
from .jobs import RECLAIMED, TIMED_OUT, Job, Outcome

ROOT = Path(__file__).parents[2]


class Runner:
    """Runs jobs first come, first served.

    Args:
        environment: what a container gets beside the job's own variables.
        log_folder: where each attempt's output goes, as <job name>-<attempt>.log.
        slots: how many jobs run at a time; the rest wait RUNNABLE.
        grace_seconds: the time between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log_folder: Path,
        *,
        slots: int = 1,
        grace_seconds: float = 30,
    ) -> None:
        self._environment = {**environment, "PYTHONPATH": str(ROOT)}
        self._log_folder = log_folder
        self._grace_seconds = grace_seconds
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="batch")
        self._jobs: dict[str, Job] = {}
        self._closing = threading.Event()
        log_folder.mkdir(parents=True, exist_ok=True)

    def attach(self, job_queue_arn: str, region: str) -> None:
        """Becomes the compute environment of a queue."""
        queue = batch_backends[DEFAULT_ACCOUNT_ID][region].get_job_queue(job_queue_arn)
        queue.runner = self  # type: ignore[union-attr]

    def enqueue(self, job: Job) -> None:
        self._jobs[job.job_id] = job
        if not self._closing.is_set():
            self._pool.submit(self._run, job)

    def kill(self, batch_job_id: str) -> None:
        """SIGKILL to all of a job's processes, as when memory runs out."""
        self._jobs[batch_job_id].signal(signal.SIGKILL)

    def reclaim(self, batch_job_id: str) -> None:
        """Takes the job's Spot instance away: the attempt fails, and the job is retried."""
        self._jobs[batch_job_id].interrupt(RECLAIMED)

    def close(self) -> None:
        """Kills what runs, and waits for it; nothing runs afterwards."""
        self._closing.set()
        for job in self._jobs.values():
            job.signal(signal.SIGKILL)
        self._pool.shutdown(cancel_futures=True)

    def _run(self, job: Job) -> None:
        attempt = job.claim()
        if attempt is None or self._closing.is_set():
            return
        log = self._log_folder / f"{job.job_name}-{attempt}.log"
        with TemporaryDirectory(prefix="darkroom-job-") as disk:
            container = self._start(job, Path(disk), log)
            stream = new_stream(job.log_options(), job.backend.region_name)
            with shipping(log, stream):
                job.running(container, stream.log_stream_name if stream else None)
                if self._closing.is_set():
                    container.signal(signal.SIGKILL)
                outcome = _wait(container, job.timeout_seconds())
        if job.ended(outcome):
            self.enqueue(job)

    def _start(self, job: Job, disk: Path, log: Path) -> Container:
        environment = self._environment | job.container_environment() | {"TMPDIR": str(disk)}
        program, *arguments = job.command()
        program = sys.executable if program == "python" else program
        return Container([program, *arguments], environment, disk, log, self._grace_seconds)


def _wait(container: Container, timeout_seconds: int | None) -> Outcome:
    try:
        return Outcome(exit_code=container.wait(timeout_seconds))
    except subprocess.TimeoutExpired:
        container.stop()
        return Outcome(exit_code=container.wait(), status_reason=TIMED_OUT)
