"""The limit of sign-ins: what argon2-cffi computes on all cores when nothing else is done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
IMPORT_SECONDS = 0.6


@dataclass(frozen=True, slots=True)
class Raw:
    """Hashes in a second on all cores, and seconds of CPU for each."""

    rate: float
    cpu: float

    @property
    def cores(self) -> float:
        """How many cores it had; fewer than there are means that others were at work, too."""
        return self.rate * self.cpu


def measure(seconds: float) -> Raw:
    """Hash on all cores, one process each, from one moment on."""
    begin = time.time() + IMPORT_SECONDS
    command = [sys.executable, "-m", "bench.raw_hash", str(seconds), str(begin)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in os.sched_getaffinity(0)]
    said = [worker.communicate(timeout=120)[0].split() for worker in workers]
    return Raw(sum(float(rate) for rate, _ in said), sum(float(cpu) for _, cpu in said) / len(said))


def work(seconds: float, begin: float) -> Raw:
    """Hash in this process, from one moment on, for so long."""
    salt = os.urandom(16)
    time.sleep(max(0.0, begin - time.time()))
    started, cpu = time.perf_counter(), time.process_time()
    done = 0
    while (elapsed := time.perf_counter() - started) < seconds:
        hash_secret_raw(b"a password of some length", salt, PASSES, MEMORY_KIB, LANES, 32, Type.ID)
        done += 1
    return Raw(done / elapsed, (time.process_time() - cpu) / done)


if __name__ == "__main__":
    found = work(float(sys.argv[1]), float(sys.argv[2]))
    print(found.rate, found.cpu)
