#!/usr/bin/env python3
"""Tests of the `kith` program. Python's standard library only.

usage: KITH_BIN=path/to/kith python3 test_tools.py [unittest options] [test_knn test_eval.Recall …]

Without names the suite 'tools' runs; the modules of other suites (meson.build) are named.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import support  # noqa: E402

MODULES = ("test_knn", "test_carried", "test_eval", "test_faiss", "test_files", "test_index", "test_bench", "test_datasets",
           "test_docs", "test_help", "test_limits", "test_odd", "test_peers", "test_tune")


if __name__ == "__main__":
    if not os.access(support.BIN, os.X_OK):
        sys.exit("set KITH_BIN to the kith program")
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    unittest.main(module=None, argv=sys.argv + (list(MODULES) if not names else []))
