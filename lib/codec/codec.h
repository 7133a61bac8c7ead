/* Codecs: how vectors lie in memory. One file per codec; nobody else knows its layout.
 *
 * struct codec is what was learnt (shared by all lists of an inverted file), struct codes an array of
 * vectors encoded with it. A codec either keeps vectors exactly, in rows that kernels read directly (fp32,
 * u8, i8), or as codes that decode to an approximation (ROWS_CODE: half, sq, pq). Either way struct rows
 * is how searches see them, and an exact search over codes is exact for the decoded vectors.
 */
#ifndef KITH_CODEC_CODEC_H
#define KITH_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/index.h>
#include <kith/library.h>

#include "lib/base/alloc.h"
#include "lib/base/blob.h"
#include "lib/metric/metric.h"
#include "lib/tile/rows.h"

struct codes;

struct codec {
	const struct codec_ops *ops;
	int64_t dim;
	bool cosine; /* vectors are kept (or, with ops->normalizes false, meant) at unit length */
	bool trained;
};

/* How closely the keys of a graph search tell rows apart. */
enum key_precision {
	KEYS_CODED, /* the codec's own way of comparing rows; floats are compared by their upper halves */
	KEYS_FLOAT, /* all bits of floats, in float arithmetic; for other codecs the same as KEYS_CODED */
	KEYS_WIDE /* decoded, in double, for values whose squares are no floats: keys are fourth roots of what
	             they are else, with the sign (wide_key) */
};

/* One vector against rows gathered from all over, approximately, for graphs. Rows are not blocked. `state`
 * has bytes() bytes, 64-byte aligned. Keys are the metric's. Threads: safe. */
struct codec_walk {
	size_t (*bytes)(const struct codec *codec);

	/* Begin with q [dim], or with a row, whose distances to other rows are wanted: the metric is no
	 * similarity then. */
	void (*begin)(const struct codec *codec, const float *q, const struct metric *metric, void *state);
	void (*begin_row)(const struct codec *codec, const struct rows *rows, int64_t row,
	    const struct metric *metric, void *state);

	/* Keys [n] of rows pos [n], whose `a` the caller has prefetched. */
	void (*keys)(const struct codec *codec, void *state, const struct rows *rows, const uint32_t *pos,
	    int64_t n, float *key);
};

/* Codes to be compared with a query. */
struct code_part {
	const uint8_t *codes; /* from the start of a block on, where blocked */
	int64_t n;
	const float *code_norms; /* [n] half of which comes to the keys; NULL: nothing does */
	double max_code_norm;    /* >= |terms| */
	float limit;             /* on keys with their terms; ∞: all */
};

struct codec_ops {
	kith_type type;      /* of the elements that are kept; KITH_F32 for codes */
	enum rows_kind kind; /* of the rows that the codes make up */
	bool normalizes;     /* stores unit vectors under cosine; others are normalised when read */
	bool blocked; /* ROWS_CODE: in blocks of 64 vectors, byte b of vector i at block · 64 · row_bytes +
	                 b · 64 + i % 64; else row after row */
	int planes;
	bool any_metric; /* rows are read by any metric's kernels; else the metric must have product form */

	/* Factory word ("SQ8", "PQ16x4"), at most 31 characters. */
	void (*word)(const struct codec *codec, char *word);

	/* Bytes of a vector in each plane: the code size. */
	size_t (*row_bytes)(const struct codec *codec);

	/* Learn from n finite vectors (of residuals, if those will be kept). NULL: nothing to learn. */
	kith_status (*train)(struct codec *codec, int64_t n, const float *x, const kith_add_options *options);

	/* What train learnt, to a file and back into a new codec of the same word. load believes nothing and
	 * sets `trained`. NULL: nothing is learnt. */
	void (*save)(const struct codec *codec, struct blob_writer *w);
	kith_status (*load)(struct codec *codec, struct blob_reader *r);

	/* Whether both, of one word, learnt the same: codes of one are codes of the other. NULL: nothing is
	 * learnt. */
	bool (*same)(const struct codec *a, const struct codec *b);

	/* Independent copy; release. The struct itself is mem_alloc'ed. */
	kith_status (*clone)(struct codec **out, const struct codec *codec);
	void (*free)(struct codec *codec);
	size_t (*memory)(const struct codec *codec);

	/* Whether n vectors of `type` can be kept; INVALID names the first that cannot. */
	kith_status (*check)(const struct codec *codec, kith_type type, int64_t n, const void *x);

	/* Largest magnitude of an element; 0: that of a float. What is encoded stays within it: vectors by
	 * check, and what is made of them (residuals) by codec_check_limit. */
	float limit;

	/* Store n checked vectors at positions from `at`; room is there. scratch [CODES_SCRATCH(dim)]. */
	void (*write)(
	    struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch);

	/* Rows from … to − 1 were written or have moved: renew what is kept about them. Where `from` is not
	 * the first of its block, the rows before it in the block are as they were. NULL: nothing is kept. */
	void (*renew)(struct codes *codes, int64_t from, int64_t to);

