"""One process for each device: where there are several, torchrun starts them and watches over them.

`python -m training_job` is what Batch runs on every machine of a job. With one device it trains
itself; else it becomes torchrun's agent, and its children, which find LOCAL_RANK set, train.
"""

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    from torch.distributed.launcher.api import LaunchConfig

#: Where the main node listens for the others; open between them alone (infra/template.yaml).
PORT = 29400
#: Names the file in which local rank 0 leaves its exit code.
EXIT_FILE = "TRAINING_EXIT_FILE"
#: Between SIGTERM and SIGKILL; the processes give themselves 27 at most, and Batch gives all of this 30.
_SHUTDOWN_SECONDS = 28
#: For the machines of a job to start, one after another.
_RENDEZVOUS_SECONDS = 1200
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """The processes to start on this machine, and the machines they train with.

    Attributes:
        node: this machine's number; 0 is the main one.
        main_address: the main machine's, as seen from here.
    """

    processes: int
    nodes: int = 1
    node: int = 0
    main_address: str = "localhost"
    port: int = PORT

    @classmethod
    def read(cls, environment: Mapping[str, str], devices: int) -> Self:
        """From Batch's variables of a multi-node job, and from TRAINING_PROCESSES and MASTER_PORT if set.

        Args:
            devices: GPUs of this machine.
        """
        nodes = int(environment.get("AWS_BATCH_JOB_NUM_NODES", 1))
        first = int(environment.get("AWS_BATCH_JOB_MAIN_NODE_INDEX", 0))
        return cls(
            processes=int(environment.get("TRAINING_PROCESSES") or max(devices, 1)),
            nodes=nodes,
            node=(int(environment.get("AWS_BATCH_JOB_NODE_INDEX", 0)) - first) % nodes,
            # Batch doesn't tell the main node its own address.
            main_address=environment.get("AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS", "localhost"),
            port=int(environment.get("MASTER_PORT", PORT)),
        )

    @property
    def is_alone(self) -> bool:
        """Whether one process is the whole of it."""
        return self.processes * self.nodes == 1

    def run(self, environment: MutableMapping[str, str]) -> int:
        """Starts the processes, and returns when none is left.

        Args:
            environment: of this process, which they inherit.

        Returns:
            The exit code that local rank 0 chose; that of a signal, as a shell gives it, where
            a signal ended the first process to die.
        """
        from torch.distributed.elastic.multiprocessing.api import SignalException
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.launcher.api import elastic_launch

        with TemporaryDirectory() as folder:
            exit_file = Path(folder) / "exit"
            environment[EXIT_FILE] = str(exit_file)
            try:
                elastic_launch(self.config(folder), sys.executable)("-m", "training_job")
            except ChildFailedError as error:
                first = error.get_first_failure()[1].exitcode
                return exit_code(first, {each.local_rank: each.exitcode for each in error.failures.values()})
            except SignalException as error:
                return int(exit_file.read_text()) if exit_file.exists() else 128 + error.sigval
        return 0

    def config(self, log_folder: str) -> "LaunchConfig":
        """For torchrun. No process is restarted: a new attempt of Batch's does that, from a checkpoint."""
        from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
        from torch.distributed.launcher.api import LaunchConfig

        alone = self.nodes == 1  # then any free port does
        where: dict[str, Any] = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"} if alone else {
            "rdzv_backend": "static",
            "rdzv_endpoint": f"{self.main_address}:{self.port}",
            "rdzv_configs": {"rank": self.node, "timeout": _RENDEZVOUS_SECONDS},
        }  # fmt: skip
        return LaunchConfig(
            min_nodes=self.nodes,
            max_nodes=self.nodes,
            nproc_per_node=self.processes,
            run_id="training",
            max_restarts=0,
            local_addr="localhost" if alone else None,
            logs_specs=DefaultLogsSpecs(log_dir=log_folder),
            shutdown_timeout=_SHUTDOWN_SECONDS,
            **where,
        )


def exit_code(first: int, codes: Mapping[int, int]) -> int:
    """What the machine's processes come to.

    Args:
        first: exit code of the first to fail; below 0 the signal that ended it.
        codes: of those that didn't end with 0, by local rank.
    """
    if first < 0:
        return 128 - first
    code = codes.get(0, 0)
    return 128 - code if code < 0 else code


def is_launched(environment: Mapping[str, str]) -> bool:
    """Whether torchrun started this process. If so, the kernel kills it when torchrun's agent dies.

    It has a session of its own, so that no signal to the agent's would reach it.
    """
    if "LOCAL_RANK" not in environment:
        return False
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return True


def leave(code: int) -> NoReturn:
    """Ends a process that torchrun started, at once: others may be gone that a tidy end would wait for."""
    if os.environ.get("LOCAL_RANK") == "0":
        Path(os.environ[EXIT_FILE]).write_text(str(code))
    logging.shutdown()
    os._exit(code)
