/* The centre, which is subtracted from all vectors: distances do not change by that, but errors of low
 * precision become smaller.
 *
 * With the mean of a sample of the rows as the centre, vectors are short and bounds tight. Floats that are
 * integers 0 … 255 (SIFT, pixels) are centred on 128 instead, so that they fit int8 exactly.
 */
#include "lib/search/search.h"
#include "lib/tile/form.h"

#include <math.h>
#include <string.h>

enum { SAMPLE = 1024 };

static bool queries_are_bytes(const struct search *s, float *scratch)
{
	for (int64_t q = 0; q < s->query.n; q++)
		if (!tile_are_bytes(rows_load(&s->query, q, scratch), s->query.dim))
			return false;
	return true;
}

void search_choose_mean(struct search *s, float *scratch)
{
	int64_t total = s->lists ? s->lists->start[s->lists->n] : s->base.n;
	int64_t dim = s->base.dim, n = total < SAMPLE ? total : SAMPLE, row;
	struct rows list;
	bool bytes = true;
	memset(s->mean, 0, (size_t)dim * sizeof *s->mean);
	for (int64_t i = 0; i < n; i++) {
		/* The rows are evenly spread; the product fits, since there are at most 2^32 rows. */
		const struct rows *rows = search_locate(s, i * total / n, &list, &row);
		const float *x = rows_load(rows, row, scratch);
		bytes = bytes && tile_are_bytes(x, dim);
		for (int64_t j = 0; j < dim; j++)
			s->mean[j] += x[j] / (float)n;
	}
	for (int64_t j = 0; j < dim; j++)
		if (!isfinite(s->mean[j]))
			s->mean[j] = 0;
	if (!bytes || !queries_are_bytes(s, scratch))
		return;
	for (int64_t j = 0; j < dim; j++)
		s->mean[j] = 128;
	s->query_shift = search_by_product(s) ? 128 : 0;
}
