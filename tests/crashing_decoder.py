"""`python -m tests.crashing_decoder`: the decoder with holes, as if a library had them."""

import os
import signal
import sys
import time

from chalicelib.adapters import decoder
from chalicelib.adapters.isolation import COMMAND
from chalicelib.adapters.pictures import PillowInspector

#: Starts this in the decoder's place.
CRASHING = (*COMMAND[:-1], "tests.crashing_decoder")
SEGFAULT, KILLED, MEMORY, HANG, EXIT, LIE, FLOOD, POISON, POISONED = (
    b"segfault", b"killed", b"memory", b"hang", b"exit", b"lie", b"flood", b"poison-it", b"harmless",
)  # fmt: skip


class Crashing(PillowInspector):
    """Does what a file says."""

    is_poisoned = False

    def inspect(self, content: bytes):
        if SEGFAULT in content or (self.is_poisoned and POISONED in content):
            os.kill(os.getpid(), signal.SIGSEGV)
        if KILLED in content:
            os.kill(os.getpid(), signal.SIGKILL)
        if MEMORY in content:
            bytearray(2 * decoder.MEMORY_BYTES)
        if EXIT in content:
            os._exit(0)
        if HANG in content:
            time.sleep(60)  # takes no processor time
        if LIE in content:
            os.write(0, decoder.ANSWER.pack(decoder.PICTURE, 2) + b"{}")
        if FLOOD in content:
            os.write(0, decoder.ANSWER.pack(decoder.PICTURE, 1 << 31))
        self.is_poisoned |= POISON in content
        return super().inspect(content)


if __name__ == "__main__":
    decoder.PillowInspector = Crashing
    sys.exit(decoder.main())
