/* Kernels of product quantizers: tables and keys within their bounds, computed in double; bytes and sums to
 * the bit. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

static const int books[] = {16, 32, 256};
enum { BOOKS = 3, MOST_K = 256, MOST_D = 129, MOST_N = 17 };

/* Lengths up to MOST_D. */
static int short_lengths(void)
{
	int n = 0;
	while (n < LENGTH_COUNT && lengths[n] <= MOST_D)
		n++;
	return n;
}

static const float *put_floats(enum guard_slot slot, int n, float factor)
{
	static float x[MOST_K * MOST_D];
	for (int i = 0; i < n; i++)
		x[i] = random_float() * factor;
	return guard_put(slot, x, (size_t)n * sizeof *x, 0);
}

static double component(const float *panels, int d, int c, int i)
{
	return panels[(c / PQ_LANES * d + i) * PQ_LANES + c % PQ_LANES];
}

/* Σ terms, and what a float sum may be off by. */
static double inner(const float *x, const float *panels, int d, int c, double *bound)
{
	double sum = 0, size = 0;
	for (int i = 0; i < d; i++) {
		sum += (double)x[i] * component(panels, d, c, i);
		size += fabs((double)x[i] * component(panels, d, c, i));
	}
	*bound = (d + 8) * 0x1p-24 * size + 1e-40;
	return sum;
}

static double squares(const float *x, const float *panels, int d, int c, double *bound)
{
	double sum = 0;
	for (int i = 0; i < d; i++) {
		double t = (double)x[i] - component(panels, d, c, i);
		sum += t * t;
	}
	*bound = (d + 8) * 0x1p-24 * sum + 1e-40;
	return sum;
}

static void try_table(const struct kernels *k, int d, int count)
{
	const float *panels = put_floats(ROWS, count * d, 1), *x = put_floats(Q, d, 1);
	float *out = guard_room(OUT, (size_t)count * sizeof *out);
	for (int ip = 0; ip < 2; ip++) {
		(ip ? k->pq.ip : k->pq.l2sq)(x, d, panels, count, out);
		ck_assert(guard_intact(OUT));
		for (int c = 0; c < count; c++) {
			double bound, want = (ip ? inner : squares)(x, panels, d, c, &bound);
			if (!(fabs((double)out[c] - want) <= bound))
				ck_abort_msg("%s pq %s, d = %d, k = %d: entry %d is %.9g, not %.9g", k->isa,
				    ip ? "ip" : "l2sq", d, count, c, (double)out[c], want);
		}
	}
}

START_TEST(test_tables)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int l = 0; l < short_lengths(); l++)
		for (int b = 0; b < BOOKS; b++)
			try_table(k, lengths[l], books[b]);
}
END_TEST

/* pos has a least key and second is the next one, as far as rounding lets one tell. */
static void check_nearest(const char *isa, const float *x, int d, const float *panels, const float *half,
    int count, int pos, float least, float second)
{
	double want[2] = {INFINITY, INFINITY}, bound[2] = {0, 0}, off, at = INFINITY;
	for (int c = 0; c < count; c++) {
		double key = (double)half[c] - inner(x, panels, d, c, &off);
		off += (d + 8) * 0x1p-24 * fabs((double)half[c]) + count * 0x1p-25 * fabs(key);
		if (c == pos)
			at = key;
		int better = key < want[0] ? 0 : key < want[1] ? 1 : 2;
		if (better == 0) {
			want[1] = want[0];
			bound[1] = bound[0];
		}
		if (better < 2) {
			want[better] = key;
			bound[better] = off;
		}
		bound[0] = fmax(bound[0], off);
		bound[1] = fmax(bound[1], off);
	}
	if (!(at <= want[0] + 2 * bound[0]) || !(fabs((double)least - want[0]) <= bound[0]) ||
	    !(fabs((double)second - want[1]) <= bound[1]))
		ck_abort_msg("%s pq nearest, d = %d, k = %d: number %d with %.9g and %.9g, not %.9g and %.9g",
		    isa, d, count, pos, (double)least, (double)second, want[0], want[1]);
}

