/* Kernels of product quantizers: tables and keys within their bounds, computed in double; bytes and sums to
 * the bit. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

static const int books[] = {16, 32, 48, 256};
enum { BOOKS = 4, MAX_K = 256, MAX_D = 129, MAX_N = 17 };

/* Lengths up to MAX_D. */
static int short_lengths(void)
{
	int n = 0;
	while (n < LENGTH_COUNT && lengths[n] <= MAX_D)
		n++;
	return n;
}

static const float *put_floats(enum guard_slot slot, int n, float factor)
{
	static float x[MAX_K * MAX_D];
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

static void try_table(kernel_pq_table_fn *kernel, enum op op, int d, int count)
{
	const float *panels = put_floats(ROWS, count * d, 1), *x = put_floats(Q, d, 1);
	float *out = guard_room(OUT, (size_t)count * sizeof *out);
	kernel(x, d, panels, count, out);
	ck_assert(guard_intact(OUT));
	for (int c = 0; c < count; c++) {
		double bound, want = (op == IP ? inner : squares)(x, panels, d, c, &bound);
		if (!(fabs((double)out[c] - want) <= bound))
			kernel_fail(
			    "d = %d, k = %d: entry %d is %.9g, not %.9g", d, count, c, (double)out[c], want);
	}
}

void check_pq_table(kernel_pq_table_fn *kernel, enum op op)
{
	for (int l = 0; l < short_lengths(); l++)
		for (int b = 0; b < BOOKS; b++)
			try_table(kernel, op, lengths[l], books[b]);
}

/* pos has a least key and second is the next one, as far as rounding lets one tell. */
static void check_nearest(const float *x, int d, const float *panels, const float *half, int count, int pos,
    float min, float second)
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
	if (!(at <= want[0] + 2 * bound[0]) || !(fabs((double)min - want[0]) <= bound[0]) ||
	    !(fabs((double)second - want[1]) <= bound[1]))
		kernel_fail("d = %d, k = %d: number %d with %.9g and %.9g, not %.9g and %.9g", d, count, pos,
		    (double)min, (double)second, want[0], want[1]);
}

static void try_nearest(kernel_pq_nearest_fn *kernel, int n, int d, int count, size_t pad)
{
	size_t stride = (size_t)d + pad, total = n ? (size_t)(n - 1) * stride + (size_t)d : 0;
	const float *panels = put_floats(ROWS, count * d, 1), *half = put_floats(LOW, count, 4);
	const float *x = put_floats(Q, (int)total, 1);
	uint16_t *pos = guard_room(POS, (size_t)n * sizeof *pos);
	float *min = guard_room(OUT, (size_t)n * sizeof *min);
	float *second = guard_room(OUT2, (size_t)n * sizeof *second);
	kernel(x, stride, n, d, panels, half, count, pos, min, second);
	ck_assert(guard_intact(POS) && guard_intact(OUT) && guard_intact(OUT2));
	for (int j = 0; j < n; j++)
		check_nearest(x + (size_t)j * stride, d, panels, half, count, pos[j], min[j], second[j]);
}

/* Equal keys: both come out. */
static void try_equal(kernel_pq_nearest_fn *kernel)
{
	static float half[MAX_K], panels[MAX_K];
	for (int a = 0; a < MAX_K; a += 7)
		for (int b = 0; b < MAX_K; b += 13) {
			for (int c = 0; c < MAX_K; c++)
				half[c] = c == a || c == b ? 1 : 2;
			float x = 0, min, second;
			uint16_t pos;
			kernel(&x, 1, 1, 1, panels, half, MAX_K, &pos, &min, &second);
			ck_assert(pos == a || pos == b);
			ck_assert(fabsf(min - 1) <= 1e-4f);
			ck_assert(fabsf(second - (a == b ? 2 : 1)) <= 1e-4f);
		}
}

void check_pq_nearest(kernel_pq_nearest_fn *kernel)
{
	for (int n = 0; n <= MAX_N; n++)
		for (int b = 0; b < BOOKS; b++)
			if ((books[b] & (books[b] - 1)) == 0)
				try_nearest(kernel, n, 1 + n * 3 % 11, books[b], (size_t)(n % 3) * 5);
	for (int l = 0; l < short_lengths(); l++)
		try_nearest(kernel, 5, lengths[l], 32, 0);
	try_nearest(kernel, 3, 2, 4096, 1);
	try_equal(kernel);
}

