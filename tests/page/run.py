#!/usr/bin/env python3
"""The page in a real browser, with real SIP clients and the real service.

    cargo build && sudo -E python3 tests/page/run.py [--binary PATH] [--shots DIR] [--list] [NAME...]

Needs Chromium, Playwright for Python, axe-core (`TELEGRAPHONE_AXE` names its axe.min.js), and what the
interop suite needs: nothing is skipped where something is missing. Each story has a network, a service and
browsers of its own. Screenshots of every page, at three sizes and in both themes, are left in DIR
(target/page-shots), those of a story that failed in DIR/failed. The last line is `N passed, N failed`; the
status is 0 only when none failed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "interop"), str(HERE)]

import run as interop  # noqa: E402  (the runner of the interop suite)


def missing() -> list[str]:
    not_here = ("linphonec", "aiosmtpd", "@wazo/sdk", "ws")
    problems = [problem for problem in interop.missing() if problem.split(" is missing")[0] not in not_here]
    if importlib.util.find_spec("playwright") is None:
        problems.append("playwright is missing: pip install playwright")
    else:
        from world import chromium

        if not chromium():
            problems.append("chromium is missing: apt-get install chromium")
    axe = os.environ.get("TELEGRAPHONE_AXE", "")
    if not Path(axe).is_file():
        problems.append(f"axe-core is missing: npm install axe-core, and name its axe.min.js in TELEGRAPHONE_AXE ({axe!r})")
    return problems


def run_one(story: Callable, binary: Path, shots: Path) -> tuple[bool, float, str]:
    """Tells it in a world of its own, which goes down when the time is over."""
    from world import world

    begun, detail = time.monotonic(), ""
    limit = getattr(story, "seconds", 120)
    too_late = threading.Event()
    try:
        with world(binary) as w:
            timer = threading.Timer(limit, lambda: (too_late.set(), w.give_up()))
            timer.daemon = True
            timer.start()
            try:
                story(w, shots) if getattr(story, "takes_pictures", False) else story(w)
                w.check_tabs()
            except BaseException:
                detail = traceback.format_exc() + w.logs()
                w.pictures(shots / "failed" / story.__name__)
                raise
            finally:
                timer.cancel()
    except KeyboardInterrupt:
        raise
    except BaseException:
        detail = detail or traceback.format_exc()
        if too_late.is_set():
            detail = f"not over in {limit} s\n" + detail
        return False, time.monotonic() - begun, detail
    return True, time.monotonic() - begun, ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--binary", type=Path, default=interop.default_binary(), help="the telegraphone to test")
    parser.add_argument("--shots", type=Path, default=ROOT / "target/page-shots", help="where screenshots go")
    parser.add_argument("--list", action="store_true", help="only name the stories")
    options = parser.parse_args()

    problems = missing()
    if not options.binary.exists():
        problems.append(f"{options.binary} is missing: cargo build")
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 2

    import every_page
    import stories

    everything = [*stories.STORIES, *every_page.STORIES]
    chosen = [story for story in everything if not options.names or any(name in story.__name__ for name in options.names)]
    if options.list:
        print("\n".join(story.__name__ for story in chosen))
        return 0
    if not chosen:
        print(f"no story is called {' or '.join(options.names)}", file=sys.stderr)
        return 2
    def tell(story: Callable, words: tuple[str, str]) -> bool:
        good, seconds, detail = run_one(story, options.binary, options.shots)
        print(f"{words[0] if good else words[1]} {story.__name__} ({seconds:.1f} s)", flush=True)
        if not good:
            print("    " + detail.replace("\n", "\n    "), flush=True)
        return good

    # As in the interop suite: the phones are other people's programs. What fails twice is ours; what fails
    # once is told, not hidden.
    again = [story for story in chosen if not tell(story, ("ok    ", "FAILED"))]
    failed = sum(not tell(story, ("ok at the second try", "FAILED twice")) for story in again)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