static void try_nearest(const struct kernels *k, int n, int d, int count, size_t pad)
{
	size_t stride = (size_t)d + pad, total = n ? (size_t)(n - 1) * stride + (size_t)d : 0;
	const float *panels = put_floats(ROWS, count * d, 1), *half = put_floats(LOW, count, 4);
	const float *x = put_floats(Q, (int)total, 1);
	uint16_t *pos = guard_room(POS, (size_t)n * sizeof *pos);
	float *least = guard_room(OUT, (size_t)n * sizeof *least);
	float *second = guard_room(OUT2, (size_t)n * sizeof *second);
	k->pq.nearest(x, stride, n, d, panels, half, count, pos, least, second);
	ck_assert(guard_intact(POS) && guard_intact(OUT) && guard_intact(OUT2));
	for (int j = 0; j < n; j++)
		check_nearest(
		    k->isa, x + (size_t)j * stride, d, panels, half, count, pos[j], least[j], second[j]);
}

START_TEST(test_nearest)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int n = 0; n <= MOST_N; n++)
		for (int b = 0; b < BOOKS; b++)
			try_nearest(k, n, 1 + n * 3 % 11, books[b], (size_t)(n % 3) * 5);
	for (int l = 0; l < short_lengths(); l++)
		try_nearest(k, 5, lengths[l], 32, 0);
	try_nearest(k, 3, 2, 4096, 1);
}
END_TEST

/* Equal keys: both come out. */
START_TEST(test_nearest_equal)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	static float half[MOST_K], panels[MOST_K];
	for (int a = 0; a < MOST_K; a += 7)
		for (int b = 0; b < MOST_K; b += 13) {
			for (int c = 0; c < MOST_K; c++)
				half[c] = c == a || c == b ? 1 : 2;
			float x = 0, least, second;
			uint16_t pos;
			k->pq.nearest(&x, 1, 1, 1, panels, half, MOST_K, &pos, &least, &second);
			ck_assert(pos == a || pos == b);
			ck_assert(fabsf(least - 1) <= 1e-4f);
			ck_assert(fabsf(second - (a == b ? 2 : 1)) <= 1e-4f);
		}
}
END_TEST

START_TEST(test_bytes_of_tables)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int b = 0; b < BOOKS; b++)
		for (int turn = 0; turn < 50; turn++) {
			int count = books[b];
			const float *t = put_floats(Q, count, turn % 2 ? 1 : 1e20f);
			float low, high, want_low, want_high;
			k->pq.range(t, count, &low, &high);
			ref.pq.range(t, count, &want_low, &want_high);
			ck_assert(low == want_low && high == want_high);
			float steps = 255 / (high - low);
			uint8_t *out = guard_room(OUT, (size_t)count),
			        *want = guard_room(OUT2, (size_t)count);
			k->pq.bytes(t, count, low, steps, out);
			ref.pq.bytes(t, count, low, steps, want);
			ck_assert(guard_intact(OUT) && !memcmp(out, want, (size_t)count));
			k->pq.bytes(t, count, high, -steps, out);
			ref.pq.bytes(t, count, high, -steps, want);
			ck_assert(!memcmp(out, want, (size_t)count));
		}
}
END_TEST

/* Key of vector v in double, and what the kernel's may be off by. */
static double find_key(const struct pq_find *f, int bits, int64_t v, double *off)
{
	int sum = 0;
	for (int64_t b = 0; b < f->bytes; b++) {
		int code = f->codes[(v / PQ_BLOCK * f->bytes + b) * PQ_BLOCK + v % PQ_BLOCK];
		sum += bits == 8 ? f->tables[b * 256 + code]
		                 : f->tables[b * 32 + code % 16] + f->tables[b * 32 + 16 + code / 16];
	}
	double product = (double)f->scale * sum, term = f->terms ? 0.5 * (double)f->terms[v] : 0;
	*off = 0x1p-22 * (fabs(product) + fabs((double)f->offset) + fabs(term));
	return product + (double)f->offset + term;
}

