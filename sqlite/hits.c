/* A binary heap of hits, ordered by (distance, rowid), with the farthest at the top. */
#include "scan.h"

#include <math.h>
#include <stdlib.h>

static int farther(const struct hit *a, const struct hit *b)
{
	return a->distance != b->distance ? a->distance > b->distance : a->rowid > b->rowid;
}

static int compare(const void *a, const void *b)
{
	return farther(a, b) - farther(b, a);
}

static void sift_down(struct hit *items, int64_t n, int64_t i, struct hit hit)
{
	for (int64_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && farther(&items[child + 1], &items[child])) {
			child++;
		}
		if (!farther(&items[child], &hit)) {
			break;
		}
		items[i] = items[child];
	}
	items[i] = hit;
}

static void sift_up(struct hit *items, int64_t i, struct hit hit)
{
	while (i > 0 && farther(&hit, &items[(i - 1) / 2])) {
		items[i] = items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	items[i] = hit;
}

int hits_offer(struct hits *h, double distance, int64_t rowid, int64_t position)
{
	struct hit hit = {distance, rowid, position};
	if (h->n == h->k) {
		if (h->k > 0 && farther(&h->items[0], &hit)) {
			sift_down(h->items, h->n, 0, hit);
		}
		return 1;
	}
	if (h->n == h->room) {
		int64_t room = h->room < 16 ? 16 : 2 * h->room;
		struct hit *items = sqlite3_realloc64(h->items, (sqlite3_uint64)room * sizeof *items);
		if (items == NULL) {
			return 0;
		}
		h->items = items;
		h->room = room;
	}
	if (h->k == INT64_MAX) { /* all hits are wanted: they are only sorted at the end */
		h->items[h->n++] = hit;
	} else {
		sift_up(h->items, h->n++, hit);
	}
	return 1;
}

double hits_bound(const struct hits *h)
{
	return h->n < h->k ? INFINITY : h->k > 0 ? h->items[0].distance : -INFINITY;
}

void hits_sort(struct hits *h)
{
	if (h->n > 1) {
		qsort(h->items, (size_t)h->n, sizeof *h->items, compare);
	}
}

void hits_free(struct hits *h)
{
	sqlite3_free(h->items);
	*h = (struct hits){0};
}
