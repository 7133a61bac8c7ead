/* Byte rows: equal to the definition, up to the greatest sums that fit. */
#include "tests/kernels/test_kernels.h"

#include <stdlib.h>
#include <string.h>

enum op { L2SQ, IP, NORMSQ };

/* KITH_MAX_DIM: the longest row, whose sums must still be exact. */
enum { LONGEST = 32768 };

static unsigned char query[LONGEST], rows[MAX_ROWS][MAX_LENGTH];

static int value(int is_signed, unsigned char byte)
{
	return is_signed ? (signed char)byte : byte;
}

static int32_t define(enum op op, int is_signed, const unsigned char *x, const unsigned char *y, int d)
{
	int64_t sum = 0;
	for (int i = 0; i < d; i++) {
		int a = value(is_signed, x[i]), b = value(is_signed, y[i]);
		sum += op == L2SQ ? (a - b) * (a - b) : op == IP ? a * b : b * b;
	}
	return (int32_t)sum;
}

static const void *put_rows(size_t stride, int n, int d, size_t shift)
{
	static unsigned char image[MAX_ROWS * (MAX_LENGTH + 8)];
	if (n == 0)
		return guard_put(ROWS, image, 0, shift);
	size_t bytes = (size_t)(n - 1) * stride + (size_t)d;
	memset(image, 0xff, bytes);
	for (int r = 0; r < n; r++)
		memcpy(image + (size_t)r * stride, rows[r], (size_t)d);
	return guard_put(ROWS, image, bytes, shift);
}

struct pair {
	const char *name;
	enum op op;
	int is_signed;
	kernel_i32_fn *scan;
	kernel_i32_gather_fn *gather;
	void (*norms)(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);
};
enum { PAIRS = 6 };

static void list_pairs(const struct kernels *k, struct pair pairs[PAIRS])
{
	const struct pair all[PAIRS] = {
	    {"l2sq_u8", L2SQ, 0, k->l2sq_u8, k->l2sq_u8_gather, NULL},
	    {"ip_u8", IP, 0, k->ip_u8, k->ip_u8_gather, NULL},
	    {"l2sq_i8", L2SQ, 1, k->l2sq_i8, k->l2sq_i8_gather, NULL},
	    {"ip_i8", IP, 1, k->ip_i8, k->ip_i8_gather, NULL},
	    {"normsq_u8", NORMSQ, 0, NULL, NULL, k->normsq_u8},
	    {"normsq_i8", NORMSQ, 1, NULL, NULL, k->normsq_i8},
	};
	memcpy(pairs, all, sizeof all);
}

static void check(
    const struct pair *p, const int32_t *out, const uint32_t *pos, int n, int d, const int32_t *want)
{
	if (!guard_intact(OUT))
		ck_abort_msg("%s %s, d = %d, n = %d: wrote before out", kernels()->isa, p->name, d, n);
	for (int i = 0; i < n; i++) {
		int32_t right = want[pos ? pos[i] : (uint32_t)i];
		if (out[i] != right)
			ck_abort_msg("%s %s, d = %d, n = %d, row %d: %d, not %d", kernels()->isa, p->name, d,
			    n, i, out[i], right);
	}
}

static void try_pair(const struct pair *p, size_t pad, int d, size_t shift, const int32_t *want)
{
	size_t stride = (size_t)d + pad;
	const void *q = guard_put(Q, query, (size_t)d, shift);
	for (int c = 0; c < ROW_COUNT_COUNT; c++) {
		int n = row_counts[c];
		const void *at = put_rows(stride, n, d, shift);
		int32_t *out = guard_room(OUT, (size_t)n * sizeof *out);
		if (p->op == NORMSQ)
			p->norms(at, stride, n, d, out);
		else
			p->scan(q, at, stride, n, d, out);
		check(p, out, NULL, n, d, want);
		if (p->op == NORMSQ)
			continue;
		uint32_t some[MAX_ROWS];
		for (int i = 0; i < n; i++)
			some[i] = (uint32_t)((i * 37 + n / 2) % n);
		const uint32_t *pos = guard_put(POS, some, (size_t)n * sizeof *some, 0);
		out = guard_room(OUT, (size_t)n * sizeof *out);
		p->gather(q, at, stride, pos, n, d, out);
		check(p, out, pos, n, d, want);
	}
}

START_TEST(test_bytes)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	struct pair pairs[PAIRS];
	list_pairs(k, pairs);
	random_bytes(query, sizeof query);
	random_bytes(rows, sizeof rows);
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (int p = 0; p < PAIRS; p++) {
			int d = lengths[l];
			int32_t want[MAX_ROWS];
			for (int r = 0; r < MAX_ROWS; r++)
				want[r] = define(pairs[p].op, pairs[p].is_signed, query, rows[r], d);
			for (size_t shift = 0; shift < 4; shift++)
				for (size_t pad = 0; pad < 8; pad += 5)
					try_pair(&pairs[p], pad, d, shift, want);
		}
}
END_TEST

/* All bytes of a row alike, at both ends of their range, in the longest row. */
START_TEST(test_extremes)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	struct pair pairs[PAIRS];
	list_pairs(k, pairs);
	static const unsigned char ends[] = {0, 127, 128, 255};
	static unsigned char row[LONGEST];
	for (int a = 0; a < 4; a++)
		for (int b = 0; b < 4; b++)
			for (int p = 0; p < PAIRS; p++) {
				memset(query, ends[a], sizeof query);
				memset(row, ends[b], sizeof row);
				const void *q = guard_put(Q, query, LONGEST, 0);
				const void *at = guard_put(ROWS, row, LONGEST, 0);
				int32_t *out = guard_room(OUT, sizeof *out);
				if (pairs[p].op == NORMSQ)
					pairs[p].norms(at, LONGEST, 1, LONGEST, out);
				else
					pairs[p].scan(q, at, LONGEST, 1, LONGEST, out);
				int32_t want = define(pairs[p].op, pairs[p].is_signed, query, row, LONGEST);
				check(&pairs[p], out, NULL, 1, LONGEST, &want);
			}
}
END_TEST

TCase *bytes_tests(void)
{
	TCase *t = tcase_create("bytes");
	tcase_add_loop_test(t, test_bytes, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_extremes, 0, ISA_COUNT);
	return t;
}
