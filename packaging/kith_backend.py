"""Builds kith's wheel and source archive: a PEP 517 back end of the project's own, over Meson and the standard library.

    pip install . --no-build-isolation        for this machine: libkith uses the system's OpenMP
    ./run wheel                               for others too: the wheel carries what libkith needs (bundle = true)

A wheel is a zip archive (PEP 427): the package, libkith beside its modules, and kith-VERSION.dist-info. The package is
plain Python over the shared library, so one wheel serves every Python 3. Its platform tag is manylinux (PEP 600) with the
newest glibc that any library in it asks for if all the others are carried along, linux otherwise: then the metadata list
what must be installed (Requires-External), and the tag keeps it from being taken for more than it is.
"""
import base64
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETUP = ["--buildtype=release", "-Dtests=disabled", "-Dtools=false", "-Dbenchmarks=false", "-Dpython=disabled",
         "-Ddefault_library=shared"]

# What every Linux that takes manylinux wheels has: glibc's own libraries and the compiler's.
SYSTEM = re.compile(r"(ld-linux.*|libc|libm|libdl|libpthread|librt|libutil|libgcc_s|linux-vdso)\.so(\.\d+)*$")


def version():
    return re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text(encoding="utf-8"))[1]


def metadata(external=()):
    lines = ["Metadata-Version: 2.1", "Name: kith", f"Version: {version()}",
             "Summary: Nearest-neighbour indexes, with a native interface and FAISS's names",
             "License: MIT", "Requires-Python: >=3.9", "Requires-Dist: numpy>=1.21",
             "Classifier: Operating System :: POSIX :: Linux", "Classifier: Programming Language :: C",
             "Classifier: Programming Language :: Python :: 3", "Classifier: Topic :: Scientific/Engineering"]
    lines += [f"Requires-External: {name}" for name in external]
    lines += ["Description-Content-Type: text/markdown", "", (ROOT / "README.md").read_text(encoding="utf-8")]
    return "\n".join(lines)


# --- what the front end asks for -------------------------------------------------------------------

def get_requires_for_build_wheel(config_settings=None):
    """What is not there: with the system's Meson and Ninja nothing is fetched."""
    return [need for need in ("meson>=1.0", "ninja") if not shutil.which(re.match(r"\w+", need)[0])]


def get_requires_for_build_sdist(config_settings=None):
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    settings = config_settings or {}
    bundle = str(settings.get("bundle", "false")).lower() in ("true", "yes", "1")
    with tempfile.TemporaryDirectory() as scratch:
        library = build_library(Path(settings.get("build-dir") or Path(scratch) / "build"), Path(scratch) / "stage", bundle)
        needed = needed_libraries(library)
        carried = needed if bundle else {}
        external = [] if bundle else sorted(needed)
        tag = f"py3-none-{platform_tag([library, *carried.values()], external)}"
        name = f"kith-{version()}-{tag}.whl"
        with Wheel(Path(wheel_directory) / name) as wheel:
            for path in sorted((ROOT / "python" / "kith").rglob("*")):
                if path.suffix == ".py" or path.name == "py.typed":
                    wheel.add("kith/" + path.relative_to(ROOT / "python" / "kith").as_posix(), path.read_bytes())
            wheel.add("kith/libkith.so.0", library.read_bytes(), executable=True)
            for extension in (Path(scratch) / "stage").rglob("kith_sqlite.so"):  # where SQLite's headers were
                wheel.add("kith/kith_sqlite.so", extension.read_bytes(), executable=True)
            for soname, path in sorted(carried.items()):
                wheel.add("kith/libs/" + soname, path.read_bytes(), executable=True)
            wheel.finish(tag, metadata(external), licences(carried))
    print(f"kith: {name} carries " + ", ".join(["libkith", *sorted(carried)]) +
          ("; needs glibc alone" if bundle else "; needs " + ", ".join(external) + " of the system"), file=sys.stderr)
    return name


