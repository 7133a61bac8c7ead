/* Codecs: how vectors are stored in memory. Each codec has a file, and only that file knows its layout.
 *
 * struct codec is what was learnt, which all lists of an inverted file share; struct codes is an array of
 * vectors that are encoded with it. A codec either stores vectors exactly, in rows that kernels read directly
 * (fp32, u8, i8), or encodes them (half, sq, pq); an exact search is then exact for the decoded vectors.
 * Searches see either as struct rows, and compare them with a query by struct comparison.
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
	bool cosine; /* vectors are stored at unit length or, if not ops->normalizes, read at unit length */
	bool trained;
	enum metric_domain domain; /* which vectors are stored: codec_take_metric */
	char word[32];             /* its factory word: "SQ8", "PQ16x4" */
	size_t row_bytes;          /* bytes of a vector in each plane: the code size */
	size_t memory;             /* bytes of the codec itself */
};

struct codec_ops {
	kith_type type;  /* of the elements that are stored; KITH_F32 for codes */
	bool normalizes; /* with cosine, stores unit vectors; else they are normalized when read */
	bool blocked; /* codes are in blocks of 64 vectors, byte b of vector i at block · 64 · row_bytes +
	                 b · 64 + i % 64; else row after row */
	bool
	    unbiased; /* inner products with what codes stand for are right on average, whatever its length */
	int planes;
	const struct rows_form *form; /* how rows are stored; NULL: as codes for `decode` */
	bool any_metric; /* the kernels of any metric read rows; else the metric must have product form */
	/* For codec_new_plain: the factory word, and the bytes of an element in each plane. */
	const char *word;
	size_t element;
	/* Learn from n finite vectors (residuals, if those will be stored). A failure changes nothing. NULL:
	 * there is nothing to learn, and the next members up to `fresh` are NULL, too. */
	kith_status (*train)(struct codec *codec, int64_t n, const float *x, const kith_add_options *options);

	/* learnt: the floats that train learnt, in one array, which files have in section `tag`; *bytes gets
	 * their size, also before training. take: become trained with such floats; INVALID: training cannot
	 * give these.
	 */
	const char *tag;
	const float *(*learnt)(const struct codec *codec, size_t *bytes);
	kith_status (*take)(struct codec *codec, const float *learnt);

	/* fresh: make an untrained codec of the same kind and dimension. release: free what the codec owns,
	 * but not its struct. */
	kith_status (*fresh)(struct codec **out, const struct codec *codec);
	void (*release)(struct codec *codec);

	/* The largest absolute value of an element; 0: that of a float. Callers make sure that what is
	 * encoded is within it: vectors by codec_check, and residuals by codec_find_beyond. */
	float limit;
	/* Store n checked vectors at positions from `at`, for which memory is reserved. Only for codecs that
	 * do not encode; they do not use scratch. */
	void (*write)(
	    struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch);

	/* Rows from … to − 1 were written or moved: update the bounds of their blocks. If `from` is not the
	 * first of its block, the rows before it in the block are unchanged. NULL: there are no bounds. */
	void (*renew)(struct codes *codes, int64_t from, int64_t to);

	/* Whether all of rows from … to − 1, which come from a file, stand for finite vectors. NULL: all rows
	 * do. */
	bool (*finite)(const struct codes *codes, int64_t from, int64_t to);

	/* Encode x [n × dim] to codes [n × row_bytes]; decode one vector. They cannot fail, and are safe to
	 * call from several threads. Encoding may use x as scratch memory, so its content is undefined
	 * afterwards. If blocked, the code to be decoded may be in the last row_bytes of x [dim] itself.
	 * NULL: vectors are stored exactly, in rows of `form`. */
	void (*encode)(const struct codec *codec, int64_t n, float *x, uint8_t *code);
	void (*decode)(const struct codec *codec, const uint8_t *code, float *x);

	/* How rows are compared with a query (compare.h). NULL: by decoding; in_graph_float NULL: as
	 * in_graph. */
	const struct comparison *in_scan, *in_graph, *in_graph_float;
};

/* Whether vectors are encoded; otherwise they are stored exactly. */
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

/* Note which vectors a metric compares. UNSUPPORTED if the codec does not support the metric. */
kith_status codec_take_metric(struct codec *codec, const struct metric *metric);