	/* Whether all of rows from … to − 1, from a file, stand for finite vectors. NULL: every row does. */
	bool (*finite)(const struct codes *codes, int64_t from, int64_t to);

	/* ROWS_CODE: x [n × dim] to codes [n × row_bytes] and back (one vector). No failure. Threads: safe.
	 * Where blocked, a code that is decoded may be the last row_bytes of x [dim] itself. */
	void (*encode)(const struct codec *codec, int64_t n, const float *x, uint8_t *code);
	void (*decode)(const struct codec *codec, const uint8_t *code, float *x);

	/* ROWS_CODE, optional (NULL): comparing codes with a query without decoding them, by scan or by find.
	 *
	 * query_begin fills `state` (query_bytes, 64-byte aligned) from q [dim]. Keys are those of q and
	 * decode(code) under the metric, which has product form. */
	size_t (*query_bytes)(const struct codec *codec);
	void (*query_begin)(
	    const struct codec *codec, const float *q, const struct metric *metric, void *state);

	/* Key [n] of codes first … first + n − 1 of the array `codes`, n <= ROWS_BLOCK; what they may be off
	 * by.
	 */
	struct error_bound (*scan)(const struct codec *codec, const void *state, const uint8_t *codes,
	    int64_t first, int64_t n, float *key);

	/* In its stead, where that is faster than to look at every key: those of many codes that are within a
	 * limit, how many, ascending: hit and key [part->n]. Keys are off by find_error_bound, and by
	 * rounding where there are terms. Of the state the first kept_bytes are read, which may have been
	 * copied elsewhere. */
	int64_t (*find)(const struct codec *codec, const void *state, const struct code_part *part,
	    uint32_t *hit, float *key);
	struct error_bound (*find_error_bound)(const struct codec *codec, const void *state);

	/* A key that k >= 1 of the part's codes do not exceed, found faster than these k; ∞: none is known.
	 */
	float (*find_bound)(
	    const struct codec *codec, const void *state, const struct code_part *part, int64_t k);
	size_t (*kept_bytes)(const struct codec *codec);

	const struct codec_walk *walk;       /* NULL: by decoding, see codec_walk */
	const struct codec_walk *walk_float; /* for KEYS_FLOAT; NULL: walk does it */
};

/* Whether codes can be compared with a query as they are. */
static inline bool codec_compares(const struct codec *codec)
{
	return codec->ops->scan || codec->ops->find;
}

/* How to compare rows of this codec at that precision: its own way, or by decoding (walk.c). */
const struct codec_walk *codec_walk(const struct codec *codec, enum key_precision precision);
extern const struct codec_walk walk_decoding, walk_wide;

/* A key of KEYS_WIDE from the key that it stands for, and back. Both are monotone. A float has room for the
 * fourth root of any squared distance or inner product of floats, and keeps its 24 bits. */
float wide_key(double key);
double wide_value(float key);

/* UNSUPPORTED: the codec does not serve the metric. */
kith_status codec_check_metric(const struct codec *codec, const struct metric *metric);

/* Exact codecs. They learn nothing and fail only for lack of memory. */
kith_status codec_new_fp32(struct codec **out, int64_t dim, bool cosine);
kith_status codec_new_u8(struct codec **out, int64_t dim, bool cosine);
kith_status codec_new_i8(struct codec **out, int64_t dim, bool cosine);

/* Floats rounded to 16 bits: IEEE binary16, which ends at ±65504, and the upper half of a float. They learn
 * nothing. */
kith_status codec_new_fp16(struct codec **out, int64_t dim, bool cosine);
kith_status codec_new_bf16(struct codec **out, int64_t dim, bool cosine);
bool codec_is_half(const struct codec *codec);

/* How a scalar quantiser finds its ranges: from the least and greatest values, or without the 4^-bits most
 * extreme of them on either side. */
enum sq_range { SQ_MINMAX, SQ_QUANTILE };

/* Scalar quantiser of 8, 6 or 4 bits an element (sq.h); uniform: one range for all elements. */
kith_status codec_new_sq(
    struct codec **out, int64_t dim, bool cosine, int bits, enum sq_range range, bool uniform);

/* Product quantizer of M numbers of nbits (4 … 12) bits each (pq.h). INVALID unless M divides dim. */
kith_status codec_new_pq(struct codec **out, int64_t dim, bool cosine, int64_t M, int nbits);

kith_status codec_clone(struct codec **out, const struct codec *codec);
void codec_free(struct codec *codec);

/* Whether codes of one codec are codes of the other. */
bool codec_same(const struct codec *a, const struct codec *b);

/* What was learnt, if anything was; trained: whether the file is of a trained codec. */
void codec_save(const struct codec *codec, struct blob_writer *w);
kith_status codec_load(struct codec *codec, bool trained, struct blob_reader *r);

/* For codec_ops: a codec whose struct is all there is of it. */
kith_status codec_new_plain(struct codec **out, const struct codec_ops *ops, int64_t dim, bool cosine);
kith_status codec_clone_plain(struct codec **out, const struct codec *codec);
void codec_free_plain(struct codec *codec);
size_t codec_memory_plain(const struct codec *codec);

