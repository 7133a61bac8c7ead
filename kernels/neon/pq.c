/* Product quantizers, NEON.
 *
 * A component of a panel of 16 centroids is four registers. The search for the nearest centroid takes four
 * vectors at a time and keeps the smallest keys of each lane until the end of the codebook.
 *
 * Scans look up the bytes of 16 vectors at once and add them to 16-bit words; the sum of CHUNK bytes cannot
 * overflow. A look-up in a table of 256 bytes is four look-ups in 64 bytes: for codes beyond its table, tbl
 * gives 0 and tbx leaves the lane as it was.
 */
#include "kernels/neon/neon.h"
#include "kernels/pq_find.h"

#include <math.h>

enum op { L2SQ, IP };

enum { LANES = 4, PARTS = PQ_LANES / LANES };

/* The number of bytes whose sum cannot overflow 16 bits. */
enum { CHUNK = 256 };

ALWAYS_INLINE void table(enum op op, const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	for (int64_t c = 0; c < k; c += PQ_LANES, panels += PQ_LANES * d) {
		float32x4_t sum[PARTS];
		UNROLL
		for (int p = 0; p < PARTS; p++)
			sum[p] = vdupq_n_f32(0);
		for (int64_t i = 0; i < d; i++) {
			float32x4_t y = vdupq_n_f32(x[i]);
			UNROLL
			for (int p = 0; p < PARTS; p++) {
				float32x4_t a = vld1q_f32(panels + i * PQ_LANES + p * LANES);
				float32x4_t t = vsubq_f32(a, y);
				sum[p] = op == IP ? vfmaq_f32(sum[p], a, y) : vfmaq_f32(sum[p], t, t);
			}
		}
		UNROLL
		for (int p = 0; p < PARTS; p++)
			vst1q_f32(out + c + p * LANES, sum[p]);
	}
}

void pq_l2sq_neon(const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	table(L2SQ, x, d, panels, k, out);
}

void pq_ip_neon(const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	table(IP, x, d, panels, k, out);
}

void pq_range_neon(const float *t, int64_t k, float *low, float *high)
{
	float32x4_t smallest = vld1q_f32(t), max = smallest;
	for (int64_t c = LANES; c < k; c += LANES) {
		smallest = vminq_f32(smallest, vld1q_f32(t + c));
		max = vmaxq_f32(max, vld1q_f32(t + c));
	}
	*low = vminvq_f32(smallest);
	*high = vmaxvq_f32(max);
}

ALWAYS_INLINE uint16x4_t steps_of(const float *t, float start, float steps)
{
	float32x4_t above = vsubq_f32(vld1q_f32(t), vdupq_n_f32(start));
	return vmovn_u32(vcvtq_u32_f32(vmulq_n_f32(above, steps)));
}

void pq_bytes_neon(const float *t, int64_t k, float start, float steps, uint8_t *out)
{
	for (int64_t c = 0; c < k; c += 2 * LANES) {
		uint16x4_t a = steps_of(t + c, start, steps), b = steps_of(t + c + LANES, start, steps);
		vst1_u8(out + c, vmovn_u16(vcombine_u16(a, b)));
	}
}

/* The smallest and second smallest key of a vector in each lane. The last bits of a key, those of `mask`, are
 * replaced by the number of its quarter of a panel, which therefore need not be kept elsewhere. */
struct best {
	float32x4_t smallest, second;
};

/* The number of vectors that share the loads of a panel. */
enum { VECS = 4 };

ALWAYS_INLINE struct best update(struct best b, float32x4_t key, uint32x4_t mask, uint32x4_t number)
{
	key = vreinterpretq_f32_u32(vbslq_u32(mask, number, vreinterpretq_u32_f32(key)));
	b.second = vminq_f32(b.second, vmaxq_f32(b.smallest, key));
	b.smallest = vminq_f32(b.smallest, key);
	return b;
}

