"""Does what the Dockerfile says without a container engine, and runs what comes of it.

`python -m pagerpal.tests.dockerfile` copies by .dockerignore into a clean folder, runs every RUN
there with this Python, makes the files read-only, starts CMD with the ENV and no capabilities,
asks HEALTHCHECK until it is content, and stops it. `make container-check` calls it.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# What only a whole system has: its users.
NOT_HERE = re.compile(r"\b(?:useradd|groupadd)\b")
# Even root may then write only where the modes of files allow it.
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


@dataclass
class Stage:
    """From one FROM to the next."""

    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [text for name, text in self.steps if name == instruction]

    @property
    def environment(self) -> dict[str, str]:
        pairs = [shlex.split(text) for text in self.all("ENV")]
        return dict(pair.split("=", 1) for line in pairs for pair in line)

    def command(self, instruction: str) -> list[str]:
        """The words of a CMD in brackets, also behind HEALTHCHECK's options."""
        [text] = self.all(instruction)
        words: list[str] = json.loads(text[text.index("[") :])
        return words


def parse(text: str) -> list[Stage]:
    stages: list[Stage] = []
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in uncommented.replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            stages.append(Stage(rest))
        elif name and stages:
            stages[-1].steps.append((name, rest.strip()))
    return stages


def is_ignored(path: str, rules: list[str]) -> bool:
    """By .dockerignore: the last rule that fits the path, or a folder above it, decides."""
    parts = path.split("/")
    above = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        tails = [pattern.removeprefix("**/")] if pattern.startswith("**/") else []
        fits = any(
            fnmatch.fnmatchcase(one, pattern) if "/" in pattern or "/" not in one else False
            for one in above
        ) or any(fnmatch.fnmatchcase(name, tail) for name in parts for tail in tails)
        if fits:
            ignored = not rule.startswith("!")
    return ignored


def rules() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def context() -> list[str]:
    """What is sent to the builder, of the files that git knows or would take."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    known = rules()
    return sorted(path for path in found.stdout.splitlines() if not is_ignored(path, known))


class Built:
    """The two stages as folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.build, self.final = parse((ROOT / "Dockerfile").read_text())
        for name in ("app", "venv", "data", "tmp"):
            (folder / name).mkdir()
        (folder / "venv").rmdir()

    def here(self, text: str) -> str:
        """The same with /app, /venv, /data and /tmp/build in our folder."""
        return re.sub(r"(?<![\w/.])/(app|venv|data|tmp)\b", rf"{self.folder}/\1", text)

    def make(self) -> None:
        for name, text in self.build.steps:
            if name == "COPY":
                self._copy(text.split())
            elif name == "RUN":
                self._run(text)
        for text in self.final.all("RUN"):
            assert NOT_HERE.search(text), f"a step that nobody tries: {text}"

    def _copy(self, words: list[str]) -> None:
        wanted = context() if words[0] == "." else words[:-1]
        for path in wanted:
            to = self.folder / "app" / path
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, to)

    def _run(self, text: str) -> None:
        print("RUN", text, flush=True)
        command = self.here(text).replace("python -m venv", f"{sys.executable} -m venv")
        subprocess.run(
            ["sh", "-ec", command], cwd=self.folder / "app", env=self._outside(), check=True
        )

    def _outside(self) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG")
        return {
            name: value
            for name, value in os.environ.items()
            if name in kept or name.startswith("PIP_")
        }

    def serve(self, port: int) -> None:
        """Start CMD, wait until HEALTHCHECK is content, and stop it as a container is stopped."""
        self._lock()
        running = subprocess.Popen(self._powerless("CMD"), **self._inside(port))
        try:
            begun = time.monotonic()
            while not self._is_healthy(port):
                assert running.poll() is None, "it ended"
                assert time.monotonic() - begun < 120, "not healthy within two minutes"
                time.sleep(0.2)
            print(f"healthy after {time.monotonic() - begun:.1f} s", flush=True)
        finally:
            running.send_signal(signal.SIGTERM)
            code = running.wait(45)
        assert code == 0, f"it ended with code {code}"
        written = sorted(path.name for path in (self.folder / "data").iterdir())
        print(f"stopped; /data holds {', '.join(written)}", flush=True)

    def _is_healthy(self, port: int) -> bool:
        asked = subprocess.run(
            self._powerless("HEALTHCHECK"),
            stdout=subprocess.DEVNULL,
            check=False,
            **self._inside(port),
        )
        return asked.returncode == 0

    def _powerless(self, instruction: str) -> list[str]:
        command = self.final.command(instruction)
        return [*POWERLESS, *command] if os.geteuid() == 0 else command

    def _inside(self, port: int) -> dict[str, Any]:
        environment = {name: self.here(value) for name, value in self.final.environment.items()}
        environment["PATH"] = environment["PATH"].replace("$PATH", os.environ["PATH"])
        environment |= {"PAGERPAL_PORT": str(port), "HOME": "/"}
        return {"cwd": self.folder / "app", "env": environment}

    def _lock(self) -> None:
        """Nothing but /data and /tmp can be written to."""
        for name in ("app", "venv"):
            for path in [self.folder / name, *(self.folder / name).rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode & ~0o222 | 0o444)

    def unlock(self) -> None:
        """Let it be deleted."""
        for path in self.folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)


def main() -> None:
    from pagerpal.tests.processes import free_port

    folder = Path(tempfile.mkdtemp(prefix="pagerpal-image-"))
    built = Built(folder)
    try:
        built.make()
        built.serve(free_port())
    finally:
        built.unlock()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