void check_pq_range(kernel_pq_range_fn *kernel)
{
	for (int turn = 0; turn < 50 * BOOKS; turn++) {
		int count = books[turn % BOOKS];
		const float *t = put_floats(Q, count, turn % 2 ? 1 : 1e20f);
		float low, high, min = INFINITY, max = -INFINITY;
		kernel(t, count, &low, &high);
		for (int i = 0; i < count; i++) {
			min = fminf(min, t[i]);
			max = fmaxf(max, t[i]);
		}
		if (low != min || high != max)
			kernel_fail("k = %d: %a … %a, not %a … %a", count, (double)low, (double)high,
			    (double)min, (double)max);
	}
}

/* From the least entry up and from the greatest one down. */
void check_pq_bytes(kernel_pq_bytes_fn *kernel)
{
	for (int turn = 0; turn < 100 * BOOKS; turn++) {
		int count = books[turn % BOOKS];
		const float *t = put_floats(Q, count, turn / 2 % 2 ? 1 : 1e20f);
		float low, high;
		ref_kernels.pq_range(t, count, &low, &high);
		float start = turn % 2 ? high : low, steps = (turn % 2 ? -255 : 255) / (high - low);
		uint8_t *out = guard_room(OUT, (size_t)count);
		kernel(t, count, start, steps, out);
		ck_assert(guard_intact(OUT));
		for (int i = 0; i < count; i++) {
			volatile float off = t[i] - start, product = off * steps; /* rounded */
			if (out[i] != (int)product)
				kernel_fail("k = %d: %a, not %a", count, (double)out[i], (double)product);
		}
	}
}

/* Key of vector v in double, and what the kernel's may be off by. */
static double find_key(const struct pq_find *f, int bits, int64_t v, double *off)
{
	int sum = 0;
	for (int64_t b = 0; b < f->bytes; b++) {
		int code = f->codes[(v / PQ_BLOCK * f->bytes + b) * PQ_BLOCK + v % PQ_BLOCK];
		sum += bits == 8 ? f->tables[b * 256 + code]
		                 : f->tables[b * 32 + code % 16] + f->tables[b * 32 + 16 + code / 16];
	}
	double product = (double)f->scale * sum, term = f->code_norms ? 0.5 * (double)f->code_norms[v] : 0;
	*off = 0x1p-22 * (fabs(product) + fabs((double)f->offset) + fabs(term));
	return product + (double)f->offset + term;
}

/* All within the limit, and few beyond it. */
static void check_find(kernel_pq_find_fn *kernel, int bits, const struct pq_find *f)
{
	uint32_t *hit = guard_room(OUT, (size_t)f->n * sizeof *hit);
	int64_t found = kernel(f, hit), next = 0;
	ck_assert(guard_intact(OUT) && found >= 0 && found <= f->n);
	for (int64_t v = 0; v < f->n; v++) {
		double off, key = find_key(f, bits, v, &off);
		bool got = next < found && hit[next] == v;
		next += got;
		if (got ? key <= (double)f->limit + off : key > (double)f->limit - off)
			continue;
		kernel_fail("%lld bytes, n = %lld: vector %lld with %.9g, limit %.9g", (long long)f->bytes,
		    (long long)f->n, (long long)v, key, (double)f->limit);
	}
	ck_assert(next == found);
}

/* The least keys of each place in a block, and no word of hits. */
static void check_min(kernel_pq_find_fn *kernel, int bits, struct pq_find f)
{
	const float before = 1e3f;
	float *min = guard_room(OUT2, PQ_BLOCK * sizeof *min);
	double want[PQ_BLOCK], max[PQ_BLOCK], off;
	for (int64_t v = 0; v < PQ_BLOCK; v++) {
		min[v] = before;
		want[v] = (double)before;
		max[v] = 0;
	}
	f.min = min;
	ck_assert_int_eq(kernel(&f, NULL), 0);
	ck_assert(guard_intact(OUT2));
	for (int64_t v = 0; v < f.n; v++) {
		double key = find_key(&f, bits, v, &off);
		want[v % PQ_BLOCK] = fmin(want[v % PQ_BLOCK], key);
		max[v % PQ_BLOCK] = fmax(max[v % PQ_BLOCK], off);
	}
	for (int64_t v = 0; v < PQ_BLOCK; v++)
		ck_assert(fabs((double)min[v] - want[v]) <= max[v]);
}

