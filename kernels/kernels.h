/* The kernel table: a struct of function pointers to all kernels, the inner loops of kith. kernels.def lists
 * them; what each computes is said here, at its type.
 *
 * dispatch.c fills the table once: it begins with ref/ (plain C, complete, the specification), and each
 * instruction set that the CPU has replaces entries, in the order avx2, avx512, amx (x86) or neon (Arm). So
 * an instruction set need not have all kernels.
 *
 * Kernels know nothing of ids, filters, heaps or locks. They read and write only the arrays that they are
 * given: no alignment is needed, nothing beyond the stated lengths is touched, and every count may be 0.
 *
 *   rows     the first of n rows; row i begins at (const char *)rows + i · stride, stride in bytes
 *   pos      row numbers: row pos[i] begins at (const char *)rows + pos[i] · stride
 *   d        elements in a row
 *
 * Accuracy. Integers are exact: with d <= KITH_MAX_DIM they fit into int32. A float sum of d terms t_i
 * differs from the true one by at most (d + 8) · 2^-24 · sum |t_i|, whatever the order of the additions. The
 * *_exact kernels give the same bits on every instruction set.
 */
#ifndef KITH_KERNELS_H
#define KITH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/pq.h"
#include "kernels/sq.h"

/* The number of rows in a tile panel, and the largest number of queries in one tile call: enough to pay for
 * what a call has to set up, few enough to stay in L1 beside a panel of bytes. How many queries are
 * multiplied at once depends on the instruction set. */
enum { TILE_ROWS = 64, TILE_QUERIES = 96 };

/* One float query × n rows: squared L2 (as a sum of squared differences), inner product, L1 (the sum of the
 * absolute differences) or Linf (the largest of them). Elements of bf16 rows are the upper 16 bits of a
 * float, those of f16 rows IEEE binary16. */
typedef void kernel_f32_fn(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out);
typedef void kernel_f32_gather_fn(
    const float *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, float *out);

/* The same for floats whose upper and lower parts are in two arrays, as split makes them: row pos[i] begins
 * at hi + pos[i] · stride and at lo + pos[i] · stride. */
typedef void kernel_split_gather_fn(const float *q, const void *hi, const void *lo, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out);

/* Scores of rows of whole floats by other metrics: for them, types kernel_f32_fn and kernel_exact_fn mean
 *
 *   canberra        Σ |x − y| / (|x| + |y|), where 0 / 0 is 0
 *   bray_curtis     Σ |x − y| / Σ |x + y|, where 0 / 0 is 0 and the rest of n / 0 is infinite
 *   jensen_shannon  ½ Σ (x ln (x / m) + y ln (y / m)), m = (x + y) / 2; elements are not negative
 *   jaccard         1 − Σ min(x, y) / Σ max(x, y); elements are not negative; 0 / 0 is 1
 *   nan_euclidean   d / m · Σ (x − y)², over the m elements that are NaN in neither; infinite for m = 0
 *
 * and lp is Σ |x − y|^p, p > 0. The float kernels are off by what lib/metric says; where something overflows
 * they may give NaN or infinity. The exact ones are good to 1e-13 of themselves. */
typedef void kernel_lp_fn(
    const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float p, float *out);
typedef double kernel_lp_exact_fn(const float *x, const float *y, int64_t d, float p);

/* One byte query × n rows of bytes of the same type: exact integers. */
typedef void kernel_i32_fn(
    const void *q, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);
typedef void kernel_i32_gather_fn(
    const void *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out);

