"""What tests/lint/comments.py notices: comments as a formatter leaves them, and none that are as they should be."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from comments import check_comments  # noqa: E402

WHOLE = """
/* Find it.
 *
 *   q     [nq × dim] finite, of a length
 *         that fits
 *   dist  out
 *
 * Errors:  INVALID, NOMEM; also what the message
 *          names
 * Threads: safe. Cost:  O(1).
 */
struct s {
	int a; /* one thing: and the rest
	          of it */
	const char *text; /* "/" "*" */
};
"""
BROKEN = [
    (" *         that fits\n", " * that fits\n", "goes on at the margin"),
    (" *         that fits\n *   dist  out\n", " * that fits dist   out\n", "a gap in prose"),
    ("of it */", "of it\n\t        */", "stands alone"),
    ("/* Find it.", "/* Find it" + " and more" * 14, "more than 110 columns"),
    (" *         that fits", " *         that fits" + " and more" * 12, "more than 110 columns"),
]


class Comments(unittest.TestCase):
    def test_whole(self):
        self.assertEqual(list(check_comments("x.h", WHOLE.split("\n"))), [])

    def test_broken(self):
        for old, new, says in BROKEN:
            self.assertEqual(WHOLE.count(old), 1)
            problems = list(check_comments("x.h", WHOLE.replace(old, new).split("\n")))
            self.assertTrue(any(says in problem for problem in problems), (new, problems))


if __name__ == "__main__":
    unittest.main()