ALWAYS_INLINE void nearest_step(const float *const x[VECS], int64_t d, const float *panel, const float *half,
    uint32x4_t mask, uint32x4_t number, struct best best[VECS])
{
	float32x4_t key[VECS][PARTS];
	UNROLL
	for (int v = 0; v < VECS; v++) {
		UNROLL
		for (int p = 0; p < PARTS; p++)
			key[v][p] = vld1q_f32(half + p * LANES);
	}
	for (int64_t i = 0; i < d; i++) {
		float32x4_t c[PARTS];
		UNROLL
		for (int p = 0; p < PARTS; p++)
			c[p] = vld1q_f32(panel + i * PQ_LANES + p * LANES);
		UNROLL
		for (int v = 0; v < VECS; v++) {
			UNROLL
			for (int p = 0; p < PARTS; p++)
				key[v][p] = vfmsq_n_f32(key[v][p], c[p], x[v][i]);
		}
	}
	UNROLL
	for (int p = 0; p < PARTS; p++) {
		UNROLL
		for (int v = 0; v < VECS; v++)
			best[v] = update(best[v], key[v][p], mask, number);
		number = vaddq_u32(number, vdupq_n_u32(1));
	}
}

ALWAYS_INLINE void finish(struct best b, uint32x4_t mask, uint16_t *pos, float *smallest, float *second)
{
	static const uint32_t numbers[LANES] = {0, 1, 2, 3};
	const uint32x4_t lanes = vld1q_u32(numbers);
	*smallest = vminvq_f32(b.smallest);
	float32x4_t min = vdupq_n_f32(*smallest);
	uint32_t lane = vminvq_u32(vbslq_u32(vceqq_f32(b.smallest, min), lanes, vdupq_n_u32(LANES)));
	uint32_t number = vgetq_lane_u32(vandq_u32(vreinterpretq_u32_f32(min), mask), 0);
	*pos = (uint16_t)(LANES * number + lane);
	/* The second smallest key is in the second keys of the lane with the smallest, or in the smallest
	 * keys of the other lanes. */
	*second = vminvq_f32(vbslq_f32(vceqq_u32(lanes, vdupq_n_u32(lane)), b.second, b.smallest));
}

void pq_nearest_neon(const float *x, size_t stride, int64_t n, int64_t d, const float *panels,
    const float *half, int64_t k, uint16_t *pos, float *smallest, float *second)
{
	const float32x4_t inf = vdupq_n_f32(INFINITY);
	const uint32x4_t mask = vdupq_n_u32((uint32_t)(k / LANES) - 1);
	for (int64_t j = 0; j < n; j += VECS) {
		/* If the last group has fewer vectors, its last one is repeated. */
		int count = n - j < VECS ? (int)(n - j) : VECS;
		const float *vec[VECS];
		struct best best[VECS];
		UNROLL
		for (int v = 0; v < VECS; v++) {
			vec[v] = x + (size_t)(j + (v < count ? v : count - 1)) * stride;
			best[v] = (struct best){inf, inf};
		}
		uint32x4_t number =
		    vdupq_n_u32(0); /* the number of the panel's first quarter, in every lane */
		for (int64_t c = 0; c < k; c += PQ_LANES) {
			nearest_step(vec, d, panels + c * d, half + c, mask, number, best);
			number = vaddq_u32(number, vdupq_n_u32(PARTS));
		}
		UNROLL
		for (int v = 0; v < VECS; v++)
			if (v < count)
				finish(best[v], mask, &pos[j + v], &smallest[j + v], &second[j + v]);
	}
}

/* The sums of 16 vectors. */
struct sums {
	uint16x8_t low, high;
};

ALWAYS_INLINE struct sums add_bytes(struct sums s, uint8x16_t bytes)
{
	s.low = vaddw_u8(s.low, vget_low_u8(bytes));
	s.high = vaddw_high_u8(s.high, bytes);
	return s;
}

/* Add the sums to total [4] of 4 floats each, which hold these integers exactly. */
ALWAYS_INLINE void add_sums(struct sums s, float32x4_t *total)
{
	total[0] = vaddq_f32(total[0], vcvtq_f32_u32(vmovl_u16(vget_low_u16(s.low))));
	total[1] = vaddq_f32(total[1], vcvtq_f32_u32(vmovl_high_u16(s.low)));
	total[2] = vaddq_f32(total[2], vcvtq_f32_u32(vmovl_u16(vget_low_u16(s.high))));
	total[3] = vaddq_f32(total[3], vcvtq_f32_u32(vmovl_high_u16(s.high)));
}

