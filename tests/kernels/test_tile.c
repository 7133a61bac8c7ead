/* Packing and tiles. A tile's keys may differ between instruction sets by rounding; its mask must agree with
 * the keys that it wrote, and what it did not write must be beyond the threshold. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 768 };

static void try_pack(kernel_pack_fn *kernel, int n, int bytes, size_t pad, uint32_t flip)
{
	static unsigned char image[TILE_ROWS * (MAX_LENGTH + 8)];
	size_t stride = (size_t)bytes + pad;
	size_t total = n ? (size_t)(n - 1) * stride + (size_t)bytes : 0;
	random_bytes(image, total);
	const void *rows = guard_put(ROWS, image, total, 0);
	int depth = (bytes + 3) / 4;
	uint32_t *out = guard_room(OUT, (size_t)depth * TILE_ROWS * sizeof *out);
	kernel(rows, stride, n, bytes, flip, out);
	ck_assert(guard_intact(OUT));
	for (int i = 0; i < depth; i++)
		for (int r = 0; r < TILE_ROWS; r++) {
			uint32_t want = 0;
			int part = bytes - i * 4 < 4 ? bytes - i * 4 : 4;
			if (r < n)
				memcpy(&want, image + (size_t)r * stride + i * 4, (size_t)part);
			if (out[i * TILE_ROWS + r] != (want ^ flip))
				kernel_fail("%d rows of %d bytes: row %d, dword %d", n, bytes, r, i);
		}
}

void check_pack(kernel_pack_fn *kernel)
{
	static const int counts[] = {0, 1, 2, 3, 15, 16, 17, 33, 63, 64};
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (int c = 0; c < 10; c++) {
			try_pack(kernel, counts[c], lengths[l], 0, 0);
			try_pack(kernel, counts[c], lengths[l], 3, 0x80808080);
		}
}

/* What a call of a tile gets, in guarded memory, and the true keys. */
struct tile {
	int depth, nq;
	size_t qstride;
	const float *low, *scale, *qscale, *thr;
	const int32_t *qbias;
	uint64_t *mask;
	float *keys;
	double key[TILE_QUERIES][TILE_ROWS], bound[TILE_QUERIES][TILE_ROWS];
};

static const float *put_floats(enum guard_slot slot, int n, float factor)
{
	float x[TILE_QUERIES];
	_Static_assert(TILE_QUERIES >= TILE_ROWS, "room for either");
	for (int i = 0; i < n; i++)
		x[i] = random_float() * factor;
	return guard_put(slot, x, (size_t)n * sizeof *x, 0);
}

/* Thresholds: nobody, half of them, everybody, even infinite keys, just one. */
static void put_thresholds(struct tile *t, int turn)
{
	float thr[TILE_QUERIES];
	for (int j = 0; j < t->nq; j++) {
		double min = INFINITY, second = INFINITY, sum = 0;
		for (int r = 0; r < TILE_ROWS; r++) {
			double key = t->key[j][r];
			second = fmin(second, fmax(min, key));
			min = fmin(min, key);
			sum += isinf(key) ? 0 : key;
		}
		const double choice[] = {
		    -INFINITY, sum / TILE_ROWS, 1e30, INFINITY, (min + second) / 2, min - 1};
		thr[j] = (float)choice[(j + turn) % 6];
	}
	t->thr = guard_put(THR, thr, (size_t)t->nq * sizeof *thr, 0);
}

/* Rows that a caller masks out have an infinite low. */
static const float *put_low(void)
{
	float low[TILE_ROWS];
	for (int r = 0; r < TILE_ROWS; r++)
		low[r] = r % 13 == 5 ? INFINITY : random_float() * 4;
	return guard_put(LOW, low, sizeof low, 0);
}

static void ask_room(struct tile *t)
{
	t->mask = guard_room(MASK, (size_t)t->nq * sizeof *t->mask);
	t->keys = guard_room(KEYS, (size_t)t->nq * TILE_ROWS * sizeof *t->keys);
}

/* Whether the kernel's row of keys is right and agrees with its mask. */
static const char *check_row(const struct tile *t, int j)
{
	const float *keys = t->keys + j * TILE_ROWS;
	for (int r = 0; r < TILE_ROWS; r++) {
		double want = t->key[j][r], bound = t->bound[j][r];
		if (t->mask[j] == 0) {
			if (want < t->thr[j] - bound)
				return "misses a row";
			uint32_t fill = GUARD_FILL * 0x01010101u;
			if (memcmp(&keys[r], &fill, sizeof fill))
				return "writes keys that nobody wants";
		} else {
			if (isinf(want) ? keys[r] != want : !(fabs(keys[r] - want) <= bound))
				return "wrong key";
			if ((t->mask[j] >> r & 1) != (keys[r] <= t->thr[j]))
				return "mask and keys differ";
		}
	}
	return NULL;
}

static void check_tile(const struct tile *t, uint64_t any)
{
	const char *fault = NULL;
	uint64_t all = 0;
	for (int j = 0; j < t->nq && !fault; j++) {
		fault = check_row(t, j);
		all |= t->mask[j];
	}
	if (!fault && any != all)
		fault = "wrong OR of the masks";
	if (!fault && !(guard_intact(MASK) && guard_intact(KEYS)))
		fault = "wrote before an array";
	if (fault)
		kernel_fail("depth %d, %d queries: %s", t->depth, t->nq, fault);
}

