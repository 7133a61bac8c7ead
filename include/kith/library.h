/* The library as a whole: version, instruction set, shared types. */
#ifndef KITH_LIBRARY_H
#define KITH_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Largest dimension of a vector. Keeps every byte-vector distance inside 31 bits. */
#define KITH_MAX_DIM 32768

/* Largest k of a search. */
#define KITH_MAX_K 1048576

/* KITH_COSINE is the inner product of the vectors at unit length, rounded to floats: each component is off by
 * up to 2^-25, and so cosines of near vectors by about 1e-7. Vectors that differ by less than 3e-4 of their
 * length may come in any order, the query's own copy behind them; where that matters, search unit vectors by
 * KITH_L2. Two zero vectors have Jaccard similarity 1. Jensen–Shannon compares vectors as they are, whether
 * their elements add up to 1 or not. */
typedef enum kith_metric {
	KITH_L2 = 0,     /* squared Euclidean distance, smaller is nearer */
	KITH_IP = 1,     /* inner product, larger is nearer */
	KITH_COSINE = 2, /* cosine of the angle, larger is nearer; a zero vector has cosine 0 with all */
	KITH_L1 = 3,     /* sum of the differences' magnitudes (Manhattan), smaller is nearer */
	KITH_LINF = 4,   /* largest of the differences' magnitudes (Chebyshev), smaller is nearer */

	/* For rows of whole floats, as are L1 and Linf; 0 / 0 is 0, and m = (x + y) / 2. */
	KITH_CANBERRA = 5,       /* Σ |x − y| / (|x| + |y|), smaller is nearer */
	KITH_BRAY_CURTIS = 6,    /* Σ |x − y| / Σ |x + y|, smaller is nearer */
	KITH_JENSEN_SHANNON = 7, /* ½ Σ (x ln (x / m) + y ln (y / m)), smaller is nearer; nothing negative */
	KITH_JACCARD = 8,        /* Σ min(x, y) / Σ max(x, y), larger is nearer; nothing negative */
	KITH_NAN_EUCLIDEAN = 9,  /* squared Euclidean distance over what is NaN in neither vector, times d and
	                            divided by the number of such elements, smaller is nearer; ∞ for none */

	KITH_LP = -0x7fffffff - 1 /* no metric by itself: kith_metric_lp(p) is one */
} kith_metric;

/* The metric Σ |x − y|^p, smaller is nearer; and its exponent, 0 for all other metrics. p: positive and
 * finite; of other numbers, and of more than 256 different ones in a process, functions say that there is no
 * such metric. */
KITH_API kith_metric kith_metric_lp(float p);
KITH_API float kith_metric_p(kith_metric metric);

/* Element type of caller's vectors. Vectors are row-major and dense. KITH_I32 and KITH_I64 are of vector
 * files (vecs.h), which may hold ids: no index keeps them. */
typedef enum kith_type { KITH_F32 = 0, KITH_U8 = 1, KITH_I8 = 2, KITH_I32 = 3, KITH_I64 = 4 } kith_type;

/* Progress of a long call: `done` of `total` steps of `stage`. Called from the calling thread, or
 * one at a time from worker threads, some ten to a hundred times a second. Return 0 to go on,
 * anything else to cancel: the call then returns KITH_CANCELLED and leaves everything as it was. */
typedef int (*kith_progress)(void *data, const char *stage, int64_t done, int64_t total);

/* "1.2.3". */
KITH_API const char *kith_version(void);

/* Names, never NULL: "l2" "ip" "cosine" "l1" "linf" "canberra" "braycurtis" "jensenshannon" "jaccard"
 * "naneuclidean", and of Lp "lp" with its exponent, "lp3" ("?": no metric);
 * "f32" "u8" "i8" "i32" "i64". */
KITH_API const char *kith_metric_name(kith_metric metric);
KITH_API const char *kith_type_name(kith_type type);

/* Bytes of one element: 4, 1, 1, 4, 8; 0 for an unknown type. */
KITH_API size_t kith_type_size(kith_type type);

/* Instruction set in use: "ref", "avx2", "avx512", "amx", "neon", … . Chosen at first use from what the CPU
 * offers; the environment variable KITH_ISA or kith_set_isa() forces one. */
KITH_API const char *kith_isa(void);

/* Force an instruction set; NULL or "" returns to the automatic choice. Exact searches give the same
 * bits on all of them. Errors: INVALID (unknown name), UNSUPPORTED (this CPU or build lacks it).
 * Threads: not while other calls run. */
KITH_API kith_status kith_set_isa(const char *name);

/* Space-separated names of the instruction sets that this CPU and build can run, slowest first. */
KITH_API const char *kith_isa_available(void);

/* How batches are compared on this instruction set: "int8" (products of bytes, for floats quantised under a
 * certified bound), "float" or "BLAS". The answer does not depend on it. */
KITH_API const char *kith_tiles(void);

/* One line that names the BLAS in use, e.g. "OpenBLAS 0.3.21 …", or says why there is none: instruction sets
 * with kernels of kith's own do without, and then OpenBLAS is not even loaded. */
KITH_API const char *kith_blas(void);

#ifdef __cplusplus
}
#endif
#endif
