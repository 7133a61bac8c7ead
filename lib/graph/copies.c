/* Copies: nodes whose vectors are stored as the same bytes.
 *
 * The rules that select edges cannot distinguish copies: one of a thousand copies has the others as its
 * nearest neighbours, and none of them leads anywhere else. So when a graph is built in bulk, one node of
 * each group, of those on the highest level, represents the group, and the others take over its list. And the
 * copies of a group lead to one another along a ring in the order of their numbers, so that a search that
 * finds one finds all (search_base_layer, search_range).
 *
 * Groups are found by sorting the hashes of the stored bytes, and then comparing byte by byte. Memory: 8
 * bytes a node while groups are looked for.
 */
#include "lib/graph/copies.h"

#include "lib/base/hash.h"
#include "lib/base/sort.h"

static uint32_t hash_row(const struct rows *rows, int64_t i)
{
	size_t at = (size_t)i * rows->stride;
	uint64_t hash = XXH3_64bits(rows->a + at, rows->stride);
	if (rows->b)
		hash = XXH3_64bits_withSeed(rows->b + at, rows->stride, hash);
	return (uint32_t)(hash >> 32);
}

/* Move the copies of the first of n entries to the places behind it. Returns how many there are, with it. */
static int64_t gather_copies(const struct rows *rows, uint64_t *entry, int64_t n)
{
	int64_t copies = 1;
	for (int64_t i = 1; i < n; i++) {
		if (!rows_equal(rows, copies_node(entry[0]), copies_node(entry[i])))
			continue;
		uint64_t swap = entry[i];
		entry[i] = entry[copies];
		entry[copies++] = swap;
	}
	return copies;
}

int64_t copies_find(const struct graph_space *space, const uint64_t *live, int64_t n, uint64_t *entry)
{
	int64_t count = 0, kept = 0;
	uint64_t group = 0;
	for (int64_t i = 0; i < n; i++)
		if (graph_is_live(live, (uint32_t)i))
			entry[count++] = (uint64_t)hash_row(&space->rows, i) << 32 | (uint64_t)i;
	sort_u64(entry, count);
	for (int64_t from = 0, to; from < count; from = to) {
		to = copies_end(entry, from, count);
		for (int64_t at = from, copies; at + 1 < to; at += copies) {
			copies = gather_copies(&space->rows, entry + at, to - at);
			for (int64_t i = 0; copies > 1 && i < copies; i++)
				entry[kept++] = group << 32 | copies_node(entry[at + i]);
			group += copies > 1;
		}
	}
	sort_u64(entry, kept);
	return kept;
}

int64_t copies_ring(int64_t n, int64_t degree)
{
	enum { MAX = 4 };
	int64_t ring = degree / 4 > 1 ? degree / 4 : 1;
	ring = ring < MAX ? ring : MAX;
	return ring < n - 1 ? ring : n - 1;
}

void copies_write_list(
    const uint64_t *entry, int64_t n, int64_t i, const uint32_t *list, int64_t degree, uint32_t *own)
{
	int64_t to = 0, ring = copies_ring(n, degree);
	for (; to < ring; to++)
		own[to] = copies_node(entry[(to % 2 ? i - to / 2 - 1 + n : i + to / 2 + 1) % n]);
	for (int64_t at = 0; to < degree && list[at] != GRAPH_NONE; at++)
		own[to++] = list[at];
	for (; to < degree; to++)
		own[to] = GRAPH_NONE;
}
