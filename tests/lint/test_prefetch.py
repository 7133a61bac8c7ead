"""Whether the compiler kept the prefetches of graph searches: lib/base/prefetch.h says why it might drop them. No answer
changes without them, only the time that searches take, so the machine code is read. Argument: the library."""
import re
import shutil
import subprocess
import sys

SKIPPED = 77
FUNCTION = "visit_neighbours"  # prefetches the code of each node by graph_space_prefetch
PREFETCH = re.compile(r"\tprefetch|\tprfm")  # x86, Arm


def function_code(library: str, name: str) -> str:
    """The instructions of a function; empty if the library has no symbols."""
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library],
                             check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.search(rf"^[0-9a-f]+ <{name}>:\n(.*?)(?:\n\n|\Z)", listing, re.S | re.M)
    return found.group(1) if found else ""


def main() -> int:
    if not shutil.which("objdump"):
        print("skipped: there is no objdump")
        return SKIPPED
    code = function_code(sys.argv[1], FUNCTION)
    if not code:
        print(f"skipped: {sys.argv[1]} has no symbol {FUNCTION}")
        return SKIPPED
    if not PREFETCH.search(code):
        print(f"{FUNCTION} prefetches nothing: the compiler dropped calls of a function that only prefetches")
        return 1
    return 0


sys.exit(main())
