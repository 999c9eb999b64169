"""`telegraphone serve` as a child process with a data directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Optional, Sequence

from client import Here, Place


class ServiceError(AssertionError):
    """The service did not do what it should; the message ends with its log."""


def eventually(look: Callable, seconds: float, complaint: str, step_s: float = 0.05):
    """The first true value of `look()`; an error when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{complaint} (waited {seconds} s)")
        time.sleep(step_s)


class Service:
    """One service. `config` and `company` are the texts of its two files."""

    def __init__(self, binary: Path, folder: Path, config: str, company: str, place: Optional[Place] = None):
        self.binary = Path(binary).resolve()
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.log_path = self.folder / "service.log"
        self.place = place or Here()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "telegraphone.toml"
        self.config.write_text(config)
        self.company = self.folder / "company.toml"
        self.company.write_text(company)
        self.process: Optional[subprocess.Popen] = None
        self._lines: list[str] = []
        self._changed = threading.Condition()

    def __enter__(self) -> "Service":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    # -- life --

    def start(self) -> None:
        self.apply()
        self._spawn()

    def restart(self) -> None:
        self._spawn()

    def _spawn(self) -> None:
        argv = [str(self.binary), "--config", str(self.config), "--data", str(self.data), "serve"]
        self._lines.clear()
        self.process = subprocess.Popen(
            self.place.command(argv), stdout=subprocess.PIPE, stderr=open(self.log_path, "ab"), env=self._environment()
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        with self._changed:
            begun = self._changed.wait_for(lambda: self._lines or self.process.poll() is not None, 15)
        if not begun or not self._lines:
            self.kill()
            raise ServiceError("the service does not start\n" + self.log_tail())

    def _environment(self) -> dict[str, str]:
        """Nothing of the tester's own settings."""
        return {k: v for k, v in os.environ.items() if not k.startswith("TELEGRAPHONE_")}

    def _read(self, process: subprocess.Popen) -> None:
        for line in process.stdout:
            with self._changed:
                self._lines.append(line.decode())
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def terminate(self, seconds: float) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ServiceError(f"runs on {seconds} s after SIGTERM\n" + self.log_tail()) from None

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    # -- what an operator does with it --

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        argv = [str(self.binary), "--config", str(self.config), "--data", str(self.data), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, env=self._environment())
        if check and done.returncode != 0:
            raise ServiceError(f"{arguments} ended with {done.returncode}: {done.stderr}\n{self.log_tail()}")
        return done

    def ask(self, *arguments: str) -> dict:
        return json.loads(self.run(*arguments, "--json").stdout)

    def apply(self) -> None:
        self.run("apply", str(self.company))

    def calls(self) -> list[dict]:
        return self.ask("call", "list")["calls"]

    def call(self, state: str = "answered", seconds: float = 5) -> dict:
        """The one call that is up, once its outcome is `state`."""
        found: list[dict] = []

        def look() -> bool:
            found[:] = [c for c in self.calls() if c["record"]["outcome"] == state]
            return bool(found)

        eventually(look, seconds, f"no call is {state}")
        return found[0]

    def call_record(self, call: str) -> dict:
        return self.ask("call", "show", call)["record"]

    def call_over(self, call: str, seconds: float = 6) -> dict:
        """The record of a call, once it has ended."""
        found: list[dict] = []

        def look() -> bool:
            # Between its end and its row a call that nobody answered is nowhere.
            shown = self.run("call", "show", call, "--json", check=False)
            found[:] = [json.loads(shown.stdout).get("record") or {"ended": None}]
            return found[0]["ended"] is not None

        eventually(look, seconds, f"call {call} does not end")
        return found[0]

    def recordings(self) -> list[dict]:
        return self.ask("recording", "list")["recordings"]

    def finished(self, count: int = 1, seconds: float = 6) -> list[dict]:
        """The recordings, once there are `count`, newest first."""
        found: list[dict] = []

        def look() -> bool:
            found[:] = self.recordings()
            return len(found) >= count

        try:
            eventually(look, seconds, f"not {count} recording(s)")
        except AssertionError as error:
            raise ServiceError(f"{error}: {[r['state'] for r in found]}\n{self.log_tail()}") from None
        if len(found) != count:
            raise ServiceError(f"{len(found)} recordings instead of {count}")
        return found

    def events(self) -> list[dict]:
        """What was told of recordings, not of calls."""
        return [event for event in self.ask("event", "list")["events"] if event["subject"] == "recording"]

    def stored_devices(self) -> int:
        """Devices registered over UDP that a restart would know of."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data / 'telegraphone.db'}?mode=ro", uri=True)) as database:
            return database.execute("SELECT COUNT(*) FROM bindings WHERE transport = 'udp'").fetchone()[0]

    def wav(self, recording: dict) -> Path:
        return self.data / "recordings" / recording["path"]

    # -- what it left --

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, count: int = 25) -> str:
        return "\n".join(self.log().splitlines()[-count:])

    def files(self, suffixes: Sequence[str] = (".wav", ".part")) -> list[Path]:
        """Files of recordings, finished or not."""
        return [p for p in self.data.rglob("*") if p.is_file() and p.suffix in suffixes]
