"""Decoders as processes: what they answer, what brings them down, and what that leaves."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.adapters import answers, decoder, isolation
from chalicelib.adapters.isolation import COMMAND, IsolatedInspector
from chalicelib.adapters.pictures import PillowInspector
from chalicelib.contract.errors import RejectedImageError, UnavailableError
from chalicelib.services.turns import NotBegunError, beginning_within
from tests import crashing_decoder as crash
from tests import hostile

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def inspector() -> Iterator[IsolatedInspector]:
    yield IsolatedInspector(processes=1)
    gc.collect()


class Lost:
    """An inspector whose decoders do what files say, and why each was lost."""

    def __init__(self, **options) -> None:
        self.reasons: list[str] = []
        self.inspector = IsolatedInspector(crash.CRASHING, 1, on_crash=self.reasons.append, **options)

    def refusal(self, content: bytes) -> str:
        with pytest.raises(RejectedImageError) as refused:
            self.inspector.inspect(content)
        return refused.value.code


def _with(text: bytes, number: int = 0) -> bytes:
    """A whole image that has a text in it."""
    return hostile.small(number, "jpeg") + text


def _modes() -> dict[str, bytes]:
    """Images whose pixels make Pillow import what others don't."""
    made = {}
    for kind, mode in (
        ("png", "I;16"), ("png", "P"), ("png", "LA"), ("gif", "P"), ("jpeg", "CMYK"), ("tiff", "F"),
        ("tiff", "LAB"), ("tiff", "YCbCr"), ("tiff", "I;16"), ("webp", "RGBA"), ("bmp", "1"),
    ):  # fmt: skip
        made[f"{mode}.{kind}"] = hostile.encoded(Image.new(mode, (40, 30)), kind)
    target = BytesIO()
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(target, "MPO", save_all=True, append_images=frames[1:])
    return made | {"two.mpo": target.getvalue()}


FILES = {
    **hostile.claims(), **hostile.memory_hogs(), **hostile.truncated(), **hostile.no_images(),
    **hostile.polyglots(), **hostile.located(), **_modes(),
}  # fmt: skip
#: These take 2 GB before their size is known, which is what a decoder's limit is for.
GREEDY = {"1000-times.webp", "2-times-canvas.webp", "1000-times-canvas.webp"}


def _outcome(inspector, content: bytes):
    try:
        return inspector.inspect(content)
    except RejectedImageError as error:
        return error.code, error.detail


@pytest.mark.parametrize("name", sorted(FILES.keys() - GREEDY))
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_decoder_answers_as_pillow_does_here(inspector, name):
    """Every kind of file has the same outcome in a process that can open nothing as in this one."""
    assert _outcome(inspector, FILES[name]) == _outcome(PillowInspector(), FILES[name])


def test_a_decoder_opens_nothing_once_it_is_ready():
    """Pillow imports and opens nothing after the preparation, whatever it decodes."""
    script = """
import sys
from chalicelib.adapters import decoder
from chalicelib.adapters.pictures import PillowInspector
from chalicelib.contract.errors import RejectedImageError
from tests.unit.adapters.test_isolation import FILES, GREEDY
for name in [each for each in sys.modules if each.startswith("PIL")]:
    del sys.modules[name]
decoder.prepare()
sys.addaudithook(lambda event, args: print(event, args) if event in ("open", "import", "socket") else None)
for name in FILES.keys() - GREEDY:
    try:
        PillowInspector().inspect(FILES[name])
    except RejectedImageError:
        pass
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_decoder_has_no_secrets_and_opens_no_file(monkeypatch, tmp_path):
    """Its environment has no credentials, and it can make no new descriptor, be it of a file or a socket."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    told = tmp_path / "environment"
    tell = f"import os; open({str(told)!r}, 'w').write(repr(dict(os.environ)))"
    with pytest.raises(UnavailableError):
        IsolatedInspector((sys.executable, "-c", tell), 1).inspect(hostile.small())
    assert "PYTHONPATH" in told.read_text()
    assert "AWS" not in told.read_text()
    inspector = IsolatedInspector(processes=1)
    inspector.inspect(hostile.small())
    process = inspector._free.queue[-1]._process.pid
    limits = Path(f"/proc/{process}/limits").read_text().splitlines()
    found = {line[:25].strip(): line[26:].split()[:2] for line in limits}
    assert found["Max open files"] == ["0", "0"]
    assert found["Max core file size"] == found["Max file size"] == ["0", "0"]
    assert found["Max address space"] == [str(decoder.MEMORY_BYTES)] * 2