/* Tables of bytes: random ones, or all as great as can be. */
static void try_find(kernel_pq_find_fn *kernel, int bits, int n, int bytes, int extreme)
{
	enum { MAX_BLOCKS = 9, MAX_CODES = 600 * PQ_BLOCK * 2 };
	static uint8_t codes[MAX_CODES], tables[600 * 256];
	static float code_norms[MAX_BLOCKS * PQ_BLOCK];
	size_t table = bits == 8 ? 256 : 32;
	size_t size = (size_t)((n + PQ_BLOCK - 1) / PQ_BLOCK * PQ_BLOCK * bytes);
	random_bytes(codes, size);
	random_bytes(tables, (size_t)bytes * table);
	if (extreme)
		memset(tables, 255, (size_t)bytes * table);
	for (int i = 0; i < n; i++)
		code_norms[i] = random_float() * 50;
	struct pq_find f = {.n = n, .bytes = bytes, .scale = extreme ? 1 : random_float() + 1.5f};
	f.codes = guard_put(ROWS, codes, size, (size_t)bytes % 3);
	f.tables = guard_put(Q, tables, (size_t)bytes * table, 0);
	f.offset = extreme ? 0 : random_float() * 100;
	for (int with = 0; with < 2; with++) {
		double off;
		f.code_norms = with ? guard_put(KEYS, code_norms, (size_t)n * sizeof *code_norms, 0) : NULL;
		f.limit = n ? (float)find_key(&f, bits, n / 2, &off) : 0;
		check_find(kernel, bits, &f);
		f.limit = INFINITY;
		check_find(kernel, bits, &f);
		f.limit = -1e30f;
		check_find(kernel, bits, &f);
		check_min(kernel, bits, f);
	}
}

void check_pq_find(kernel_pq_find_fn *kernel, int bits)
{
	static const int more[] = {128, 255, 256, 257, 258, 512, 513, 600}, ns[] = {1, 63, 64, 65, 130, 0};
	for (int bytes = 1; bytes <= 67; bytes++)
		try_find(kernel, bits, ns[bytes % 6], bytes, 0);
	for (int n = 1; n <= 9 * PQ_BLOCK; n += 37)
		try_find(kernel, bits, n, 16, 0);
	for (int i = 0; i < 8; i++) {
		try_find(kernel, bits, 70, more[i], 0);
		try_find(kernel, bits, 70, more[i], 1);
	}
}

/* ---- RaBitQ ---- */

/* Near the sums of all components with their signs, and to the bit what is said in kernels.h. */
void check_hadamard(kernel_hadamard_fn *kernel)
{
	enum { MAX = 1024 };
	for (int n = 1; n <= MAX; n *= 2) {
		float want[MAX], *got = guard_room(OUT, (size_t)n * sizeof *got);
		double sum[MAX] = {0}, size = 0;
		for (int i = 0; i < n; i++)
			want[i] = got[i] = random_float();
		for (int i = 0; i < n; i++) {
			size += fabs((double)want[i]);
			for (int j = 0; j < n; j++)
				sum[j] += __builtin_popcount((unsigned)(i & j)) % 2 ? -(double)want[i]
				                                                    : (double)want[i];
		}
		ref_kernels.hadamard(want, n);
		kernel(got, n);
		ck_assert(guard_intact(OUT));
		for (int i = 0; i < n; i++)
			if (got[i] != want[i] || fabs((double)got[i] - sum[i]) > 11 * 0x1p-24 * size)
				kernel_fail(
				    "n = %d: component %d is %a, not %a", n, i, (double)got[i], sum[i]);
	}
}

/* Key of vector v in double, and what the kernel's may be off by. */
static double rabitq_key(const struct rabitq_find *f, int64_t v, double *off)
{
	double sum = 0;
	const uint8_t *code = f->codes + v / PQ_BLOCK * PQ_BLOCK * f->bytes + v % PQ_BLOCK;
	uint8_t end[sizeof(float)];
	float factor;
	for (int64_t j = 0; j < 8 * f->groups; j += 4)
		for (int b = 0; b < f->bits; b++) {
			int four = code[(j / 8 * f->bits + b) * PQ_BLOCK] >> j % 8 & 15;
			int64_t cell = j / 4 * 16 + four;
			sum += ldexp(f->tables[cell], b);
		}
	for (int i = 0; i < 4; i++)
		end[i] = code[(f->groups * f->bits + i) * PQ_BLOCK];
	memcpy(&factor, end, sizeof factor);
	double term = f->terms ? 0.5 * (double)f->terms[v] : 0, product = (double)f->scale * sum;
	double size = fabs((double)factor) * (fabs((double)f->offset) + fabs(product)) + fabs(term);
	*off = 5 * 0x1p-24 * size + 1e-40;
	return term - (double)factor * ((double)f->offset + product);
}

