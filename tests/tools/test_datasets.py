"""datasets/fetch, offline: against a file server of its own, and stand-ins."""
import functools
import gzip
import hashlib
import http.server
import importlib.util
import io
import os
import re
import socketserver
import struct
import subprocess
import sys
import tarfile
import threading
from importlib.machinery import SourceFileLoader

from support import BIN, ROOT, Case, pack, read_vecs

FETCH = os.path.join(ROOT, "datasets", "fetch")


class Server(http.server.SimpleHTTPRequestHandler):
    """Files, with ranges; `cut` ends the first answers early, as a bad connection does."""
    cut, asked, deaf = [], [], False

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.translate_path(self.path)
        if not os.path.exists(path):
            self.send_error(404)
            return
        with open(path, "rb") as file:
            data = file.read()
        wanted = self.headers.get("Range")
        Server.asked.append(wanted)
        wanted = None if Server.deaf else wanted
        first, last = 0, len(data) - 1
        if wanted:
            low, _, high = wanted.partition("=")[2].partition("-")
            first, last = int(low), min(int(high), last) if high else last
            if first > last:
                self.send_error(416)
                return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        body = data[first:last + 1]
        self.wfile.write(body[:Server.cut.pop(0)] if Server.cut else body)


class FileServer(socketserver.StreamRequestHandler):
    """As much of FTP as a client needs to fetch files, also from an offset; the first answers may be cut off."""
    folder, cut, offsets = "", [], []

    def say(self, line):
        self.wfile.write((line + "\r\n").encode())

    def open_data(self):
        with socketserver.TCPServer(("127.0.0.1", 0), None, bind_and_activate=False) as listening:
            listening.server_bind()
            listening.server_activate()
            port = listening.server_address[1]
            passive = f"(127,0,0,1,{port // 256},{port % 256})"
            self.say(f"229 here (|||{port}|)" if self.extended else f"227 here {passive}")
            return listening.socket.accept()[0]

    def send(self, name, offset):
        FileServer.offsets.append(offset)
        with open(os.path.join(FileServer.folder, os.path.basename(name)), "rb") as file:
            body = file.read()[offset:]
        self.say("150 it comes")
        self.data.sendall(body[:FileServer.cut.pop(0)] if FileServer.cut else body)
        self.data.close()
        self.say("226 that was it")

    def handle(self):
        offset = 0
        self.say("220 hello")
        while line := self.rfile.readline().decode().strip():
            word, _, rest = line.partition(" ")
            path = os.path.join(FileServer.folder, os.path.basename(rest))
            if word in ("EPSV", "PASV"):
                self.extended = word == "EPSV"
                self.data = self.open_data()
            elif word in ("SIZE", "RETR") and not os.path.isfile(path):
                self.say("550 no such file")
            elif word == "SIZE":
                self.say(f"213 {os.path.getsize(path)}")
            elif word == "RETR":
                self.send(rest, offset)
                offset = 0
            elif word == "REST":
                offset = int(rest)
                self.say("350 from there")
            else:
                self.say({"USER": "331 and", "PASS": "230 in", "TYPE": "200 well", "QUIT": "221 bye"}.get(
                    word, "502 what?"))