@pytest.mark.parametrize(
    "text", [crash.SEGFAULT, crash.KILLED, crash.MEMORY, crash.EXIT, crash.LIE, crash.FLOOD]
)
def test_a_file_that_ends_its_decoder_is_refused_alone(text):
    """The file has a code of its own; the files before and after it are taken."""
    lost = Lost()
    for number in range(2):
        assert lost.refusal(_with(text, number)) == "decoder-crashed"
        assert lost.inspector.inspect(hostile.small(number)).width == 32
    # The first in a fresh decoder, the second once in a used one and once in a fresh one.
    assert len(lost.reasons) == 3


def test_what_is_lost_is_told():
    """Each lost decoder is reported with its signal or its exit."""
    lost = Lost()
    for text in (crash.SEGFAULT, crash.KILLED, crash.MEMORY, crash.EXIT):
        lost.refusal(_with(text))
    assert lost.reasons == ["it ended with SIGSEGV", "it ended with SIGKILL", "it ran out of memory",
                            "it ended with code 0"]  # fmt: skip


def test_a_file_is_not_blamed_for_an_earlier_one():
    """A decoder that an earlier file has damaged falls over a good one, which a fresh one then takes."""
    lost = Lost()
    lost.inspector.inspect(_with(crash.POISON))
    assert lost.inspector.inspect(_with(crash.POISONED)).width == 32
    assert lost.reasons == ["it ended with SIGSEGV"]


@pytest.mark.parametrize(
    ("file", "patience", "reason"),
    [
        (lambda: _with(crash.HANG), 2.5, "it took over 2.5 seconds"),
        (lambda: hostile.jpeg_of_scans(2000), 60, "it took too long"),
    ],
    ids=["by the clock", "by the processor"],
)
def test_a_file_that_takes_too_long_is_refused(monkeypatch, file, patience, reason):
    """A decoder that waits and one that computes, in a JPEG of 2,000 scans, are ended for good."""
    monkeypatch.setattr(isolation, "_PATIENCE", patience)
    lost = Lost(seconds=1)
    assert lost.refusal(file()) == "decoder-crashed"
    assert lost.reasons == [reason]
    assert lost.inspector.inspect(hostile.small()).width == 32


def test_a_dead_decoder_is_replaced():
    """One that the system killed while it waited costs no file."""
    lost = Lost()
    lost.inspector.inspect(hostile.small())
    os.kill(lost.inspector._free.queue[-1]._process.pid, signal.SIGKILL)
    assert lost.inspector.inspect(hostile.small(1)).width == 32
    assert len(lost.reasons) == 1


@pytest.mark.parametrize("command", [(sys.executable, "-c", "pass"), (sys.executable, "-c", "print(1/0)")])
def test_a_decoder_that_does_not_start_is_no_files_fault(command, capfd):
    """Where no decoder starts the service is unavailable, and no file is refused."""
    with pytest.raises(UnavailableError, match="no decoder"):
        IsolatedInspector(command, 1).inspect(hostile.small())


def test_threads_share_the_decoders():
    """From 16 threads every file gets its own answer, by no more decoders than there may be."""
    inspector = IsolatedInspector(processes=2)
    sizes = range(1, 200)
    files = [hostile.encoded(Image.new("L", (side, 9)), "png") for side in sizes]
    with ThreadPoolExecutor(16) as pool:
        assert [each.width for each in pool.map(inspector.inspect, files)] == list(sizes)
    assert len(inspector._free.queue) == 2


