"""What tests/lint/circles.py notices: circles that are new, and entries of its list that have gone."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from circles import check_circles  # noqa: E402

CALLS = "int one(void)\n{\n\treturn two(); /* not three() */\n}\n"
CALLED = "int two(void)\n{\n\treturn 2;\n}\n"
BACK = CALLED + "int again(int x)\n{\n\treturn one();\n}\n"


def found(graph=None, texts=None, known=()):
    return list(check_circles(graph or {}, texts or {}, known))


class Circles(unittest.TestCase):
    def test_one_way(self):
        self.assertEqual(found({"lib/a/x.c": ["lib/b/y.h"]}, {"lib/a/x.c": CALLS, "lib/a/y.c": CALLED}), [])

    def test_folders(self):
        graph = {"lib/a/x.c": ["lib/b/y.h"], "lib/b/z.c": ["lib/a/w.h"]}
        self.assertEqual(found(graph), ["circle of two: lib/a and lib/b need each other"])
        self.assertEqual(found(graph, known=["# why", "lib/a lib/b"]), [])

    def test_calls(self):
        texts = {"lib/a/x.c": CALLS, "lib/a/y.c": BACK}
        self.assertEqual(found(texts=texts), ["circle of two: lib/a/x.c and lib/a/y.c need each other"])
        self.assertEqual(found(texts=texts, known=["lib/a/x.c lib/a/y.c"]), [])

    def test_static_functions_and_text_are_no_calls(self):
        self.assertEqual(found(texts={"lib/a/x.c": CALLS, "lib/a/y.c": CALLED + 'static int f(void)\n{\n\treturn g("one");\n}\n'}), [])
        self.assertEqual(found(texts={"lib/a/x.c": CALLS, "lib/a/y.c": BACK.replace("int two", "static int two")}), [])

    def test_tags_and_members_are_no_calls(self):
        texts = {"lib/a/x.c": CALLS, "lib/a/y.c": CALLED + "static struct one *f(struct s *s)\n{\n\treturn s->one + s.one;\n}\n"}
        self.assertEqual(found(texts=texts), [])

    def test_gone(self):
        self.assertIn("no more", found(known=["lib/a lib/b"])[0])


if __name__ == "__main__":
    unittest.main()