ALWAYS_INLINE uint8x16_t look256(const uint8x16x4_t t[4], uint8x16_t code)
{
	const uint8x16_t next = vdupq_n_u8(64);
	uint8x16_t found = vqtbl4q_u8(t[0], code);
	UNROLL
	for (int j = 1; j < 4; j++) {
		code = vsubq_u8(code, next);
		found = vqtbx4q_u8(found, t[j], code);
	}
	return found;
}

enum { QUARTERS = PQ_BLOCK / 16 };

ALWAYS_INLINE void add_numbers8(const uint8_t *codes, const uint8_t *tables, struct sums sum[QUARTERS])
{
	uint8x16x4_t t[4];
	UNROLL
	for (int j = 0; j < 4; j++)
		t[j] = vld1q_u8_x4(tables + 64 * j);
	UNROLL
	for (int v = 0; v < QUARTERS; v++)
		sum[v] = add_bytes(sum[v], look256(t, vld1q_u8(codes + 16 * v)));
}

ALWAYS_INLINE void add_numbers4(const uint8_t *codes, const uint8_t *tables, struct sums sum[QUARTERS])
{
	uint8x16_t low = vld1q_u8(tables), high = vld1q_u8(tables + 16);
	UNROLL
	for (int v = 0; v < QUARTERS; v++) {
		uint8x16_t code = vld1q_u8(codes + 16 * v);
		sum[v] = add_bytes(sum[v], vqtbl1q_u8(low, vandq_u8(code, vdupq_n_u8(15))));
		sum[v] = add_bytes(sum[v], vqtbl1q_u8(high, vshrq_n_u8(code, 4)));
	}
}

/* The keys of a block; bits: of a code, 8 or 4. */
ALWAYS_INLINE void sum_codes(const int bits, const struct pq_find *find, const uint8_t *codes, float *key)
{
	const int64_t bytes = find->bytes;
	const uint8_t *tables = find->tables;
	const int64_t chunk = bits == 8 ? CHUNK : CHUNK / 2;
	float32x4_t total[QUARTERS * 4];
	for (int v = 0; v < QUARTERS * 4; v++)
		total[v] = vdupq_n_f32(0);
	for (int64_t from = 0; from < bytes; from += chunk) {
		struct sums sum[QUARTERS];
		UNROLL
		for (int v = 0; v < QUARTERS; v++)
			sum[v] = (struct sums){vdupq_n_u16(0), vdupq_n_u16(0)};
		int64_t end = from + chunk < bytes ? from + chunk : bytes;
		for (int64_t b = from; b < end; b++) {
			if (bits == 8)
				add_numbers8(codes + b * PQ_BLOCK, tables + b * 256, sum);
			else
				add_numbers4(codes + b * PQ_BLOCK, tables + b * 32, sum);
		}
		UNROLL
		for (int v = 0; v < QUARTERS; v++)
			add_sums(sum[v], total + 4 * v);
	}
	for (int v = 0; v < QUARTERS * 4; v++)
		vst1q_f32(key + LANES * v, vfmaq_n_f32(vdupq_n_f32(find->offset), total[v], find->scale));
}

static void sum_block8(const struct pq_find *find, const uint8_t *codes, float *key)
{
	sum_codes(8, find, codes, key);
}

static void sum_block4(const struct pq_find *find, const uint8_t *codes, float *key)
{
	sum_codes(4, find, codes, key);
}

int64_t pq_find8_neon(const struct pq_find *find, uint32_t *hit)
{
	return pq_find_blocks(find, sum_block8, select_le_neon, hit);
}

int64_t pq_find4_neon(const struct pq_find *find, uint32_t *hit)
{
	return pq_find_blocks(find, sum_block4, select_le_neon, hit);
}
