"""Whether two captures of the same scenario replay to the same table of results.

    same_table.py --binary PATH ONE.pcap OTHER.pcap

What differs from one making to the next (times, packet counts, ports, ids) is left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile


def table(binary: str, capture: str) -> list[dict]:
    with tempfile.TemporaryDirectory() as out:
        run = subprocess.run([binary, "replay", "--json", "--out", out, capture], capture_output=True, check=False)
    if run.returncode != 0:
        sys.exit(f"replay of {capture} failed: {run.stderr.decode()}")
    rows = []
    for report in json.loads(run.stdout):
        for call in report["calls"]:
            sides = [call["caller"], call["callee"]]
            rows.append({
                "parties": [side["party"]["address"] for side in sides],
                "codecs": [side["codecs"] for side in sides],
                "direction": call["direction"],
                "outcome": call["outcome"],
                "end": call["end_reason"],
                "decision": call["decision"],
                "commands": [(change["wanted"], change["refused"], change["how"]) for change in call["commands"]],
                "other digits": [side["other_digits"] for side in sides],
                "ended paused": call["ended_paused"],
                "files": [(file["state"], sorted({m["kind"] for m in file["markers"]} & {"start", "pause", "resume", "end"}))
                          for file in call["files"]],
            })
    return rows


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("one")
    parser.add_argument("other")
    arguments = parser.parse_args()
    one, other = table(arguments.binary, arguments.one), table(arguments.binary, arguments.other)
    if one == other and one:
        print(f"the same table of {len(one)} call(s)")
        return 0
    print(json.dumps({"one": one, "other": other}, indent=1))
    return 1


if __name__ == "__main__":
    sys.exit(main())
