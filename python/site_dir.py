"""Where this Python looks for packages that are installed under PREFIX: printed for Meson.

Debian and Ubuntu search /usr/local/lib/python3.X/dist-packages and /usr/lib/python3/dist-packages, others
site-packages of the interpreter's own prefix; none of it follows from the prefix alone, so the interpreter is asked.
"""
import os
import site
import sys
import sysconfig

DEFAULT_PREFIX = "/usr/local"


def searched():
    """The directories of packages that this interpreter imports from, in its order."""
    found = list(getattr(site, "getsitepackages", list)())
    found += [sysconfig.get_path(name) for name in ("platlib", "purelib")]
    return [os.path.normpath(path) for path in found if path]


def under(path, prefix):
    """/usr/local/lib/… is under /usr/local, not under /usr."""
    return os.path.relpath(path, prefix).startswith("lib")


def main(prefix):
    for path in searched():
        if under(path, prefix):
            return path
    if os.path.normpath(prefix) == DEFAULT_PREFIX:
        # Nobody chose this prefix, and an interpreter of another one (pyenv, conda, a virtual environment) does not
        # look there: the package goes where it does.
        return os.path.normpath(sysconfig.get_path("purelib"))
    return sysconfig.get_path("purelib", "posix_prefix", {"base": prefix, "platbase": prefix})


if __name__ == "__main__":
    print(main(sys.argv[1]))