static void check_rabitq(kernel_rabitq_find_fn *kernel, const struct rabitq_find *f)
{
	uint32_t *hit = guard_room(OUT, (size_t)f->n * sizeof *hit);
	float *key = guard_room(OUT2, (size_t)f->n * sizeof *key);
	int64_t found = kernel(f, hit, key), next = 0;
	ck_assert(guard_intact(OUT) && guard_intact(OUT2) && found >= 0 && found <= f->n);
	for (int64_t v = 0; v < f->n; v++) {
		double off, want = rabitq_key(f, v, &off);
		bool got = next < found && hit[next] == v;
		if (got && fabs((double)key[next] - want) > off)
			kernel_fail("%d bits, %lld groups: key %.9g, not %.9g", f->bits, (long long)f->groups,
			    (double)key[next], want);
		next += got;
		if (got ? want > (double)f->limit + off : want <= (double)f->limit - off)
			kernel_fail("%d bits, %lld groups, n = %lld: vector %lld with %.9g, limit %.9g",
			    f->bits, (long long)f->groups, (long long)f->n, (long long)v, want,
			    (double)f->limit);
	}
	ck_assert(next == found);
}

/* extreme: all entries and all bits are set. */
static void try_rabitq(kernel_rabitq_find_fn *kernel, int bits, int n, int groups, int extreme)
{
	enum { MAX_BLOCKS = 4, MAX_GROUPS = 300 };
	static uint8_t codes[MAX_BLOCKS * PQ_BLOCK * (MAX_GROUPS * 8 + 8)], tables[MAX_GROUPS * 32];
	static float terms[MAX_BLOCKS * PQ_BLOCK];
	struct rabitq_find f = {.n = n, .groups = groups, .bits = bits, .scale = random_float() + 1.5f};
	f.bytes = groups * bits + (bits > 1 ? 8 : 4);
	size_t size = (size_t)((n + PQ_BLOCK - 1) / PQ_BLOCK * PQ_BLOCK * f.bytes);
	random_bytes(codes, size);
	random_bytes(tables, (size_t)groups * 32);
	if (extreme) {
		memset(codes, 255, size);
		memset(tables, 255, (size_t)groups * 32);
	}
	for (int v = 0; v < n; v++) {
		float factor = random_float();
		uint8_t byte[sizeof factor];
		memcpy(byte, &factor, sizeof factor);
		for (int i = 0; i < 4; i++)
			codes[(v / PQ_BLOCK * f.bytes + groups * bits + i) * PQ_BLOCK + v % PQ_BLOCK] =
			    byte[i];
		terms[v] = random_float() * 5000;
	}
	f.codes = guard_put(ROWS, codes, size, (size_t)n % 3);
	f.tables = guard_put(Q, tables, (size_t)groups * 32, 0);
	f.offset = random_float() * 1000;
	for (int with = 0; with < 2; with++) {
		double off;
		f.terms = with ? guard_put(KEYS, terms, (size_t)n * sizeof *terms, 0) : NULL;
		f.limit = n ? (float)rabitq_key(&f, n / 2, &off) : 0;
		check_rabitq(kernel, &f);
		f.limit = INFINITY;
		check_rabitq(kernel, &f);
		f.limit = -1e30f;
		check_rabitq(kernel, &f);
	}
}

void check_rabitq_find(kernel_rabitq_find_fn *kernel)
{
	static const int ns[] = {1, 63, 64, 65, 130, 0};
	for (int bits = 1; bits <= 8; bits++) {
		for (int groups = 1; groups <= 33; groups += 1 + groups / 4)
			try_rabitq(kernel, bits, ns[groups % 6], groups, 0);
		for (int n = 1; n <= 4 * PQ_BLOCK; n += 37)
			try_rabitq(kernel, bits, n, 16, 0);
		for (int groups = 127; groups <= 129; groups++)
			try_rabitq(kernel, bits, 70, groups, 1);
		try_rabitq(kernel, bits, 70, 257, 1);
	}
}