/* Make an exact codec, which learns nothing. Errors: NOMEM. */
kith_status codec_new_fp32(struct codec **out, int64_t dim, bool cosine);
kith_status codec_new_u8(struct codec **out, int64_t dim, bool cosine);
kith_status codec_new_i8(struct codec **out, int64_t dim, bool cosine);

/* Make a codec of floats rounded to 16 bits: IEEE binary16, with values up to ±65504, or the upper half of a
 * float. They learn nothing. */
kith_status codec_new_fp16(struct codec **out, int64_t dim, bool cosine);
kith_status codec_new_bf16(struct codec **out, int64_t dim, bool cosine);
bool codec_is_half(const struct codec *codec);

/* How a scalar quantizer finds its ranges: from the smallest and greatest values, or without the 4^-bits most
 * extreme ones on each side. */
enum sq_range { SQ_MINMAX, SQ_QUANTILE };

/* Make a scalar quantizer with 8, 6 or 4 bits for each element (sq.h); uniform: one range for all
 * elements. */
kith_status codec_new_sq(
    struct codec **out, int64_t dim, bool cosine, int bits, enum sq_range range, bool uniform);

/* Make a product quantizer of M numbers with nbits (4 … 12) bits each (pq.h). INVALID unless M divides
 * dim. */
kith_status codec_new_pq(struct codec **out, int64_t dim, bool cosine, int64_t M, int nbits);

/* Make RaBitQ with 1 … 8 bits (rabitq.h). unbiased: for inner products, else for L2. */
kith_status codec_new_rabitq(struct codec **out, int64_t dim, bool cosine, int bits, bool unbiased);

/* Check whether n vectors of `type` can be stored; INVALID names the first that cannot. The second function
 * checks only whether they are finite. */
kith_status codec_check(const struct codec *codec, kith_type type, int64_t n, const void *x);
kith_status codec_check_domain(
    enum metric_domain domain, int64_t dim, kith_type type, int64_t n, const void *x);

kith_status codec_clone(struct codec **out, const struct codec *codec);
void codec_free(struct codec *codec);

/* Whether codes of one codec mean the same in the other. */
bool codec_same(const struct codec *a, const struct codec *b);

/* Write what was learnt to a file, or read it; trained: whether the codec in the file is trained. */
void codec_save(const struct codec *codec, struct blob_writer *w);
kith_status codec_load(struct codec *codec, bool trained, struct blob_reader *r);

/* Make a codec that consists of struct codec alone. */
kith_status codec_new_plain(struct codec **out, const struct codec_ops *ops, int64_t dim, bool cosine);

/* The index of the first of n floats that is beyond the codec's limit or not finite; −1: none. */
int64_t codec_find_beyond(const struct codec *codec, const float *x, int64_t n);

/* Fail with INVALID for a value that is beyond the limit; what: where it is ("x: vector 3, component 5"). */
kith_status codec_fail_beyond(const struct codec *codec, const char *what, double value);

/* Let this thread store values beyond a limit as the largest value within it (true), or not. Changes in a log
 * that were made before limits were checked must give the same as then. */
void codec_clamps(bool allowed);

/* Vectors of one codec, positions 0 … n − 1. */
struct codes {
	const struct codec *codec; /* belongs to others */
	int64_t n;
	bool gathered;       /* not in blocks, even if the codec is blocked, as rows are read one at a time */
	const float *center; /* [dim], subtracted before encoding and added after decoding; NULL: none */
	struct buffer plane[2];
	struct buffer bounds;  /* struct rows_bound per block of rows, where the codec has them */
	struct buffer inverse; /* float [n]: see lengths.c; empty where they are not kept */
};

/* The number of vectors that are encoded together, and the floats of scratch for them and their codes. */
enum { CODES_BATCH = 64 };
#define CODES_SCRATCH(dim) (CODES_BATCH * (2 * (size_t)(dim) + 16))

void codes_init(struct codes *codes, const struct codec *codec);

static inline bool codes_blocked(const struct codes *codes)
{
	return codes->codec->ops->blocked && !codes->gathered;
}

void codes_free(struct codes *codes);

/* Copy codes, for a codec for which codec_same is true. */
kith_status codes_copy(struct codes *to, const struct codes *from, const struct codec *codec);

