/* There are three rules to normalise the scores of one side (one of the two rankings) to values:
 *
 *   rrf        1 / (k + rank): reciprocal rank fusion (Cormack, Clarke & Büttcher, SIGIR 2009). Ranks start
 *              at 1; rows with equal scores all have the rank of the first of them
 *   relative   (score − min) / (max − min); 1 if all scores are equal
 *   dbsf       (score − mean + 3σ) / 6σ, clipped to 0 … 1; 1/2 if all scores are equal
 *
 * The fused score of a row is (1 − alpha) · text + alpha · vector, where the value of a side without this
 * row is 0. */
#include "fusion.h"

#include <math.h>
#include <stdlib.h>

#include "sqlite.h"

int side_push(struct side *s, int64_t rowid, double score)
{
	if (s->n == s->room) {
		int64_t room = s->room < 64 ? 64 : 2 * s->room;
		struct ranked *items = sqlite3_realloc64(s->items, (sqlite3_uint64)room * sizeof *items);
		if (items == NULL) {
			return 0;
		}
		s->items = items;
		s->room = room;
	}
	s->items[s->n++] = (struct ranked){rowid, score, 0};
	return 1;
}

void side_free(struct side *s)
{
	sqlite3_free(s->items);
	*s = (struct side){0};
}

static int better(const void *a, const void *b)
{
	const struct ranked *x = a;
	const struct ranked *y = b;
	return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
	                            : (x->rowid > y->rowid) - (x->rowid < y->rowid);
}

static void rank(struct side *s, double k)
{
	int64_t first = 0;
	for (int64_t i = 0; i < s->n; i++) {
		if (s->items[i].score != s->items[first].score) {
			first = i;
		}
		s->items[i].value = 1 / (k + (double)first + 1);
	}
}

static void scale(struct side *s)
{
	double max = s->n > 0 ? s->items[0].score : 0;
	double min = s->n > 0 ? s->items[s->n - 1].score : 0;
	for (int64_t i = 0; i < s->n; i++) {
		s->items[i].value = max > min ? (s->items[i].score - min) / (max - min) : 1;
	}
}

static void standardise(struct side *s)
{
	double mean = 0;
	double variance = 0;
	for (int64_t i = 0; i < s->n; i++) {
		mean += s->items[i].score / (double)s->n;
	}
	for (int64_t i = 0; i < s->n; i++) {
		double d = s->items[i].score - mean;
		variance += d * d / (double)s->n;
	}
	double sigma = sqrt(variance);
	for (int64_t i = 0; i < s->n; i++) {
		double value = sigma > 0 ? (s->items[i].score - mean + 3 * sigma) / (6 * sigma) : 0.5;
		s->items[i].value = fmin(fmax(value, 0), 1);
	}
}

static void normalise(struct side *s, enum fusion how, double rrf_k)
{
	if (s->n > 1) {
		qsort(s->items, (size_t)s->n, sizeof *s->items, better);
	}
	if (how == FUSION_RRF) {
		rank(s, rrf_k);
	} else if (how == FUSION_RELATIVE) {
		scale(s);
	} else {
		standardise(s);
	}
}

static int by_rowid(const void *a, const void *b)
{
	const struct fused *x = a;
	const struct fused *y = b;
	return (x->rowid > y->rowid) - (x->rowid < y->rowid);
}

static int by_score(const void *a, const void *b)
{
	const struct fused *x = a;
	const struct fused *y = b;
	return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : by_rowid(a, b);
}

int fusion_run(enum fusion how, double alpha, double rrf_k, struct side *text, struct side *vector,
    struct fused **out, int64_t *n)
{
	double of_text = isnan(alpha) ? 1 : 1 - alpha;
	double of_vector = isnan(alpha) ? 1 : alpha;
	struct fused *f = sqlite3_malloc64((sqlite3_uint64)(text->n + vector->n + 1) * sizeof *f);
	*out = f;
	*n = 0;
	if (f == NULL) {
		return 0;
	}
	normalise(text, how, rrf_k);
	normalise(vector, how, rrf_k);
	int64_t all = 0;
	for (int64_t i = 0; i < text->n; i++) {
		f[all++] = (struct fused){
		    text->items[i].rowid, of_text * text->items[i].value, text->items[i].score, NAN};
	}
	for (int64_t i = 0; i < vector->n; i++) {
		f[all++] = (struct fused){
		    vector->items[i].rowid, of_vector * vector->items[i].value, NAN, vector->items[i].score};
	}
	qsort(f, (size_t)all, sizeof *f, by_rowid);
	for (int64_t i = 0; i < all; i++) { /* join the two entries of a row that both sides have */
		struct fused row = f[i];
		if (i + 1 < all && f[i + 1].rowid == row.rowid) {
			i++;
			row.score += f[i].score;
			row.text = isnan(row.text) ? f[i].text : row.text;
			row.vector = isnan(row.vector) ? f[i].vector : row.vector;
		}
		if (row.score > 0) {
			f[(*n)++] = row;
		}
	}
	qsort(f, (size_t)*n, sizeof *f, by_score);
	return 1;
}
