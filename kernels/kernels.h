/* The kernel table: every inner loop of kith behind one struct of function pointers. kernels.def lists them;
 * what each computes is said here, at its type.
 *
 * dispatch.c fills the table once: it starts from ref/ (plain C, complete, the specification) and lets
 * each instruction set that the CPU offers override entries, in the order avx2, avx512, amx (x86) or
 * neon (Arm). So an incomplete instruction set is always valid.
 *
 * Kernels know nothing of ids, filters, heaps or locks. They read and write only the arrays they are
 * given: no alignment is needed, nothing outside of the stated lengths is touched, every count may be 0.
 *
 *   rows     first of n rows; row i begins at (const char *)rows + i · stride, stride in bytes
 *   pos      row numbers: row pos[i] begins at (const char *)rows + pos[i] · stride
 *   d        elements in a row
 *
 * Accuracy. Integers are exact (d <= KITH_MAX_DIM keeps them inside int32). A float sum of d terms t_i is
 * within (d + 8) · 2^-24 · sum |t_i| of the true one in whatever order it is formed. The *_exact kernels
 * give the same bits on every instruction set.
 */
#ifndef KITH_KERNELS_H
#define KITH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/pq.h"
#include "kernels/sq.h"

/* Rows of a tile panel, and queries that one tile call takes at most: enough of them to pay for what a call
 * has to set up, few enough to stay in L1 beside a panel of bytes. How many an instruction set multiplies at
 * once is its own affair. */
enum { TILE_ROWS = 64, TILE_QUERIES = 96 };

/* One float query × n rows: squared L2 (as a sum of squared differences), inner product, L1 (the sum of the
 * differences' magnitudes) or Linf (the largest of them). bf16 rows are the upper 16 bits of a float, f16
 * rows IEEE binary16. */
typedef void kernel_f32_fn(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out);
typedef void kernel_f32_gather_fn(
    const float *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, float *out);

/* The same for whole floats whose halves lie apart, as split makes them: row pos[i] begins at hi and
 * at lo + pos[i] · stride. */
typedef void kernel_split_gather_fn(const float *q, const void *hi, const void *lo, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out);

/* One byte query × n rows of bytes of the same type: exact integers. */
typedef void kernel_i32_fn(
    const void *q, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);
typedef void kernel_i32_gather_fn(
    const void *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out);