/* For codec_ops of ROWS_CODE: all finite vectors can be kept; write by encode. */
kith_status coded_check(const struct codec *codec, kith_type type, int64_t n, const void *x);

/* The first of n floats that is beyond the codec's limit, or not finite; −1: none. */
int64_t codec_find_beyond(const struct codec *codec, const float *x, int64_t n);

/* INVALID names what was found: `what` ("x: vector 3, component 5") is `value`, and what to use instead. */
kith_status codec_fail_beyond(const struct codec *codec, const char *what, double value);

/* From now on this thread may store (true) what is beyond a limit, as the largest value within it: changes in
 * a log that were made before limits were checked must come to what they came to then. */
void codec_clamps(bool allowed);
void coded_write(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch);

/* Vectors of one codec, positions 0 … n − 1. */
struct codes {
	const struct codec *codec; /* not owned */
	int64_t n;
	bool gathered; /* rows of a codec that is blocked otherwise are not: they are read one at a time */
	const float
	    *center; /* [dim] subtracted before encoding, added after decoding; NULL: none. Not owned */
	struct buffer plane[2];
	struct buffer bounds; /* struct rows_bound per block of rows, where the codec has them */
};

/* Vectors encoded together, and floats of scratch that takes: for them and for their codes. */
enum { CODES_BATCH = 64 };
#define CODES_SCRATCH(dim) (CODES_BATCH * (2 * (size_t)(dim) + 16))

void codes_init(struct codes *codes, const struct codec *codec);

static inline bool codes_blocked(const struct codes *codes)
{
	return codes->codec->ops->blocked && !codes->gathered;
}

void codes_free(struct codes *codes);

/* Copy for another codec of the same kind and state. */
kith_status codes_copy(struct codes *to, const struct codes *from, const struct codec *codec);

/* Make room for n vectors in all. spare: how much to grow beyond, in eighths of n (0: exactly). */
kith_status codes_reserve(struct codes *codes, int64_t n, int spare);

/* Give memory back that holds no vectors. */
void codes_trim(struct codes *codes);

/* Append or overwrite vectors that passed check; appending needs room. */
void codes_append(struct codes *codes, kith_type type, int64_t n, const void *x, float *scratch);

/* Write n of the last vectors of codes, at positions from `at`, that were counted in codes->n before they
 * were there. Threads: safe beside others that write to other blocks. */
void codes_write(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch);
void codes_replace(struct codes *codes, int64_t at, kith_type type, const void *x, float *scratch);

/* Forget the vectors from position n on, which were appended last. */
void codes_truncate(struct codes *codes, int64_t n);

/* encode.c: append n checked vectors on some threads; room is there. scratch [threads × CODES_SCRATCH]. What
 * is there does not depend on the threads. False: what this thread works for was cancelled
 * (progress_stopped), and nothing was added. progress, which counts the vectors, may be NULL. */
struct progress;
bool codes_append_parallel(struct codes *codes, kith_type type, int64_t n, const void *x, int threads,
    float *scratch, struct progress *progress);

/* How many of `threads` that gives work to. */
int codes_useful_threads(int64_t n, int threads);

/* Append all of `from`, codes of the same codec and center; room is there. */
void codes_extend(struct codes *codes, const struct codes *from);

/* Vectors as other programs keep them: codes one after another as the codec's row is, floats, bytes. Append n
 * of them (room is there; finite, where that can be asked), and get one back. */
size_t codes_plain_bytes(const struct codec *codec);
void codes_append_plain(struct codes *codes, int64_t n, const void *plain);
void codes_get_plain(const struct codes *codes, int64_t at, void *plain);

/* Keep position i where keep bit i is set, in order. */
void codes_retain(struct codes *codes, const uint64_t *retain);

/* Put codes that are not blocked in another order; p->spare has room for a row of a plane. */
struct permutation;
void codes_permute(struct codes *codes, const struct permutation *p);

/* View for searching. */
struct rows codes_rows(const struct codes *codes);

/* Vector at a position, as kept (never normalised again). */
void codes_read(const struct codes *codes, int64_t at, float *x);

size_t codes_memory(const struct codes *codes);

/* Bytes of a plane of n vectors: whole blocks where there are blocks. False: overflow. */
bool codes_plane_bytes(const struct codes *codes, int64_t n, size_t *bytes);
size_t codes_bounds_bytes(int64_t n);

/* To a file and back: `lists` arrays of one codec, `stride` bytes from one struct codes to the next, in the
 * same sections. Loading fills new codes with size[i] vectors each; they borrow from `blocks`
 * [CODES_BLOCKS], empty before, unless that is NULL. */
enum { CODES_BLOCKS = 3 };
void codes_save(const struct codes *first, size_t stride, int64_t lists, struct blob_writer *w);
kith_status codes_load(struct codes *first, size_t stride, int64_t lists, const int64_t *size,
    struct buffer *blocks, struct blob_reader *r);

/* Of codes from a mapped file: look at them, as a change demands; to be searched they may be anything.
 * FORMAT: they are not what codes_load demands. */
kith_status codes_validate(const struct codes *codes);

#endif
