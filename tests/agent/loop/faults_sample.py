"""What a worker's process of the tests imports: systems with a known inside, and a desk that fails as it is told."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from pathlib import Path

import numpy as np

from veridical.agent.loop.jobs import Job, Outcome

PICTURE = np.zeros((4, 4, 3), np.uint8)


def job(number=0, action="STOP", **members):
    """A job; at a `FaultyDesk` its action says what goes wrong."""
    given = {
        "id": str(uuid.UUID(int=number, version=4)),
        "observation": {"vision": PICTURE, "text": "go down the street"},
        "triggers": ("request",),
        "time": "2026-11-23T20:12:33+00:00",
        "policy": {},
        "labels": {},
    }
    return Job(**given | {"number": number, "action": action} | members)


class FaultyDesk:
    """Answers each job, unless the job's action is one of its faults. It needs no torch, so that it begins at once."""

    def __init__(self, where):
        self.where = where

    def do(self, job):
        if job.action == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if job.action == "leave":
            os._exit(3)
        if job.action == "hang":
            time.sleep(60)
        if job.action == "raise":
            raise OSError("it burst")
        if job.action == "slow":
            time.sleep(0.3)
        sys.stdout.write("noise " * 1000)  # the parent's stays its own
        sys.stdout.flush()
        if job.action == "tell":
            return Outcome(job.id, job.number, "explained", f"{os.getpid()} {os.nice(0)}", self.where)
        return Outcome(job.id, job.number, "explained", job.action, str(job.observation["vision"].sum()))

    def close(self):
        if self.where:
            Path(self.where).write_text("closed")


def open_faulty(make, settings, log, copied):
    """Stands in for `open_desk`; ``make`` may be what fails."""
    if callable(make):
        make()
    return FaultyDesk(log and log[0])


def nothing():
    """Make no system, and no trouble either."""


def broken():
    """Make no system."""
    raise ValueError("no camera is plugged in")


def toy():
    """A system that reads, and stops for a cat: 4 nats for each, less one."""
    from tests.toys import CAT, READER, Toy

    return Toy(lambda inputs: 4 * inputs["text"][..., CAT].sum(-1) - 1, READER, name="toy")