/* The squared norm of each of n rows. */
typedef void kernel_norm_f32_fn(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
typedef void kernel_norm_i32_fn(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);

/* The distance of two float vectors in double precision. With t_i = (double)x_i − (double)y_i, lane[i % 32] =
 * fma(t_i, t_i, lane[i % 32]) for ascending i (inner product: fma((double)x_i, (double)y_i, …);
 * L1: |t_i| is added). Then lane[j] += lane[j + w] for j < w and w = 16, 8, 4, 2, 1; the result is lane[0].
 * Linf is the greatest |t_i|. */
typedef double kernel_exact_fn(const float *x, const float *y, int64_t d);

/* The index of the first element that is NaN or infinite; −1: there is none. */
typedef int64_t kernel_find_fn(const float *x, int64_t n);

/* Whether a list [width], width <= 65536, begins with distinct numbers below limit <= 2^31, none of
 * them `except`, and holds 2^32 − 1 from there on. */
typedef bool kernel_list_fn(const uint32_t *list, int64_t width, uint32_t limit, uint32_t except);

/* Write the positions i with keys[i] <= bound, ascending, to pos [n]. Returns how many there are. */
typedef int64_t kernel_select_fn(const float *keys, int64_t n, float bound, uint32_t *pos);

/* Hadamard transform of x [n] in place, n a power of two, without a factor: for half = 1, 2, 4 … n / 2, the
 * components i and i + half of each 2 · half are replaced by their sum and their difference. The bits of the
 * result are the same on every instruction set. */
typedef void kernel_hadamard_fn(float *x, int64_t n);

/* Split floats into their value as bf16 and their lower 16 bits: hi = (u + 0x8000) >> 16, lo = u & 0xffff.
 * join puts them together, u = ((hi − (lo >> 15)) << 16) | lo, which with wrap-around arithmetic gives the
 * same bits for every float. hi is the nearest bf16 of finite floats below 2^128 · (1 − 2^-9). */
typedef void kernel_split_fn(const float *x, int64_t n, uint16_t *hi, uint16_t *lo);
typedef void kernel_join_fn(const uint16_t *hi, const uint16_t *lo, int64_t n, float *x);

/* Round finite floats to the nearest half, ties to even; one beyond the largest finite half becomes that.
 * Widening is exact, also for infinities and NaN. */
typedef void kernel_narrow_fn(const float *x, int64_t n, void *half);
typedef void kernel_widen_fn(const void *half, int64_t n, float *x);

/* Widen n bytes to floats. */
typedef void kernel_widen_u8_fn(const uint8_t *x, int64_t n, float *out);
typedef void kernel_widen_i8_fn(const int8_t *x, int64_t n, float *out);

/* What quantize says about c = x − mean and its quantized form q (int8): c ≈ scale · q. */
struct quantized {
	float scale;  /* > 0 */
	float err;    /* an upper bound of the norm of c − scale · q, including all rounding; 0: exact */
	float norm;   /* an upper bound of the norm of scale · q */
	float normsq; /* scale² · Σ q², rounded to float */
	int32_t sum;  /* Σ q */
};

/* Quantize c = x − mean (mean NULL: zero) to int8, out [d]. If every c_i is an integer in −128 … 127, scale =
 * 1 and out = c; err is 0 if the subtraction was exact, and else its rounding. Otherwise scale = max |c_i| /
 * 127 and out_i = c_i · (1 / scale), rounded to the nearest, ties to even; it is within ±127. If max |c_i| is
 * too large or too small for this, scale = 1 and out is zero. out and scale are the same on every instruction
 * set. x is finite. */
typedef void kernel_quantize_fn(
    const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info);

/* Make a tile panel of 64 rows with their dwords interleaved: out[k · 64 + r] = dword k of row r XOR flip.
 * A row has `bytes` bytes. The last dword is filled up with zero bytes, and rows n … 63 are all zero, both
 * before the XOR. out has ceil(bytes / 4) · 64 dwords. For floats flip is 0; for int8 rows it is 0x80808080,
 * which turns them into uint8 values that are greater by 128, as tile_i8 needs them. */
typedef void kernel_pack_fn(
    const void *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out);

/* Tile: a panel of 64 rows × nq queries (1 … TILE_QUERIES), k dwords deep.
 *
 *   f32: key[q][r] = low[r] + Σ_i panel[i][r] · q[q][i]
 *   i8:  key[q][r] = low[r] + (qscale[q] · scale[r]) · (float)(qbias[q] + Σ_i u8 panel · int8 q)
 *
 *   q     query j begins at q + j · qstride, counted in elements: floats, or int8 of which k · 4 are read
 *   low, scale  [64];  qscale, qbias, thr  [nq]
 *   mask  [nq] out: bit r is set if key[q][r] <= thr[q]
 *   keys  [nq × 64] out: row j is written only if mask[j] is not 0
 *
 * Returns the OR of all masks. */
typedef uint64_t kernel_tile_f32_fn(const float *panel, int64_t k, const float *q, size_t qstride, int nq,
    const float *low, const float *thr, uint64_t *mask, float *keys);
typedef uint64_t kernel_tile_i8_fn(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys);

struct kernels {
	const char *isa; /* the instruction set: "ref", "avx2", … */

#define KERNEL(name, type, ...) type *name;
#include "kernels/kernels.def"

	/* The number of bytes of packed rows and of packed queries that stay together in the L2 cache of CPUs
	 * with this instruction set while their tiles are computed. */
	int64_t panel_bytes, block_bytes;

	/* 1 if tile_i8 is faster than tile_f32 by enough to pay for quantizing: it is 4 times as fast with
	 * VNNI, and 1.5 times on AVX2, where whole searches of integers gain 1.4 times and those of floats
	 * little. */
	int i8_is_fast;
	/* 1 if a BLAS is faster than tile_f32, as it is in plain C. */
	int blas_is_faster;
};

/* What the words in kernels.def make of a line, for the folder of an instruction set. */
#define IF_YES(...)  __VA_ARGS__
#define IF_VBMI(...) __VA_ARGS__
#define IF_no(...)

/* The table in use. Safe to call from several threads. */
const struct kernels *kernels(void);

/* Use the instruction set of this name; NULL: use the automatic choice again, which is the one that KITH_ISA
 * in the environment names, or else the fastest. Returns 0, −1 (unknown name), or −2 (not available on this
 * CPU or in this build). */
int kernels_force(const char *isa);

/* The names that kernels_force can use, separated by spaces, slowest first. */
const char *kernels_available(void);

/* Why the environment's KITH_ISA was ignored; NULL: it was not. */
const char *kernels_env_problem(void);

/* One function per instruction set, which replaces the entries that it has kernels for. */
void kernels_ref(struct kernels *table);
void kernels_avx2(struct kernels *table);
void kernels_avx512(struct kernels *table);
void kernels_amx(struct kernels *table);
void kernels_neon(struct kernels *table);

/* Whether AMX gives the same results as AVX-512 on this CPU, which must have it. Emulators and virtual
 * machines have been wrong. */
bool kernels_amx_agree(void);

#endif
