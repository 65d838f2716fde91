"""Become the given command, with a guard that ends it when the starter's end of the pipe on stdin closes.

The kernel closes the pipe however the starter ends, kill -9 included. The guard is a child of the command, so its parent's
id can never be a reused one, and it ends with the command. Run by its path, with the standard library only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def guard(command: int) -> None:
    """Wait for the starter's end, then kill the command and its process group."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    while os.getppid() == command:
        if os.read(0, 1) == b"":
            if os.getppid() == command:
                os.killpg(command, signal.SIGKILL)
            return


def main(argv: list[str]) -> None:
    command = os.getpid()
    if os.fork() == 0:
        try:
            guard(command)
        finally:
            os._exit(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.execv(argv[0], argv)  # noqa: S606 - the starter gives an absolute path and the arguments as a list


if __name__ == "__main__":
    main(sys.argv[1:])
