/* The tree of a factory string. A string is "ShardsN" and another string, or another string with a refinement
 * behind it or a transform in front of it, or a flat index, a graph or an inverted file. */
#include "tree.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32 };

struct tree {
	struct tree_node *nodes;
	int64_t room, n;
};

static void add(struct tree *tree, int depth, const char *kind, const char *text, size_t length)
{
	if (tree->n < tree->room) {
		struct tree_node *node = &tree->nodes[tree->n];
		node->depth = depth;
		snprintf(node->name, sizeof node->name, "%s %.*s", kind, (int)length, text);
	}
	tree->n++;
}

/* The first or the last comma outside of parentheses; NULL: there is none. */
static const char *comma(const char *from, const char *end, bool last)
{
	const char *found = NULL;
	int open = 0;
	for (const char *c = from; c < end && (last || !found); c++) {
		open += (*c == '(') - (*c == ')');
		if (*c == ',' && open == 0)
			found = c;
	}
	return found;
}

static bool begins(const char *text, const char *end, const char *with)
{
	size_t n = strlen(with);
	return (size_t)(end - text) >= n && memcmp(text, with, n) == 0;
}

static bool is_transform(const char *text, const char *end)
{
	static const char *const words[] = {"PCA", "OPQ", "RR", "L2norm", "Pad"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (begins(text, end, words[i]))
			return true;
	return false;
}

static void parse(struct tree *tree, const char *text, const char *end, int depth)
{
	if (depth > MAX_DEPTH)
		return;
	if (end - text >= 2 && *text == '(' && end[-1] == ')') {
		text++;
		end--;
	}
	const char *last = comma(text, end, true), *first = comma(text, end, false);
	if (begins(text, end, "Shards")) {
		char *inside;
		int64_t count = strtoll(text + strlen("Shards"), &inside, 10);
		add(tree, depth, "shards", text, (size_t)(inside - text));
		for (int64_t i = 0; i < count && i < 65536; i++)
			parse(tree, inside, end, depth + 1);
	} else if (last && (begins(last + 1, end, "RFlat") || begins(last + 1, end, "Refine("))) {
		add(tree, depth, "refinement", last + 1, (size_t)(end - last - 1));
		parse(tree, text, last, depth + 1);
	} else if (first && is_transform(text, end)) {
		add(tree, depth, "transform", text, (size_t)(first - text));
		parse(tree, first + 1, end, depth + 1);
	} else {
		add(tree, depth, begins(text, end, "IVF") ? "inverted file" : "index", text,
		    (size_t)(end - text));
	}
}

int64_t tree_of(const char *spec, struct tree_node *nodes, int64_t room)
{
	struct tree tree = {nodes, room, 0};
	parse(&tree, spec, spec + strlen(spec), 0);
	return tree.n;
}
