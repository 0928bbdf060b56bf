"""Dying by SIGKILL at a named point, see `pipeline.platform.points`; in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.platform import points


@dataclass
class Death:
    """A hook that dies at a point when it is reached for the n-th time."""

    name: str
    nth: int = 1
    _reached: int = field(default=0, init=False)

    def __call__(self, reached: str) -> None:
        self._reached += reached == self.name
        if reached == self.name and self._reached == self.nth:
            os.kill(os.getpid(), signal.SIGKILL)


def dying_at(name: str, nth: int = 1) -> dict[str, Any]:
    """The `values` of a child process (`flows.place.start`) that dies there."""
    return {"pipeline.platform.points:hook": Death(name, nth)}


def dies_at(name: str, work: Callable[[], Any], nth: int = 1) -> None:
    """Do `work` in a fork that must die there."""
    assert fork(partial(_work, Death(name, nth), work)) == signal.SIGKILL, f"{name} was not reached"


def fork(work: Callable[[], Any]) -> int:
    """The signal that ended `work` in a process of its own, 0 when it came to its end; fails the test when it raised."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _work(hook: Death, work: Callable[[], Any]) -> None:
    points.hook = hook
    work()