class Datasets(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("www"))
        Server.cut, Server.asked = [], []
        handler = functools.partial(Server, directory=self.path("www"))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def fetch(self, *args, code=0, mirror=True):
        command = [sys.executable, FETCH, "--out", self.path("data"), "--kith", BIN, *map(str, args)]
        if mirror:
            command += ["--mirror", self.url, "--yes"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              timeout=120)
        self.assertEqual(done.returncode, code, (done.stdout + done.stderr).decode())
        return (done.stdout if code == 0 else done.stderr).decode()

    def serve(self, name, data):
        with open(self.path(os.path.join("www", name)), "wb") as file:
            file.write(data)

    def texmex(self, n=10_000, queries=100):
        """siftsmall as its archive is, but with counted numbers in it."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
            for part, name, rows in (("base", "fvecs", n), ("query", "fvecs", queries), ("learn", "fvecs", 3)):
                self.member(archive, f"siftsmall/siftsmall_{part}.{name}",
                            pack("x.fvecs", [[float(i % 100)] * 128 for i in range(rows)]))
            self.member(archive, "siftsmall/siftsmall_groundtruth.ivecs",
                        pack("x.ivecs", [[i] * 100 for i in range(queries)]))
        return out.getvalue()

    @staticmethod
    def member(archive, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))

    def test_texmex_goes_on_and_is_checked(self):
        archive = self.texmex()
        self.serve("siftsmall.tar.gz", archive)
        Server.cut = [1000, 500]
        out = self.fetch("siftsmall")
        self.assertEqual(Server.asked, [None, "bytes=1000-", "bytes=1500-"])
        for word in ("10,000 vectors", "terms ", "TexMex", "recorded in", "base.fvecs: 10000 x 128 f32"):
            self.assertIn(word, out)
        self.assertEqual(len(read_vecs(self.path("data/siftsmall/base.fvecs"))), 10_000)
        self.assertEqual(sorted(os.listdir(self.path("data/siftsmall"))),
                         ["base.fvecs", "groundtruth.ivecs", "query.fvecs"])
        self.assertIn("as at the first download", self.fetch("siftsmall"))
        self.serve("siftsmall.tar.gz", self.texmex(n=9_999))
        self.assertIn("at the first download it was " + hashlib.sha256(archive).hexdigest(),
                      self.fetch("siftsmall", code=1))

    def test_ftp_goes_on(self):
        """What is offered by FTP alone, as the TexMex corpus is."""
        archive = self.texmex()
        self.serve("siftsmall.tar.gz", archive)
        FileServer.folder, FileServer.cut, FileServer.offsets = self.path("www"), [1000, 500], []
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), FileServer)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"ftp://127.0.0.1:{server.server_address[1]}/somewhere"
        self.assertIn("base.fvecs: 10000 x 128 f32", self.fetch("siftsmall"))
        self.assertEqual(FileServer.offsets, [0, 1000, 1500])
        with open(self.path("data/checksums.json")) as file:
            self.assertIn(hashlib.sha256(archive).hexdigest(), file.read())
        self.assertIn("550", self.fetch("sift1m", code=1))

    def test_a_server_without_ranges(self):
        """It sends all of the file again: what is there is not kept in front of it."""
        archive = self.texmex()
        self.serve("siftsmall.tar.gz", archive)
        Server.cut, Server.deaf = [1000], True
        self.addCleanup(setattr, Server, "deaf", False)
        self.assertIn("base.fvecs: 10000 x 128 f32", self.fetch("siftsmall"))
        self.assertEqual(Server.asked, [None, "bytes=1000-"])

    def test_wrong_count(self):
        self.serve("siftsmall.tar.gz", self.texmex(n=9_999))
        self.assertIn("holds 9999 x 128, expected are 10000 x 128", self.fetch("siftsmall", code=1))

    def test_damaged_and_missing(self):
        self.assertIn("404", self.fetch("siftsmall", code=1))
        self.serve("siftsmall.tar.gz", self.texmex()[:-500])
        self.fetch("siftsmall", code=1)
        self.serve("sift.tar.gz", bytes(1000))
        Server.cut = [10] * 20
        self.assertIn("run it again to go on", self.fetch("sift1m", code=1))
        self.assertTrue(os.path.exists(self.path("data/sift1m/download/sift.tar.gz.part")))

    def test_first_rows(self):
        rows = [[(i * 7 + j) % 256 for j in range(128)] for i in range(300)]
        self.serve("base.1B.u8bin", struct.pack("<II", 10**9, 128) + b"".join(map(bytes, rows)))
        self.serve("query.public.10K.u8bin", pack("q.u8bin", [rows[i % 300] for i in range(10_000)]))
        out = self.fetch("bigann", "--rows", 200)
        self.assertIn(f"bytes=0-{8 + 200 * 128 - 1}", Server.asked)
        self.assertIn("base.u8bin: 200 x 128 u8", out)
        truth = read_vecs(self.path("data/bigann/groundtruth.ivecs"))
        self.assertEqual((len(truth), len(truth[0]), truth[5][0]), (10_000, 100, 5))
        self.assertIn("not 0", self.fetch("bigann", "--rows", 0, code=1))
        self.assertIn("--rows is for bigann", self.fetch("sift1m", "--rows", 5, code=1))

    def test_published_checksum(self):
        self.serve("train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">IIII", 0x803, 1, 28, 28) + bytes(784)))
        self.assertIn("published is 8d4fb7e6", self.fetch("fashion-mnist", code=1))

    def test_idx(self):
        """The conversion by itself: nobody can make up files with the published checksum."""
        loader = SourceFileLoader("fetch", FETCH)
        fetch = importlib.util.module_from_spec(importlib.util.spec_from_loader("fetch", loader))
        loader.exec_module(fetch)
        images = bytes(i % 256 for i in range(3 * 6))
        path = self.write("x.gz", gzip.compress(struct.pack(">IIII", 0x803, 3, 2, 3) + images))
        fetch.from_idx({}, {"base": path}, self.folder)
        self.assertEqual(read_vecs(self.path("base.bvecs")), [list(images[i:i + 6]) for i in (0, 6, 12)])

    def test_nothing_without_a_yes(self):
        for name, terms in (("siftsmall", "INRIA"), ("sift1m", "INRIA"), ("gist1m", "INRIA"), ("deep1m", "Yandex"),
                            ("deep10m", "Yandex"), ("bigann", "INRIA"), ("glove-100", "Public Domain"),
                            ("fashion-mnist", "MIT")):
            command = [sys.executable, FETCH, name, "--out", self.path("data")]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"say --yes", done.stderr)
            # Where from, how much and on what terms is said first.
            self.assertTrue(re.search(rf"from     (http|ftp)\S+: [\d.]+ [kMG]B.*terms    .*{terms}",
                                      done.stdout.decode(), re.S), done.stdout)
            self.assertFalse(os.path.exists(self.path(f"data/{name}")))

    def test_stand_in(self):
        out = self.fetch("deep1m", "--stand-in", "--rows", 3000, mirror=False)
        for word in ("base.fvecs: 3000 x 96 f32", "groundtruth.ivecs: 10000 x 100", "made up"):
            self.assertIn(word, out)
        self.assertIn("already", self.fetch("deep1m", "--stand-in", "--rows", 3000, mirror=False, code=1))

    def test_usage(self):
        listed = self.fetch("--list", mirror=False)
        for name in ("siftsmall", "sift1m", "gist1m", "deep1m", "deep10m", "glove-100", "fashion-mnist", "bigann"):
            line = next(line for line in listed.split("\n") if line.startswith(name + " "))
            self.assertRegex(line, r" [\d.]+ [kMG]B$", "its size is said")
        self.assertIn("unknown data set", self.fetch("sift2m", code=1))
        self.assertIn("which data set", self.fetch(code=1))