static void try_tile_f32(kernel_tile_f32_fn *kernel, int depth, int nq, int turn)
{
	static float panel[MAX_DEPTH * TILE_ROWS], queries[TILE_QUERIES * (MAX_DEPTH + 3)];
	struct tile t = {.depth = depth, .nq = nq, .qstride = (size_t)(depth + turn % 2 * 3)};
	for (int i = 0; i < depth * TILE_ROWS; i++)
		panel[i] = random_float();
	size_t floats = (size_t)(nq - 1) * t.qstride + (size_t)depth;
	for (size_t i = 0; i < floats; i++)
		queries[i] = random_float();
	const float *p = guard_put(ROWS, panel, (size_t)depth * TILE_ROWS * sizeof *p, (size_t)turn % 4 * 4);
	const float *q = guard_put(Q, queries, floats * sizeof *q, 0);
	t.low = put_low();
	for (int j = 0; j < nq; j++)
		for (int r = 0; r < TILE_ROWS; r++) {
			double sum = t.low[r], magnitude = fabs(sum);
			for (int i = 0; i < depth; i++) {
				double term =
				    (double)p[i * TILE_ROWS + r] * q[(size_t)j * t.qstride + (size_t)i];
				sum += term;
				magnitude += fabs(term);
			}
			t.key[j][r] = sum;
			t.bound[j][r] = (depth + 9) * 0x1p-24 * magnitude;
		}
	put_thresholds(&t, turn);
	ask_room(&t);
	uint64_t any = kernel(p, depth, q, t.qstride, nq, t.low, t.thr, t.mask, t.keys);
	check_tile(&t, any);
}

static void fill_i8(uint32_t *panel, int8_t *queries, int depth, size_t bytes, int turn)
{
	random_bytes(panel, (size_t)depth * TILE_ROWS * sizeof *panel);
	random_bytes(queries, bytes);
	if (turn % 4 == 3) { /* the greatest sums there are */
		memset(panel, 0xff, (size_t)depth * TILE_ROWS * sizeof *panel);
		memset(queries, turn % 8 == 3 ? 127 : -128, bytes);
	}
}

static void find_keys_i8(struct tile *t, const uint32_t *panel, const int8_t *q)
{
	for (int j = 0; j < t->nq; j++)
		for (int r = 0; r < TILE_ROWS; r++) {
			int64_t sum = t->qbias[j];
			for (int i = 0; i < t->depth; i++)
				for (int b = 0; b < 4; b++)
					sum += (int64_t)(panel[i * TILE_ROWS + r] >> 8 * b & 0xff) *
					       q[(size_t)j * t->qstride + (size_t)(4 * i + b)];
			double unit = t->qscale[j] * t->scale[r], term = unit * (float)sum;
			t->key[j][r] = t->low[r] + term;
			t->bound[j][r] = 0x1p-23 * (fabs((double)t->low[r]) + fabs(term));
		}
}

static void try_tile_i8(kernel_tile_i8_fn *kernel, int depth, int nq, int turn)
{
	static uint32_t panel[MAX_DEPTH * TILE_ROWS];
	static int8_t queries[TILE_QUERIES * (MAX_DEPTH * 4 + 5)];
	struct tile t = {.depth = depth, .nq = nq, .qstride = (size_t)(depth * 4 + turn % 2 * 5)};
	size_t bytes = (size_t)(nq - 1) * t.qstride + (size_t)depth * 4;
	fill_i8(panel, queries, depth, bytes, turn);
	const uint32_t *p =
	    guard_put(ROWS, panel, (size_t)depth * TILE_ROWS * sizeof *p, (size_t)turn % 4 * 4);
	const int8_t *q = guard_put(Q, queries, bytes, (size_t)turn % 4);
	t.low = put_low();
	t.scale = put_floats(SCALE, TILE_ROWS, 0.01f);
	t.qscale = put_floats(QSCALE, nq, 0.01f);
	int32_t qbias[TILE_QUERIES];
	for (int j = 0; j < nq; j++)
		qbias[j] = (int32_t)random_bits() % 1000000;
	t.qbias = guard_put(QBIAS, qbias, (size_t)nq * sizeof *qbias, 0);
	find_keys_i8(&t, p, q);
	put_thresholds(&t, turn);
	ask_room(&t);
	uint64_t any =
	    kernel(p, depth, q, t.qstride, nq, t.low, t.scale, t.qscale, t.qbias, t.thr, t.mask, t.keys);
	check_tile(&t, any);
}

/* Around what an instruction set multiplies at once: up to 6, or 16 and 32. */
static const int queries[] = {
    1, 2, 3, 4, 5, 6, 7, 12, 13, 15, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 81, 95, TILE_QUERIES};
enum { QUERIES = sizeof queries / sizeof *queries };

/* How often a shape is tried: small ones with thresholds of all kinds. */
static int rounds(int depth, int n)
{
	return depth < 100 && n < 7 ? 6 : 1;
}

void check_tile_f32(kernel_tile_f32_fn *kernel)
{
	int turn = 0;
	for (int l = 0; l < LENGTH_COUNT && lengths[l] <= MAX_DEPTH; l++)
		for (int n = 0; n < QUERIES; n++)
			for (int round = 0; round < rounds(lengths[l], n); round++)
				try_tile_f32(kernel, lengths[l], queries[n], turn++);
}

void check_tile_i8(kernel_tile_i8_fn *kernel)
{
	int turn = 0;
	for (int l = 0; l < LENGTH_COUNT && lengths[l] <= MAX_DEPTH; l++)
		for (int n = 0; n < QUERIES; n++)
			for (int round = 0; round < rounds(lengths[l], n); round++)
				try_tile_i8(kernel, lengths[l], queries[n], turn++);
}