/* All within the limit, and few beyond it. */
static void check_find(const struct kernels *k, int bits, const struct pq_find *f)
{
	uint32_t *hit = guard_room(OUT, (size_t)f->n * sizeof *hit);
	int64_t found = (bits == 8 ? k->pq.find8 : k->pq.find4)(f, hit), next = 0;
	ck_assert(guard_intact(OUT) && found >= 0 && found <= f->n);
	for (int64_t v = 0; v < f->n; v++) {
		double off, key = find_key(f, bits, v, &off);
		bool got = next < found && hit[next] == v;
		next += got;
		if (got ? key <= (double)f->limit + off : key > (double)f->limit - off)
			continue;
		ck_abort_msg("%s find%d, %lld bytes, n = %lld: vector %lld with %.9g, limit %.9g", k->isa,
		    bits, (long long)f->bytes, (long long)f->n, (long long)v, key, (double)f->limit);
	}
	ck_assert(next == found);
}

/* The least keys of each place in a block, and no word of hits. */
static void check_least(const struct kernels *k, int bits, struct pq_find f)
{
	const float before = 1e3f;
	float *least = guard_room(OUT2, PQ_BLOCK * sizeof *least);
	double want[PQ_BLOCK], most[PQ_BLOCK], off;
	for (int64_t v = 0; v < PQ_BLOCK; v++) {
		least[v] = before;
		want[v] = (double)before;
		most[v] = 0;
	}
	f.least = least;
	ck_assert_int_eq((bits == 8 ? k->pq.find8 : k->pq.find4)(&f, NULL), 0);
	ck_assert(guard_intact(OUT2));
	for (int64_t v = 0; v < f.n; v++) {
		double key = find_key(&f, bits, v, &off);
		want[v % PQ_BLOCK] = fmin(want[v % PQ_BLOCK], key);
		most[v % PQ_BLOCK] = fmax(most[v % PQ_BLOCK], off);
	}
	for (int64_t v = 0; v < PQ_BLOCK; v++)
		ck_assert(fabs((double)least[v] - want[v]) <= most[v]);
}

/* Tables of bytes: random ones, or all as great as can be. */
static void try_find(const struct kernels *k, int bits, int n, int bytes, int extreme)
{
	enum { MOST_BLOCKS = 9, MOST_CODES = 600 * PQ_BLOCK * 2 };
	static uint8_t codes[MOST_CODES], tables[600 * 256];
	static float terms[MOST_BLOCKS * PQ_BLOCK];
	size_t table = bits == 8 ? 256 : 32;
	size_t size = (size_t)((n + PQ_BLOCK - 1) / PQ_BLOCK * PQ_BLOCK * bytes);
	random_bytes(codes, size);
	random_bytes(tables, (size_t)bytes * table);
	if (extreme)
		memset(tables, 255, (size_t)bytes * table);
	for (int i = 0; i < n; i++)
		terms[i] = random_float() * 50;
	struct pq_find f = {.n = n, .bytes = bytes, .scale = extreme ? 1 : random_float() + 1.5f};
	f.codes = guard_put(ROWS, codes, size, (size_t)bytes % 3);
	f.tables = guard_put(Q, tables, (size_t)bytes * table, 0);
	f.offset = extreme ? 0 : random_float() * 100;
	for (int with = 0; with < 2; with++) {
		double off;
		f.terms = with ? guard_put(KEYS, terms, (size_t)n * sizeof *terms, 0) : NULL;
		f.limit = (float)find_key(&f, bits, n / 2, &off);
		check_find(k, bits, &f);
		f.limit = INFINITY;
		check_find(k, bits, &f);
		f.limit = -1e30f;
		check_find(k, bits, &f);
		check_least(k, bits, f);
	}
}

START_TEST(test_finds)
{
	static const int more[] = {128, 255, 256, 257, 258, 512, 513, 600}, ns[] = {1, 63, 64, 65, 130};
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int bits = 4; bits <= 8; bits += 4) {
		for (int bytes = 1; bytes <= 67; bytes++)
			try_find(k, bits, ns[bytes % 5], bytes, 0);
		for (int n = 1; n <= 9 * PQ_BLOCK; n += 37)
			try_find(k, bits, n, 16, 0);
		for (int i = 0; i < 8; i++) {
			try_find(k, bits, 70, more[i], 0);
			try_find(k, bits, 70, more[i], 1);
		}
	}
}
END_TEST

TCase *pq_tests(void)
{
	TCase *t = tcase_create("pq");
	tcase_add_loop_test(t, test_tables, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_nearest, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_nearest_equal, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_bytes_of_tables, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_finds, 0, ISA_COUNT);
	return t;
}
