"""Where python/site_dir.py puts the package, for the layouts that interpreters have."""
import importlib.util
import os
import unittest
from unittest import mock

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python", "site_dir.py")
spec = importlib.util.spec_from_file_location("site_dir", SOURCE)
site_dir = importlib.util.module_from_spec(spec)
spec.loader.exec_module(site_dir)


def debian(version):
    """site.getsitepackages() of Debian's and Ubuntu's python3, and the purelib of its default scheme."""
    return ([f"/usr/local/lib/python{version}/dist-packages", "/usr/lib/python3/dist-packages",
             f"/usr/lib/python{version}/dist-packages"], f"/usr/local/lib/python{version}/dist-packages")


LAYOUTS = {
    "debian-12": debian("3.11"),
    "ubuntu-24.04": debian("3.12"),
    "debian-13": debian("3.13"),
    "fedora": (["/usr/local/lib64/python3.13/site-packages", "/usr/local/lib/python3.13/site-packages",
                "/usr/lib64/python3.13/site-packages", "/usr/lib/python3.13/site-packages"],
               "/usr/local/lib/python3.13/site-packages"),
    "arch": (["/usr/lib/python3.13/site-packages"], "/usr/lib/python3.13/site-packages"),
    "pyenv": (["/opt/u/.pyenv/versions/3.11.7/lib/python3.11/site-packages"],
              "/opt/u/.pyenv/versions/3.11.7/lib/python3.11/site-packages"),
    "venv": (["/opt/u/venv/lib/python3.11/site-packages"], "/opt/u/venv/lib/python3.11/site-packages"),
}


class Where(unittest.TestCase):
    def ask(self, layout, prefix):
        packages, purelib = LAYOUTS[layout]

        def get_path(name, scheme=None, variables=None):
            return variables["base"] + "/lib/python3.X/site-packages" if scheme else purelib

        with mock.patch.object(site_dir.site, "getsitepackages", lambda: packages, create=True), \
                mock.patch.object(site_dir.sysconfig, "get_path", get_path):
            return site_dir.main(prefix)

    def test_default_prefix_is_always_searched(self):
        for layout, (packages, purelib) in LAYOUTS.items():
            with self.subTest(layout):
                self.assertIn(self.ask(layout, "/usr/local"), packages + [purelib])

    def test_debian(self):
        for layout, version in ("debian-12", "3.11"), ("ubuntu-24.04", "3.12"), ("debian-13", "3.13"):
            with self.subTest(layout):
                self.assertEqual(self.ask(layout, "/usr/local"), f"/usr/local/lib/python{version}/dist-packages")
                self.assertEqual(self.ask(layout, "/usr"), "/usr/lib/python3/dist-packages")

    def test_a_prefix_of_the_users_own_is_kept(self):
        for layout in LAYOUTS:
            with self.subTest(layout):
                self.assertEqual(self.ask(layout, "/opt/kith"), "/opt/kith/lib/python3.X/site-packages")

    def test_a_virtual_environment_as_prefix(self):
        self.assertEqual(self.ask("venv", "/opt/u/venv"), "/opt/u/venv/lib/python3.11/site-packages")

    def test_this_interpreter_imports_from_there(self):
        import sys
        self.assertIn(site_dir.main("/usr/local"), [os.path.normpath(path) for path in sys.path])


if __name__ == "__main__":
    unittest.main()
