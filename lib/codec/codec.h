/* Codecs: how vectors lie in memory. One file per codec; nobody else knows its layout.
 *
 * struct codec is what was learnt (shared by all lists of an inverted file), struct codes an array of
 * vectors encoded with it. A codec either keeps vectors exactly, in rows that kernels read directly (fp32,
 * u8, i8), or encodes them (half, sq, pq), and an exact search is exact for the decoded vectors. Either way
 * struct rows is how searches see them, and struct comparison how they are compared with a query.
 */
#ifndef KITH_CODEC_CODEC_H
#define KITH_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/index.h>
#include <kith/library.h>

#include "lib/base/alloc.h"
#include "lib/base/blob.h"
#include "lib/codec/compare.h"
#include "lib/metric/metric.h"
#include "lib/tile/rows.h"

struct codes;

struct codec {
	const struct codec_ops *ops;
	int64_t dim;
	bool cosine; /* vectors are kept (or, with ops->normalizes false, meant) at unit length */
	bool trained;
	char word[32];    /* its factory word: "SQ8", "PQ16x4" */
	size_t row_bytes; /* of a vector in each plane: the code size */
	size_t memory;    /* that all of it takes */
};

struct codec_ops {
	kith_type type;  /* of the elements that are kept; KITH_F32 for codes */
	bool normalizes; /* stores unit vectors under cosine; others are normalised when read */
	bool blocked; /* codes lie in blocks of 64 vectors, byte b of vector i at block · 64 · row_bytes +
	                 b · 64 + i % 64; else row after row */
	int planes;
	const struct rows_form *form; /* how rows are stored; NULL: as codes that decode reads */
	bool any_metric; /* rows are read by any metric's kernels; else the metric must have product form */

	/* Codecs whose struct is all there is of them: the word, and bytes of an element in each plane. */
	const char *word;
	size_t element;

	/* Learn from n finite vectors (of residuals, if those will be kept); on failure nothing changed.
	 * NULL: there is nothing to learn, and the next four are NULL, too. */
	kith_status (*train)(struct codec *codec, int64_t n, const float *x, const kith_add_options *options);

	/* What train learnt: floats, all in one piece, which files keep in the section `tag`; how many bytes
	 * that is, trained or not. Take such floats from wherever and be trained; INVALID: no training makes
	 * them. */
	const char *tag;
	const float *(*learnt)(const struct codec *codec, size_t *bytes);
	kith_status (*take)(struct codec *codec, const float *learnt);

	/* An untrained codec of the same word, dimension and geometry; release, but for the struct itself. */
	kith_status (*fresh)(struct codec **out, const struct codec *codec);
	void (*release)(struct codec *codec);

	/* Largest magnitude of an element; 0: that of a float. What is encoded stays within it: vectors by
	 * codec_check, and what is made of them (residuals) by codec_check_limit. */
	float limit;

	/* Store n checked vectors at positions from `at`; room is there. Only codecs that do not encode have
	 * this, and take no scratch. */
	void (*write)(
	    struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch);

	/* Rows from … to − 1 were written or have moved: renew what is kept about them. Where `from` is not
	 * the first of its block, the rows before it in the block are as they were. NULL: nothing is kept. */
	void (*renew)(struct codes *codes, int64_t from, int64_t to);

	/* Whether all of rows from … to − 1, from a file, stand for finite vectors. NULL: every row does. */
	bool (*finite)(const struct codes *codes, int64_t from, int64_t to);

	/* x [n × dim] to codes [n × row_bytes] and back (one vector). No failure. Threads: safe. x is room
	 * for what encoding needs, and good for nothing afterwards.
	 * Where blocked, a code that is decoded may be the last row_bytes of x [dim] itself.
	 * NULL: vectors are kept exactly, in rows of `form`. */
	void (*encode)(const struct codec *codec, int64_t n, float *x, uint8_t *code);
	void (*decode)(const struct codec *codec, const uint8_t *code, float *x);

	/* Comparing rows with a query (compare.h). NULL: by decoding; in_graph_float: as in_graph. */
	const struct comparison *in_scan, *in_graph, *in_graph_float;
};

/* Whether vectors are codes; others are kept exactly. */
static inline bool codec_encodes(const struct codec *codec)
{
	return codec->ops->encode != NULL;
}

/* Whether the codec is that of plain floats. */
static inline bool codec_is_fp32(const struct codec *codec)
{
	return !codec_encodes(codec) && codec->ops->type == KITH_F32;
}

static inline bool rows_are_codes(const struct rows *rows)
{
	return rows->codec && codec_encodes(rows->codec);
}

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

/* RaBitQ of 1 … 8 bits (rabitq.h); unbiased: for inner products, else for L2. */
kith_status codec_new_rabitq(struct codec **out, int64_t dim, bool cosine, int bits, bool unbiased);

/* Whether n vectors of `type` can be kept; INVALID names the first that cannot. The second asks only
 * whether they are finite. */
kith_status codec_check(const struct codec *codec, kith_type type, int64_t n, const void *x);
kith_status codec_check_finite(int64_t dim, kith_type type, int64_t n, const void *x);

kith_status codec_clone(struct codec **out, const struct codec *codec);
void codec_free(struct codec *codec);

/* Whether codes of one codec are codes of the other. */
bool codec_same(const struct codec *a, const struct codec *b);

/* What was learnt, if anything was; trained: whether the file is of a trained codec. */
void codec_save(const struct codec *codec, struct blob_writer *w);
kith_status codec_load(struct codec *codec, bool trained, struct blob_reader *r);

/* For codec_ops: a codec whose struct is all there is of it. */
kith_status codec_new_plain(struct codec **out, const struct codec_ops *ops, int64_t dim, bool cosine);

/* The first of n floats that is beyond the codec's limit, or not finite; −1: none. */
int64_t codec_find_beyond(const struct codec *codec, const float *x, int64_t n);

/* INVALID names what was found: `what` ("x: vector 3, component 5") is `value`, and what to use instead. */
kith_status codec_fail_beyond(const struct codec *codec, const char *what, double value);

/* From now on this thread may store (true) what is beyond a limit, as the largest value within it: changes
 * in a log that were made before limits were checked must come to what they came to then. */
void codec_clamps(bool allowed);

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

/* Vectors as other programs keep them: codes one after another as the codec's row is, floats, bytes. Append
 * n of them (room is there; finite, where that can be asked), and get one back. */
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
