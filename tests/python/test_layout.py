"""The package's structs and functions against the C headers, so that they cannot drift apart."""
import ctypes
import os
import re
import shutil
import subprocess

import pytest

from conftest import SOURCE
from kith import _lib

HEADERS = SOURCE / "include" / "kith"
TEXT = "\n".join(path.read_text() for path in sorted(HEADERS.glob("*.h")))
CODE = re.sub(r"/\*.*?\*/", "", TEXT, flags=re.S)


def members(struct):
    """Names of a struct's members, as the header has them."""
    body = re.search(r"typedef struct %s \{(.*?)\} %s;" % (struct, struct), CODE, re.S)
    names = []
    for declaration in filter(str.strip, body[1].split(";")):
        parts = re.sub(r"\[\w+\]", "", declaration).split(",")  # an array is one member
        names += [re.findall(r"\w+", part)[-1] for part in parts]
    return names


@pytest.mark.parametrize("struct", list(_lib.STRUCTS))
def test_struct(struct, tmp_path):
    """Offsets and sizes as a C compiler lays them out; the last members may be of a later version."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    names = members(struct)
    lines = "".join(f'printf("{n} %zu %zu\\n", offsetof({struct}, {n}), sizeof((({struct} *)0)->{n}));' for n in names)
    (tmp_path / "probe.c").write_text(
        "#include <kith/kith.h>\n#include <stdio.h>\n#include <stddef.h>\n"
        f'int main(void) {{ {lines} printf("sizeof %zu 0\\n", sizeof({struct})); return 0; }}\n')
    subprocess.run([compiler, "-I", str(SOURCE / "include"), tmp_path / "probe.c", "-o", tmp_path / "probe"], check=True)
    found = [line.split() for line in subprocess.run([tmp_path / "probe"], stdout=subprocess.PIPE, text=True,
                                                     check=True).stdout.splitlines()]
    mirror = _lib.STRUCTS[struct]
    ours = [[name, str(getattr(mirror, name).offset), str(getattr(mirror, name).size)] for name, _ in mirror._fields_]
    assert ours[:len(names)] == found[:-1]
    size = int(found[-1][1])
    assert _lib.CALL_SIZES.get(mirror, size) == size
    if len(ours) == len(names):
        assert ctypes.sizeof(mirror) == size


def test_functions():
    """Every function that the library has is declared, with as many arguments, and returns what it should."""
    declared = {name: (returns.strip(), arguments) for returns, name, arguments in
                re.findall(r"KITH_API(?:_DRAFT)? ([\w\s\*]+?)kith_(\w+)\(([^;]*)\);", CODE)}
    assert len(declared) > 60
    kinds = {"kith_status": ctypes.c_int, "int": ctypes.c_int, "int64_t": ctypes.c_int64, "size_t": ctypes.c_size_t,
             "const char *": ctypes.c_char_p, "void": None, "const float *": ctypes.c_void_p, "const int64_t *": ctypes.c_void_p, "const kith_index *": ctypes.c_void_p,
             "kith_metric": ctypes.c_int, "kith_type": ctypes.c_int, "double": ctypes.c_double}
    for name, (returns, arguments) in _lib.FUNCTIONS.items():
        if not _lib.lib.has(name):
            continue
        there, text = declared[name]
        count = 0 if text.strip() == "void" else text.count(",") + 1
        assert len(arguments) == count, name
        assert returns is kinds[there], name
        assert (name in _lib.PLAIN) == (returns is ctypes.c_int and there != "kith_status"), name


def test_a_missing_function_says_so():
    _lib.FUNCTIONS["index_of_tomorrow"] = (ctypes.c_int, [])
    try:
        with pytest.raises(_lib.UnsupportedError, match="kith_index_of_tomorrow is not in this library"):
            _lib.lib.index_of_tomorrow()
        with pytest.raises(NotImplementedError):
            _lib.lib.index_of_tomorrow()
    finally:
        del _lib.FUNCTIONS["index_of_tomorrow"]


def test_an_option_that_the_library_lacks_says_so(monkeypatch):
    monkeypatch.setitem(_lib.CALL_SIZES, _lib.SearchOptions, _lib.SearchOptions.k_factor.offset)
    with pytest.raises(_lib.UnsupportedError, match="k_factor: this library"):
        _lib.new_options(_lib.SearchOptions, k_factor=2.0)