/* Reserve memory for n vectors in all, and if it must grow, for `spare` eighths of n more. */
kith_status codes_reserve(struct codes *codes, int64_t n, int spare);

/* Give back memory that holds no vectors. */
void codes_trim(struct codes *codes);

/* lengths.c: whether lengths of codes are kept, and where. */
static inline bool codes_keep_lengths(const struct codes *codes)
{
	return codes->codec->cosine && codec_encodes(codes->codec) && !codes->codec->ops->unbiased &&
	       !codes->gathered;
}

static inline float *codes_inverse(const struct codes *codes)
{
	return (float *)(void *)codes->inverse.data;
}

/* Note those of n <= CODES_BATCH codes that were written at positions from `at`: code [n × row_bytes], one
 * after another. zeros: a bit for each that stands for a zero vector. x [dim]: scratch. */
void codes_note_lengths(
    struct codes *codes, int64_t at, int64_t n, const uint8_t *code, uint64_t zeros, float *x);

/* Note all of them, where a file does not have them. rows: those of the codes. NOMEM. */
kith_status codes_find_lengths(struct codes *codes, struct rows rows);

/* Append or overwrite vectors that passed check; appending needs room. */
void codes_append(struct codes *codes, kith_type type, int64_t n, const void *x, float *scratch);

/* Write n vectors at positions from `at`, which codes->n counts already. Several threads may do so in
 * different blocks. */
void codes_write(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch);
void codes_replace(struct codes *codes, int64_t at, kith_type type, const void *x, float *scratch);

/* Remove the vectors from position n on. */
void codes_truncate(struct codes *codes, int64_t n);

/* encode.c: append n checked vectors on some threads; memory must be reserved. scratch [threads ×
 * CODES_SCRATCH]. The codes do not depend on the number of threads. False: the call was cancelled
 * (progress_stopped), and nothing was added. progress counts the vectors, and may be NULL. */
struct progress;
bool codes_append_parallel(struct codes *codes, kith_type type, int64_t n, const void *x, int threads,
    float *scratch, struct progress *progress);

/* The number of threads, at most `threads`, that this has work for. */
int codes_useful_threads(int64_t n, int threads);

/* Append all of `from`, which must have the same codec and center; memory must be reserved. */
void codes_extend(struct codes *codes, const struct codes *from);

/* Vectors as other programs keep them: codes one after another as the codec's row is, floats, bytes. Append
 * n of them (room is there; finite, where that can be asked), and get one back. x [dim]: scratch. */
size_t codes_plain_bytes(const struct codec *codec);
void codes_append_plain(struct codes *codes, int64_t n, const void *plain, float *x);
void codes_get_plain(const struct codes *codes, int64_t at, void *plain);

/* Keep the vectors whose bits are set in `retain`, in their order. */
void codes_retain(struct codes *codes, const uint64_t *retain);

/* Put codes that are not in blocks in another order; p->spare has room for a row of a plane. */
struct permutation;
void codes_permute(struct codes *codes, const struct permutation *p);

/* A view of the codes for searches. */
struct rows codes_rows(const struct codes *codes);

/* The vector at a position as it is stored, which is not normalized again. */
void codes_read(const struct codes *codes, int64_t at, float *x);

size_t codes_memory(const struct codes *codes);

/* The number of bytes of a plane of n vectors, which is of whole blocks if there are blocks. False: it
 * overflows. */
bool codes_plane_bytes(const struct codes *codes, int64_t n, size_t *bytes);
size_t codes_bounds_bytes(int64_t n);

/* To a file and back: `lists` arrays of one codec, `stride` bytes from one struct codes to the next, in the
 * same sections. Loading fills new codes with size[i] vectors each; they borrow from `blocks`
 * [CODES_BLOCKS], empty before, unless that is NULL. */
enum { CODES_BLOCKS = 4 };
void codes_save(const struct codes *first, size_t stride, int64_t lists, struct blob_writer *w);
kith_status codes_load(struct codes *first, size_t stride, int64_t lists, const int64_t *size,
    struct buffer *blocks, struct blob_reader *r);

/* Check codes of a mapped file, which was not done when they were loaded, before they are changed. Errors:
 * FORMAT. */
kith_status codes_validate(const struct codes *codes);

#endif
