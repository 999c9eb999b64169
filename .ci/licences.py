"""Every dependency has a licence that goes with Apache-2.0 OR MIT."""

import json
import subprocess
import sys

ALLOWED = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "ISC",
           "Unicode-3.0", "Zlib", "Unlicense", "0BSD", "BSL-1.0", "CC0-1.0", "CDLA-Permissive-2.0"}
# Published with a licence file and without the field; the file was read.
READ = {"rsip": "MIT", "rsip-derives": "MIT"}


def allowed(expression: str) -> bool:
    """An SPDX expression of AND and OR, OR binding weaker; `/` is the old way to write OR."""
    text = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    tokens = text.split()

    def alternatives(at):
        good, at = terms(at)
        while at < len(tokens) and tokens[at] == "OR":
            more, at = terms(at + 1)
            good = good or more
        return good, at

    def terms(at):
        good, at = one(at)
        while at < len(tokens) and tokens[at] == "AND":
            more, at = one(at + 1)
            good = good and more
        return good, at

    def one(at):
        if tokens[at] == "(":
            good, at = alternatives(at + 1)
            return good, at + 1
        name, at = tokens[at], at + 1
        if at < len(tokens) and tokens[at] == "WITH":
            name, at = f"{name} WITH {tokens[at + 1]}", at + 2
        return name in ALLOWED, at

    return alternatives(0)[0]


def main() -> int:
    metadata = json.loads(subprocess.run(["cargo", "metadata", "--format-version", "1", "--locked"],
                                         check=True, capture_output=True).stdout)
    wrong = []
    for package in metadata["packages"]:
        licence = package.get("license") or READ.get(package["name"])
        if licence is None or not allowed(licence):
            wrong.append(f"{package['name']} {package['version']}: {licence}")
    print(f"{len(metadata['packages']) - len(wrong)} licences go, {len(wrong)} do not")
    for line in wrong:
        print(" ", line)
    return 1 if wrong else 0


sys.exit(main())