def build_sdist(sdist_directory, config_settings=None):
    top = f"kith-{version()}"
    with tarfile.open(Path(sdist_directory) / f"{top}.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path in source_files():
            archive.add(ROOT / path, f"{top}/{path}", recursive=False)
        text = metadata().encode()
        info = tarfile.TarInfo(f"{top}/PKG-INFO")
        info.size, info.mtime = len(text), int(time.time())
        archive.addfile(info, io.BytesIO(text))
    return f"{top}.tar.gz"


def source_files():
    """What git keeps; outside of a clone, everything but build directories."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                                capture_output=True).stdout.decode().split("\0")
        found = [path for path in listed if path and (ROOT / path).is_file()]
    except (OSError, subprocess.CalledProcessError):
        found = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")
                 if path.is_file() and not path.relative_to(ROOT).parts[0].startswith(("build", ".git/", "dist"))]
    return sorted(set(found))


# --- the library -----------------------------------------------------------------------------------

def run(*command):
    """A command, quiet unless it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace")[-5000:])
        raise SystemExit(f"kith: {' '.join(str(word) for word in command)} failed")


def build_library(build, stage, bundle):
    """libkith in a release build; with `bundle` it looks for what it needs in libs/ beside it. That is an RPATH, not a
    RUNPATH: only the former also holds for libraries that those need in turn, and for what is loaded later."""
    rpath = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/libs" if bundle else ""
    options = SETUP + [f"-Dc_link_args={rpath}"]
    if (build / "build.ninja").is_file():
        run("meson", "setup", "--reconfigure", build, ROOT, *options)
    else:
        run("meson", "setup", build, ROOT, *options)
    run("ninja", "-C", build)
    run("meson", "install", "-C", build, "--no-rebuild", "--strip", "--tags", "runtime", "--destdir", stage)
    library = next(path for path in stage.rglob("libkith.so.*") if path.is_file() and not path.is_symlink())
    if bundle:
        # Meson takes an rpath out when it installs: the built file has it.
        library = next(path for path in (build / "lib").glob("libkith.so.*") if path.is_file() and not path.is_symlink())
    return library


def needed_libraries(library):
    """{soname: path} of all that the loader takes for it, but glibc."""
    found = {}
    for line in subprocess.run(["ldd", library], check=True, capture_output=True, text=True).stdout.splitlines():
        match = re.match(r"\s*(\S+) => (\S+)", line)
        if match and not SYSTEM.match(match[1]):
            if match[2] == "not":
                raise SystemExit(f"kith: {match[1]}, which libkith needs, is not installed")
            found[match[1]] = Path(match[2])
    return found


def platform_tag(libraries, external):
    machine = sysconfig.get_platform().split("-", 1)[1].replace("-", "_").replace(".", "_")
    minor = [int(n) for path in libraries for n in re.findall(rb"GLIBC_2\.(\d+)", path.read_bytes())]
    return f"linux_{machine}" if external or not minor else f"manylinux_2_{max(minor)}_{machine}"


def licences(carried):
    """kith's, and what the distribution says of each library that is carried along."""
    found = {"LICENSE": (ROOT / "LICENSE").read_bytes()}
    for soname, path in carried.items():
        try:
            owner = subprocess.run(["dpkg", "-S", os.path.realpath(path)], check=True, capture_output=True, text=True).stdout
            package = owner.split(":")[0]
            found[f"{soname}.copyright"] = Path(f"/usr/share/doc/{package}/copyright").read_bytes()
        except (OSError, subprocess.CalledProcessError):
            print(f"kith: no licence text was found for {soname}: add it before the wheel is passed on", file=sys.stderr)
    return found


# --- the archive -----------------------------------------------------------------------------------

class Wheel:
    """A zip archive that keeps the record of what is in it. The same input gives the same bytes."""

    def __init__(self, path):
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self.info = f"kith-{version()}.dist-info"
        self.when = time.gmtime(max(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), 315532800))[:6]
        self.record = []

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.zip.close()

    def add(self, name, content, executable=False):
        content = content.encode() if isinstance(content, str) else content
        entry = zipfile.ZipInfo(name, self.when)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o100755 if executable else 0o100644) << 16
        self.zip.writestr(entry, content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(content)}")

    def finish(self, tag, text, texts):
        self.add(f"{self.info}/METADATA", text)
        self.add(f"{self.info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: kith_backend {version()}\n"
                                       f"Root-Is-Purelib: false\nTag: {tag}\n")
        for name, content in texts.items():
            self.add(f"{self.info}/licenses/{name}", content)
        name = f"{self.info}/RECORD"
        self.record.append(f"{name},,")
        entry = zipfile.ZipInfo(name, self.when)
        entry.external_attr = 0o100644 << 16
        self.zip.writestr(entry, "\n".join(self.record) + "\n")


if __name__ == "__main__":
    # kith_backend.py DIRECTORY [KEY=VALUE…]: a wheel without any front end.
    os.makedirs(sys.argv[1], exist_ok=True)
    print(os.path.join(sys.argv[1], build_wheel(sys.argv[1], dict(word.split("=", 1) for word in sys.argv[2:]))))
