"""Java peers: their jars by lock, compiled once per source and lock with the JDK of this machine."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from topics.jars import JarsUnavailable, locked

HERE = Path(__file__).parent / "peers" / "java"
BUILT = Path(__file__).resolve().parents[2] / ".nanotriage" / "bench-java"
_OPENED = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("lang", "util", "util.concurrent", "time")]


def no_java(lock: str) -> Callable[[], str | None]:
    """Return a function that says why a peer of this lock cannot run here, or None."""

    def why() -> str | None:
        if shutil.which("javac") is None or shutil.which("java") is None:
            return "there is no JDK: it takes javac, and the runtime that the embedded Kafka brings along has none"
        try:
            locked((HERE / lock).read_text(encoding="utf-8"))
        except JarsUnavailable as error:
            return str(error)
        return None

    return why


def java(main: str, lock: str, *arguments: str) -> Callable[[Path], Sequence[str]]:
    """Return a function from the job's file to the command that runs the class."""

    def command(job: Path) -> Sequence[str]:
        text = (HERE / lock).read_text(encoding="utf-8")
        path = os.pathsep.join(map(str, locked(text)))
        sources = [HERE / "Job.java", HERE / f"{main}.java"]
        digest = hashlib.sha256(b"".join([text.encode(), *(source.read_bytes() for source in sources)])).hexdigest()
        classes = BUILT / f"{main}-{digest[:16]}"
        if not classes.is_dir():
            made = classes.with_suffix(f".{os.getpid()}")
            subprocess.run(["javac", "-d", made, "-cp", path, *sources], check=True)
            made.rename(classes)
        return ["java", "-Xmx1g", *_OPENED, "-cp", f"{classes}{os.pathsep}{path}", main, *arguments, str(job)]

    return command
