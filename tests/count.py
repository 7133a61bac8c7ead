#!/usr/bin/env python3
"""Count the results in meson's test logs: prints 'N passed, N failed' and exits 1 on failures or none run.

Programs written with Check, unittest and pytest report how many checks they hold; their sum is shown too.
"""
import json
import re
import sys

PASS = {"OK", "EXPECTEDFAIL"}
CHECKS = re.compile(r"^(?:(?:\d+%: Checks:|Ran) (\d+)(?:, Failures:| tests? in)|(\d+) passed\b)", re.M)


def main():
    passed, checks, skipped, failed = 0, 0, [], []
    for path in sys.argv[1:]:
        with open(path) as log:
            for line in log:
                test = json.loads(line)
                if test["result"] in PASS:
                    passed += 1
                elif test["result"] == "SKIP":
                    skipped.append(test["name"])
                else:
                    failed.append(test["name"])
                output = (test.get("stdout") or "") + (test.get("stderr") or "")
                checks += sum(int(count[1] or count[2]) for count in CHECKS.finditer(output))
    print()
    if skipped:
        print("skipped:", ", ".join(skipped))
    if failed:
        print("failed:", ", ".join(failed))
    if checks:
        print(f"{checks} checks in {passed + len(failed)} test programs")
    tail = f", {len(skipped)} skipped" if skipped else ""
    print(f"{passed} passed, {len(failed)} failed{tail}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
