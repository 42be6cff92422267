"""How a container decides what it starts."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training_job.launch import EXIT_FILE, PORT, Launch, exit_code, is_launched

NODE = {
    "AWS_BATCH_JOB_NUM_NODES": "3",
    "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0",
    "AWS_BATCH_JOB_NODE_INDEX": "2",
    "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "10.64.0.7",
}
MAIN = {name: value for name, value in NODE.items() if "ADDRESS" not in name} | {
    "AWS_BATCH_JOB_NODE_INDEX": "0"
}


@pytest.mark.parametrize(("devices", "alone"), [(0, True), (1, True), (2, False)])
def test_one_device_needs_no_agent(devices, alone):
    """A CPU or one GPU is trained on in the container's own process, and more by a process each."""
    launch = Launch.read({}, devices)
    assert (launch.is_alone, launch.processes) == (alone, max(devices, 1))


def test_the_number_of_processes_can_be_given():
    """TRAINING_PROCESSES is taken instead of the number of GPUs; empty it says nothing."""
    assert Launch.read({"TRAINING_PROCESSES": "2"}, 0) == Launch(processes=2)
    assert Launch.read({"TRAINING_PROCESSES": ""}, 4).processes == 4


@pytest.mark.parametrize(
    ("environment", "node", "endpoint"),
    [(MAIN, 0, f"localhost:{PORT}"), (NODE, 2, f"10.64.0.7:{PORT}")],
    ids=["main", "other"],
)
def test_the_machines_of_a_job_meet_at_the_main_one(environment, node, endpoint, tmp_path):
    """Each machine joins as its own number, at the address that Batch tells all but the main one."""
    config = Launch.read(environment, 4).config(str(tmp_path))
    assert (config.min_nodes, config.max_nodes, config.nproc_per_node) == (3, 3, 4)
    assert (config.rdzv_backend, config.rdzv_endpoint) == ("static", endpoint)
    assert config.rdzv_configs["rank"] == node


def test_a_machine_of_a_job_with_one_gpu_is_not_alone():
    """Several machines need an agent each, with one GPU each, too."""
    assert not Launch.read(NODE, 1).is_alone


def test_ranks_count_from_the_main_machine():
    """Where another machine is the main one, it has number 0, and the rest follow it."""
    main = {"AWS_BATCH_JOB_MAIN_NODE_INDEX": "1"}
    nodes = [Launch.read(NODE | main | {"AWS_BATCH_JOB_NODE_INDEX": each}, 1).node for each in "012"]
    assert nodes == [2, 0, 1]


def test_one_machine_meets_nobody(tmp_path):
    """On one machine any free port does, and no process is started again: that is Batch's business."""
    config = Launch.read({}, 2).config(str(tmp_path))
    assert (config.rdzv_backend, config.rdzv_endpoint) == ("c10d", "localhost:0")
    assert config.max_restarts == 0


@pytest.mark.parametrize(
    ("first", "codes", "expected"),
    [
        (1, {0: 1, 1: 1}, 1),
        (75, {0: 75}, 75),
        (143, {0: 143, 1: 143}, 143),
        (1, {1: 1}, 0),
        (1, {0: 143, 1: 1}, 143),
        (-9, {1: -9, 0: 75}, 137),
        (75, {1: 75, 0: -15}, 143),
    ],
)
def test_the_first_processs_exit_code_gets_through(first, codes, expected):
    """Local rank 0 says what Batch is to do; but a process that was killed first is why all ended."""
    assert exit_code(first, codes) == expected


def test_a_process_knows_whether_torchrun_started_it():
    """A process without a local rank was started by the container."""
    assert not is_launched({"RANK": "0"})


_CHILD = """
import os, time
from training_job.launch import is_launched
is_launched(os.environ)
print(flush=True)
time.sleep(60)
"""
_AGENT = f"""
import os, subprocess, sys, time
process = subprocess.Popen(
    [sys.executable, "-c", {_CHILD!r}], env=os.environ | {{"LOCAL_RANK": "0"}}, stdout=subprocess.PIPE,
    start_new_session=True,
)
process.stdout.readline()
print(process.pid, flush=True)
time.sleep(60)
"""


def test_the_agents_death_leaves_no_process_behind():
    """SIGKILL to the agent ends what it started, though that is in a session of its own."""
    with subprocess.Popen([sys.executable, "-c", _AGENT], stdout=subprocess.PIPE, text=True) as agent:
        stat = Path(f"/proc/{int(agent.stdout.readline())}/stat")
        agent.kill()
    deadline = time.monotonic() + 5
    while not _is_over(stat):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_over(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"  # dead, and nobody has asked how
    except OSError:
        return True


@pytest.mark.parametrize(("local_rank", "noted"), [("0", "75"), ("1", None)])
def test_the_first_process_notes_its_exit_code(local_rank, noted, tmp_path):
    """Local rank 0 leaves its code where the agent looks for it after SIGTERM; the others leave alone."""
    file = tmp_path / "exit"
    program = "from training_job.launch import leave; leave(75)"
    variables = {"LOCAL_RANK": local_rank, EXIT_FILE: str(file)}
    process = subprocess.run([sys.executable, "-c", program], env=os.environ | variables, timeout=60)
    assert process.returncode == 75
    assert (file.read_text() if file.exists() else None) == noted