def test_large_images_that_wait_hold_no_decoder():
    """While one is decoded others wait, and small ones go through the one decoder that is left."""
    inspector = IsolatedInspector(processes=1)
    large = hostile.webp_of_one_colour(2000, 2000)
    with ThreadPoolExecutor(5) as pool:
        with inspector._one_large:
            waiting = [pool.submit(inspector.inspect, large) for _ in range(4)]
            for number in range(5):
                assert pool.submit(inspector.inspect, hostile.small(number)).result(10).width == 32
            assert not any(each.done() for each in waiting)
        assert [each.result(10).width for each in waiting] == [2000] * 4
    assert inspector._one_large.acquire(blocking=False)


@pytest.mark.parametrize("taken", ["decoder", "turn of the large"])
def test_who_has_to_begin_in_time_waits_no_longer(taken):
    """In a batch a file whose turn doesn't come isn't begun, and isn't refused; later it is taken."""
    inspector = IsolatedInspector(processes=1)
    large = hostile.webp_of_one_colour(2000, 2000)
    decoder = inspector._free.get() if taken == "decoder" else None
    inspector._one_large.acquire()
    with beginning_within(0.5), pytest.raises(NotBegunError):
        inspector.inspect(large)
    if taken == "decoder":
        inspector._free.put(decoder)
    inspector._one_large.release()
    assert inspector.inspect(large).width == 2000


def test_large_images_are_decoded_one_at_a_time():
    """A large image waits for leave while another one is decoded; a small one doesn't."""
    inspector = IsolatedInspector(processes=2)
    large = hostile.webp_of_one_colour(2000, 2000)
    with ThreadPoolExecutor(1) as pool:
        with inspector._one_large:
            waiting = pool.submit(inspector.inspect, large)
            for number in range(5):
                inspector.inspect(hostile.small(number))
            assert not waiting.done()
        assert waiting.result(10).width == 2000


def test_decoders_end_with_what_started_them():
    """Nothing is left when an inspector is gone, nor when its process was killed in the middle."""
    inspector = IsolatedInspector(processes=1)
    inspector.inspect(hostile.small())
    process = inspector._free.queue[-1]._process
    del inspector
    gc.collect()
    assert process.returncode == -signal.SIGKILL
    script = """
import os
from chalicelib.adapters.isolation import IsolatedInspector
from tests import hostile
inspector = IsolatedInspector(processes=1)
inspector.inspect(hostile.small())
print(inspector._free.queue[-1]._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while _is_alive(int(done.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def test_answers_of_a_stranger_are_checked():
    """Only what a picture can be passes: no other type, size, thumbnail or hash, and nothing deep."""
    good = {
        "content_type": "image/png", "width": 3, "height": 2,
        "thumbnail": "/9j/", "perceptual_hash": "0" * 32,
    }  # fmt: skip
    changes = [
        {"content_type": "text/html"}, {"width": -3}, {"width": 3.0}, {"width": 41_000_000}, {"width": True},
        {"thumbnail": "PHNjcmlwdD4="}, {"thumbnail": 7}, {"more": 1},
        {"perceptual_hash": "0"}, {"perceptual_hash": "x" * 32},
    ]  # fmt: skip
    wrong = [*(good | each for each in changes), {}, [], 7]
    assert answers.checked(decoder.PICTURE, json.dumps(good).encode()).width == 3
    bodies = [json.dumps(each).encode() for each in wrong]
    for body in (*bodies, b"", b"\xff", b"[" * 500_000):
        with pytest.raises(answers.DecoderError):
            answers.checked(decoder.PICTURE, body)
    with pytest.raises(answers.DecoderError):
        answers.checked(decoder.LARGE, b"{}")


def test_the_command_is_this_python():
    """The decoder runs under the interpreter that is here, and not one of the PATH."""
    assert COMMAND[0] == sys.executable
