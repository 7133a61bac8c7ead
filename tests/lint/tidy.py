#!/usr/bin/env python3
"""Run clang-tidy over the files of a build's compile_commands.json, one process a core.

usage: tidy.py BUILD CLANG-TIDY [FILE…]

clang does not know where GCC keeps omp.h: GCC's own header folder is added behind all others.
"""
import concurrent.futures
import json
import os
import subprocess
import sys


def main():
    build, tidy = sys.argv[1:3]
    only = {os.path.realpath(path) for path in sys.argv[3:]}
    with open(os.path.join(build, "compile_commands.json")) as file:
        commands = json.load(file)
    sources = sorted({os.path.realpath(os.path.join(c["directory"], c["file"])) for c in commands})
    sources = [s for s in sources if s.endswith(".c") and (not only or s in only)]
    gcc_headers = subprocess.run(["gcc", "-print-file-name=include"], stdout=subprocess.PIPE,
                                 check=True).stdout.decode().strip()

    def check(source):
        run = subprocess.run([tidy, "-p", build, "--quiet", "--warnings-as-errors=*",
                              f"--extra-arg=-idirafter{gcc_headers}", source],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return source, run.returncode, run.stdout.decode(), run.stderr.decode()

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, code, out, err in pool.map(check, sources):
            if code:
                failed += 1
                print(f"--- {os.path.relpath(source)}\n{out}", flush=True)
                if not out:
                    print(err)
    print(f"clang-tidy: {len(sources)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
