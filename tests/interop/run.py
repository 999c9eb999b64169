#!/usr/bin/env python3
"""Telegraphone against real SIP clients.

    cargo build && sudo python3 tests/interop/run.py [--binary PATH] [--jobs N] [--list] [NAME...]

Each scenario has a network, a service and a data directory of its own and
leaves nothing behind. It needs root (network namespaces, a small tmpfs, the
service's memory). The last line is `N passed, N failed`; the status is 0 only
when none failed. `NAME` runs the scenarios whose names contain it.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# Each program with the Debian package that it comes in.
PROGRAMS = {
    "baresip": "baresip-core", "linphonec": "linphone-cli", "sipp": "sip-tester", "tcpdump": "tcpdump",
    "sox": "sox", "ffmpeg": "ffmpeg", "ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux",
    "stdbuf": "coreutils", "mount": "mount", "openssl": "openssl", "node": "nodejs",
}  # fmt: skip
SCENARIO_S = 90


def missing() -> list[str]:
    absent = [(program, package) for program, package in PROGRAMS.items() if not shutil.which(program)]
    problems = [f"{program} is missing: apt-get install {package}" for program, package in absent]
    python = os.environ.get("TELEGRAPHONE_SMTPD_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import aiosmtpd"], capture_output=True).returncode != 0:
        problems.append("aiosmtpd is missing: pip install aiosmtpd, and name its Python in TELEGRAPHONE_SMTPD_PYTHON")
    sdk = os.environ.get("TELEGRAPHONE_WAZO_SDK", "")
    for package in ("@wazo/sdk", "ws"):
        if not (Path(sdk) / package / "package.json").exists():
            problems.append(f"{package} is missing: npm pack {package}, unpack it as FOLDER/{package}, and name FOLDER in TELEGRAPHONE_WAZO_SDK")
    if os.geteuid() != 0:
        problems.append("this needs root: network namespaces, a small file system, the memory of the service")
    return problems


def default_binary() -> Path:
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
    built = [target / kind / "telegraphone" for kind in ("debug", "release")]
    return max((b for b in built if b.exists()), key=lambda b: b.stat().st_mtime, default=built[0])


def run_one(scenario: Callable, binary: Path) -> tuple[bool, float, str]:
    """Runs it on its own stage; the stage goes down when the time is over, which ends every wait in it."""
    from stage import stage

    begun, detail = time.monotonic(), ""
    too_late = threading.Event()
    try:
        with stage(binary) as s:
            timer = threading.Timer(SCENARIO_S, lambda: (too_late.set(), s.give_up()))
            timer.daemon = True
            timer.start()
            try:
                scenario(s)
            except BaseException:
                detail = traceback.format_exc() + s.logs()
                raise
            finally:
                timer.cancel()
    except KeyboardInterrupt:
        raise
    except BaseException:
        detail = detail or traceback.format_exc()
        if too_late.is_set():
            detail = f"not over in {SCENARIO_S} s\n" + detail
        return False, time.monotonic() - begun, detail
    return True, time.monotonic() - begun, ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--binary", type=Path, default=default_binary(), help="the telegraphone to test")
    parser.add_argument("--jobs", type=int, default=1, help="scenarios at a time (1)")
    parser.add_argument("--list", action="store_true", help="only name the scenarios")
    options = parser.parse_args()

    problems = missing()
    if not options.binary.exists():
        problems.append(f"{options.binary} is missing: cargo build")
    if problems and not options.list:
        print("\n".join(problems), file=sys.stderr)
        return 2

    import scenario_calls
    import scenario_codecs
    import scenario_failure
    import scenario_flows
    import scenario_ipv6
    import scenario_mail
    import scenario_policy
    import scenario_provisioning
    import scenario_secure
    import scenario_texts
    import scenario_transfer
    import scenario_trunks
    import scenario_voicemail
    import scenario_wazo

    everything = [*scenario_calls.SCENARIOS, *scenario_codecs.SCENARIOS, *scenario_policy.SCENARIOS]
    everything += [*scenario_flows.SCENARIOS, *scenario_transfer.SCENARIOS, *scenario_trunks.SCENARIOS]
    everything += [*scenario_texts.SCENARIOS, *scenario_provisioning.SCENARIOS]
    everything += [*scenario_ipv6.SCENARIOS, *scenario_secure.SCENARIOS, *scenario_failure.SCENARIOS, *scenario_mail.SCENARIOS]
    everything += [*scenario_voicemail.SCENARIOS, *scenario_wazo.SCENARIOS]
    chosen = [c for c in everything if not options.names or any(n in c.__name__ for n in options.names)]
    if options.list:
        print("\n".join(c.__name__ for c in chosen))
        return 0
    if not chosen:
        print(f"no scenario is called {' or '.join(options.names)}", file=sys.stderr)
        return 2

    failed, again = 0, []
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        running = {pool.submit(run_one, scenario, options.binary): scenario for scenario in chosen}
        for done in concurrent.futures.as_completed(running):
            good, seconds, detail = done.result()
            print(f"{'ok    ' if good else 'FAILED'} {running[done].__name__} ({seconds:.1f} s)", flush=True)
            if not good:
                again.append(running[done])
                print("    " + detail.replace("\n", "\n    "), flush=True)
    # The clients are other people's programs, and one in some hundred starts of theirs goes wrong.
    # What fails twice, the second time alone, is ours; what fails once is told, not hidden.
    for scenario in again:
        good, seconds, detail = run_one(scenario, options.binary)
        print(f"{'ok at the second try' if good else 'FAILED twice'} {scenario.__name__} ({seconds:.1f} s)", flush=True)
        if not good:
            failed += 1
            print("    " + detail.replace("\n", "\n    "), flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
