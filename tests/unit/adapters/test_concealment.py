"""Memory that a process of the same user would read."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")

ROOT = Path(__file__).parents[3]
_PR_CAPBSET_DROP = 24
#: What reads any process: CAP_SYS_PTRACE, CAP_SYS_ADMIN and, but for writing, CAP_PERFMON.
_PRYING = (19, 21, 38)
#: Tells in three ways whether it reads the process in its first argument, at the address in its second.
READER = """
import ctypes, os, sys

class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

process, address = map(int, sys.argv[1:])
mine = ctypes.create_string_buffer(6)
here, there = Part(ctypes.addressof(mine), 6), Part(address, 6)
ctypes.CDLL(None).process_vm_readv(
    process, ctypes.byref(here), ctypes.c_ulong(1), ctypes.byref(there), ctypes.c_ulong(1), ctypes.c_ulong(0)
)
done = [mine.raw == b"secret"]
for name in ("mem", "environ"):
    try:
        with open(f"/proc/{process}/{name}", "rb") as file:
            file.seek(address if name == "mem" else 0)
            done.append(bool(file.read(1)))
    except OSError:
        done.append(False)
print(done)
"""
SCRIPT = f"""
import ctypes, os, subprocess, sys
from chalicelib.adapters.isolation import IsolatedInspector
from tests import hostile

secret = ctypes.create_string_buffer(b"secret")

def look(process):
    command = [sys.executable, "-c", {READER!r}, str(process), str(ctypes.addressof(secret))]
    subprocess.run(command, check=True)

look(os.getpid())
inspector = IsolatedInspector(processes=1)
inspector.inspect(hostile.small())
look(os.getpid())
look(inspector._free.queue[-1]._process.pid)
"""


def test_nobody_reads_the_memory_of_who_has_decoders_nor_of_a_decoder():
    """A process of the same user reads that of its parent, until there is a decoder; and no decoder's."""
    libc = ctypes.CDLL(None)

    def be_anyone() -> None:  # where tests run as root
        for each in _PRYING:
            libc.prctl(_PR_CAPBSET_DROP, each, 0, 0, 0)

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
        preexec_fn=be_anyone,
    )  # fmt: skip
    before, *after = done.stdout.splitlines()
    # Yama keeps the first two ways from children, where a distribution has it so.
    assert before in ("[True, True, True]", "[False, False, True]")
    assert after == ["[False, False, False]"] * 2