/* Squared norm of each of n rows. */
typedef void kernel_norm_f32_fn(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
typedef void kernel_norm_i32_fn(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);

/* Double-precision distance of two float vectors: t_i = (double)x_i − (double)y_i and
 * lane[i % 32] = fma(t_i, t_i, lane[i % 32]) (inner product: fma((double)x_i, (double)y_i, …), L1: |t_i| is
 * added), i ascending; then for w = 16, 8, 4, 2, 1: lane[j] += lane[j + w], j < w; the result is lane[0].
 * Linf is the greatest |t_i|. */
typedef double kernel_exact_fn(const float *x, const float *y, int64_t d);

/* Index of the first element that is NaN or infinite; −1: none. */
typedef int64_t kernel_find_fn(const float *x, int64_t n);

/* Whether a list [width], width <= 65536, begins with distinct numbers below limit <= 2^31, none of
 * them `except`, and holds 2^32 − 1 from there on. */
typedef bool kernel_list_fn(const uint32_t *list, int64_t width, uint32_t limit, uint32_t except);

/* Positions i with keys[i] <= bound, ascending, into pos [n]; returns how many. */
typedef int64_t kernel_select_fn(const float *keys, int64_t n, float bound, uint32_t *pos);

/* Hadamard transform of x [n] in place, n a power of two, without a factor: for half = 1, 2, 4 … n / 2 the
 * components i and i + half of each 2 · half become their sum and their difference. The same bits
 * everywhere. */
typedef void kernel_hadamard_fn(float *x, int64_t n);

/* Split planes, lossless for every bit pattern whose rounding does not overflow (all finite floats
 * below 2^128 · (1 − 2^-9)) and, with wrap-around arithmetic, for all others too:
 * hi = (u + 0x8000) >> 16, lo = u & 0xffff; u = ((hi − (lo >> 15)) << 16) | lo. */
typedef void kernel_split_fn(const float *x, int64_t n, uint16_t *hi, uint16_t *lo);
typedef void kernel_join_fn(const uint16_t *hi, const uint16_t *lo, int64_t n, float *x);

/* Halves of finite floats: to the nearest, ties to even; what lies beyond the largest finite half
 * becomes that one. widen is exact and takes infinities and NaN as well. */
typedef void kernel_narrow_fn(const float *x, int64_t n, void *half);
typedef void kernel_widen_fn(const void *half, int64_t n, float *x);

/* Widen n bytes to floats. */
typedef void kernel_widen_u8_fn(const uint8_t *x, int64_t n, float *out);
typedef void kernel_widen_i8_fn(const int8_t *x, int64_t n, float *out);

/* What quantize tells about c = x − mean, of which q (int8) is the quantised form: c ≈ scale · q. */
struct quantized {
	float scale;  /* > 0 */
	float err;    /* upper bound of the norm of c − scale · q, all rounding included; 0: exact */
	float norm;   /* upper bound of the norm of scale · q */
	float normsq; /* scale² · Σ q², rounded to float */
	int32_t sum;  /* Σ q */
};

/* Quantise c = x − mean (mean NULL: zero) to int8, out [d]. If every c_i is an integer in
 * −128 … 127, scale = 1 and out = c exactly (err = 0, provided that the subtraction was exact: an
 * inexact one adds its rounding to err). Otherwise scale = max |c_i| / 127 (1 if c is zero) and
 * out_i = c_i · (1 / scale) rounded to nearest even, limited to ±127. out and scale are the same on
 * every instruction set. x is finite. */
typedef void kernel_quantize_fn(
    const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info);

/* Tile panels: 64 rows with their dwords interleaved, out[k · 64 + r] = dword k of row r XOR flip.
 * A row has `bytes` bytes; the last dword is filled up with zero bytes (before the XOR), rows
 * n … 63 are all zero (XOR flip). out has ceil(bytes / 4) · 64 dwords. For floats flip is 0; for
 * int8 rows flip 0x80808080 turns them into the uint8 values + 128 that tile_i8 wants. */
typedef void kernel_pack_fn(
    const void *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out);

/* Tile: a panel of 64 rows × nq queries (1 … TILE_QUERIES), k dwords deep.
 *
 *   f32: key[q][r] = low[r] + Σ_i panel[i][r] · q[q][i]
 *   i8:  key[q][r] = low[r] + (qscale[q] · scale[r]) · (float)(qbias[q] + Σ_i u8 panel · int8 q)
 *
 *   q     query j begins at q + j · qstride (elements: floats; int8 with k · 4 of them readable)
 *   low, scale  [64];  qscale, qbias, thr  [nq]
 *   mask  [nq] out: bit r set where key[q][r] <= thr[q]
 *   keys  [nq × 64] out: row j written only if mask[j] is not 0
 *
 * Returns the OR of all masks. */
typedef uint64_t kernel_tile_f32_fn(const float *panel, int64_t k, const float *q, size_t qstride, int nq,
    const float *low, const float *thr, uint64_t *mask, float *keys);
typedef uint64_t kernel_tile_i8_fn(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys);

struct kernels {
	const char *isa; /* of the last override: "ref", "avx2", … */

#define KERNEL(name, type, ...) type *name;
#include "kernels/kernels.def"

	/* Bytes of packed rows (a panel of several groups) and of packed queries that stay in the L2 cache
	 * of the CPUs that have this instruction set, side by side, while tiles of them are computed. */
	int64_t panel_bytes, block_bytes;

	/* 1 where tile_i8 is faster than tile_f32 by enough to pay for quantising: 4 times with VNNI, 1.5 on
	 * AVX2, where whole searches of integers gain 1.4 and of floats little. */
	int i8_is_fast;

	/* 1 where a BLAS beats tile_f32: in plain C. */
	int blas_is_faster;
};

/* For use in the folder of an instruction set: what its column of kernels.def keeps of a line. */
#define IF_YES(...)  __VA_ARGS__
#define IF_VBMI(...) __VA_ARGS__
#define IF_no(...)

/* The table in use; never NULL after the first call. Threads: safe. */
const struct kernels *kernels(void);

/* Force an instruction set by name, NULL: back to the automatic choice, which is the fastest one here or
 * what the environment's KITH_ISA names. Returns 0, −1 (unknown name), −2 (not available on
 * this CPU or in this build). */
int kernels_force(const char *isa);

/* Names that can be forced here, space-separated, slowest first. */
const char *kernels_available(void);

/* Why the environment's KITH_ISA was ignored; NULL: it was not. */
const char *kernels_env_problem(void);

/* One function per instruction set, overriding what it has. */
void kernels_ref(struct kernels *table);
void kernels_avx2(struct kernels *table);
void kernels_avx512(struct kernels *table);
void kernels_amx(struct kernels *table);
void kernels_neon(struct kernels *table);

/* Whether AMX gives what AVX-512 does, on a CPU that has it: emulators and virtual machines have been wrong.
 */
bool kernels_amx_agree(void);

#endif
