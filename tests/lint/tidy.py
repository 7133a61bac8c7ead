#!/usr/bin/env python3
"""Run clang-tidy over the files of a build's compile_commands.json, one process a core.

usage: tidy.py BUILD CLANG-TIDY [FILE…]

clang does not know where GCC keeps omp.h, and must not meet GCC's other headers: that one is copied to where it looks.
"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile


def main():
    build, tidy = sys.argv[1:3]
    only = {os.path.realpath(path) for path in sys.argv[3:]}
    with open(os.path.join(build, "compile_commands.json")) as file:
        commands = json.load(file)
    sources = sorted({os.path.realpath(os.path.join(c["directory"], c["file"])) for c in commands})
    sources = [s for s in sources if s.endswith(".c") and (not only or s in only)]
    omp = subprocess.run(["gcc", "-print-file-name=include/omp.h"], stdout=subprocess.PIPE,
                         check=True).stdout.decode().strip()

    def check(source, headers):
        run = subprocess.run([tidy, "-p", build, "--quiet", f"--extra-arg=-idirafter{headers}", source],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return source, run.returncode, run.stdout.decode(), run.stderr.decode()

    failed = 0
    with tempfile.TemporaryDirectory() as headers, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        shutil.copy(omp, headers)
        for source, code, out, err in pool.map(lambda source: check(source, headers), sources):
            if code:
                failed += 1
                print(f"--- {os.path.relpath(source)}\n{out or err}", flush=True)
    print(f"clang-tidy: {len(sources)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
