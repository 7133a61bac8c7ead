/* FAISS's index files: a description of what a file holds, and where in the file. bytes.c, read_parts.c and
 * read.c make the description, each on top of those before it, and import.c builds an index from it; export.c
 * writes a file, piece by piece (write.c).
 *
 * A file of FAISS is an object: four letters that name its class, then its members, some of which are objects
 * again. Numbers are little-endian, arrays a 64-bit count and the elements.
 */
#ifndef KITH_FAISS_FORMAT_H
#define KITH_FAISS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/blob.h"
#include "lib/metric/metric.h"
#include "lib/store/vecs.h"

/* Objects may lie so deep in one another. */
enum { FAISS_DEPTH = 12 };

/* FAISS's numbers of these metrics. */
enum { FAISS_IP = 0, FAISS_L2 = 1 };

/* Whether a float, which only Lp uses, follows the number of a metric. */
static inline bool faiss_metric_has_argument(int metric)
{
	return metric > FAISS_L2;
}

/* A run of elements of one size in the file, all of whose bytes are there. */
struct faiss_array {
	uint64_t offset;
	int64_t n;
};

enum faiss_coding { FAISS_FLOATS, FAISS_SCALAR, FAISS_PRODUCT, FAISS_RABITQ };

/* Scalar quantizers, numbered as in the file. */
enum faiss_scalar {
	FAISS_8BIT,
	FAISS_4BIT,
	FAISS_8BIT_UNIFORM,
	FAISS_4BIT_UNIFORM,
	FAISS_FP16,
	FAISS_8BIT_DIRECT,
	FAISS_6BIT,
	FAISS_BF16,
	FAISS_8BIT_SIGNED, /* 8bit_direct_signed: bytes are 128 more than what they stand for */
	FAISS_SCALARS
};

struct faiss_codec {
	enum faiss_coding coding;
	size_t code_size;             /* bytes */
	enum faiss_scalar scalar;     /* SCALAR */
	struct faiss_array ranges;    /* SCALAR that learns: floats, all vmin, then all vdiff */
	int64_t m;                    /* PRODUCT */
	int bits;                     /* PRODUCT, RABITQ */
	struct faiss_array centroids; /* PRODUCT: floats [m × 2^bits × dim / m]; RABITQ: [dim], or none */
	int64_t block;                /* PRODUCT: vectors that are packed together; 0: codes as they are */
	size_t block_bytes;
};

enum faiss_map { FAISS_LINEAR, FAISS_PCA, FAISS_ROTATION, FAISS_UNIT, FAISS_PAD };

struct faiss_transform {
	enum faiss_map map;
	int64_t in, out;
	bool whiten, rotate;       /* PCA */
	struct faiss_array matrix; /* floats [out × in] */
	struct faiss_array shift;  /* floats [out], or none */
	struct faiss_array mean;   /* floats [in], or none: PCA's, what comes back for zero */
};

/* An inverted list. */
struct faiss_list {
	int64_t n;
	uint64_t codes, ids; /* offsets: [n × code_size], int64_t [n] */
};

enum faiss_kind {
	FAISS_FLAT, /* codes, one after another */
	FAISS_IVF,
	FAISS_HNSW,
	FAISS_IDMAP,
	FAISS_PRETRANSFORM,
	FAISS_REFINE
};

struct faiss_node {
	char fourcc[5];
	enum faiss_kind kind;
	int64_t dim, n;
	int metric;     /* FAISS's number of it: lib/metric */
	float argument; /* of Lp: its exponent */

	struct faiss_codec codec;           /* FLAT, IVF */
	uint64_t codes;                     /* FLAT: offset of [n × code_size] */
	int32_t search_type, polysemous_ht; /* FLAT, of a product quantizer */

	int64_t nlist, nprobe; /* IVF */
	bool residual;
	struct faiss_list *list; /* [nlist] */

	struct faiss_array widths;    /* HNSW: int32_t [levels + 1], neighbours below each level */
	struct faiss_array levels;    /* int32_t [n], 1 more than in the literature */
	struct faiss_array offsets;   /* uint64_t [n + 1], first neighbour of each node */
	struct faiss_array neighbors; /* int32_t, −1: none */
	int32_t entry, top;
	int64_t ef_construction, ef_search;

	struct faiss_array ids; /* IDMAP: int64_t [n] */

	struct faiss_transform *transform; /* PRETRANSFORM: [transforms], in the order in which they act */
	int64_t transforms;

	float k_factor; /* REFINE */

	struct faiss_node *child; /* HNSW: the vectors; IVF: the coarse quantizer; others: what they wrap */
	struct faiss_node *fine;  /* REFINE: the vectors that decide */
};

static inline const struct metric *faiss_node_metric(const struct faiss_node *node)
{
	return metric_of_faiss(node->metric, node->argument);
}

/* ---- reading ---- */

/* Whether a file that begins with these 4 bytes says that it is FAISS's. */
bool faiss_begins(const char *bytes);

/* Describe the file of a source. All arrays are checked to be there, with counts that fit each other; of
 * their elements only sizes of lists are read. *out is NULL after a failure.
 *
 * Errors: FORMAT, UNSUPPORTED (what kith has no counterpart of: the message names it), NOMEM, the source's
 * Memory: no more than the file has bytes, but for 1 kB an object */
kith_status faiss_describe(struct faiss_node **out, const struct blob_source *source);

/* The same for a source that may go on after the object, which ends at *end. */
kith_status faiss_describe_first(struct faiss_node **out, const struct blob_source *source, uint64_t *end);
void faiss_node_free(struct faiss_node *node);

/* Read `count` elements of `size` bytes of an array, from number `first` on. */
kith_status faiss_load(
    const struct blob_source *source, uint64_t offset, int64_t first, int64_t count, size_t size, void *out);

/* Read codes first … first + n − 1 of those packed at `offset`, and unpack them: [n × code_size]. NOMEM. */
kith_status faiss_load_packed(const struct blob_source *source, const struct faiss_codec *codec,
    uint64_t offset, int64_t first, int64_t n, uint8_t *out);

/* fail(KITH_FORMAT, …) that names the file. */
kith_status faiss_fail(const struct blob_source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#if defined(__clang_analyzer__) /* which cannot see that it never returns KITH_OK */
#define faiss_fail(...) ((void)faiss_fail(__VA_ARGS__), KITH_FORMAT)
#endif

/* ---- bytes.c for read_parts.c, and both for read.c ---- */

struct faiss_reader {
	const struct blob_source *source;
	uint64_t at;
};

/* Read the next bytes; of an array of elements of `size` bytes only the place is noted. */
kith_status faiss_take(struct faiss_reader *r, void *out, size_t bytes);
kith_status faiss_take_bool(struct faiss_reader *r, bool *out);
kith_status faiss_take_array(struct faiss_reader *r, size_t size, struct faiss_array *array);

/* Whether these letters are of an index that kith reads. */
bool faiss_knows(const char *fourcc);

/* The error for letters that kith does not read: UNSUPPORTED if they are FAISS's, else FORMAT. */
kith_status faiss_refuse(const struct faiss_reader *r, const char *fourcc);

/* Parts of objects: quantizers, transforms, the lists of an inverted file, a graph. */
kith_status faiss_take_product(
    struct faiss_reader *r, const struct faiss_node *node, struct faiss_codec *codec);
kith_status faiss_take_scalar(
    struct faiss_reader *r, const struct faiss_node *node, struct faiss_codec *codec);
kith_status faiss_take_transform(struct faiss_reader *r, struct faiss_transform *transform);
kith_status faiss_take_lists(struct faiss_reader *r, struct faiss_node *node);
kith_status faiss_take_old_lists(
    struct faiss_reader *r, struct faiss_node *node, const struct faiss_array *ids, size_t cell);
kith_status faiss_take_graph(struct faiss_reader *r, struct faiss_node *node);

/* Whether the lists have as many vectors as the index says. */
kith_status faiss_check_lists(const struct faiss_reader *r, const struct faiss_node *node);

/* fast_scan.c: codes that are packed for fast scans, and how they are packed. */
kith_status faiss_take_fast_flat(struct faiss_reader *r, struct faiss_node *node);
kith_status faiss_take_fast_codec(struct faiss_reader *r, struct faiss_node *node);
kith_status faiss_take_fast_lists(struct faiss_reader *r, struct faiss_node *node);

/* rabitq.c: what is said of its codes (by an inverted file: some more), and rows first … first + n − 1 as
 * they are in the file to kith's codes, in place. FORMAT, NOMEM. */
struct codec;
kith_status faiss_take_rabitq(struct faiss_reader *r, struct faiss_node *node);
kith_status faiss_take_rabitq_list(struct faiss_reader *r, struct faiss_node *node);
kith_status faiss_convert_rabitq(const struct blob_source *source, const struct faiss_node *node,
    const struct codec *codec, int64_t first, int64_t n, uint8_t *rows);

/* ---- writing ---- */

/* Bytes front to back, collected before they go to the sink; a failure sticks. */
struct faiss_writer {
	kith_status status;
	struct blob_sink sink;
	char *pending;
	size_t pending_bytes;
};

/* Begin; faiss_writer_end, which writes what is pending, must follow, also after a failure. */
kith_status faiss_writer_begin(struct faiss_writer *w, struct blob_sink sink);
kith_status faiss_writer_end(struct faiss_writer *w);

void faiss_put(struct faiss_writer *w, const void *bytes, size_t n);
void faiss_put_fourcc(struct faiss_writer *w, const char *fourcc);
void faiss_put_bool(struct faiss_writer *w, bool value);
void faiss_put_i32(struct faiss_writer *w, int64_t value);
void faiss_put_i64(struct faiss_writer *w, int64_t value);
void faiss_put_float(struct faiss_writer *w, float value);
void faiss_put_array(struct faiss_writer *w, const void *elements, int64_t n, size_t size);

/* The members that every index begins with, of a trained one. */
void faiss_put_index(struct faiss_writer *w, const char *fourcc, int64_t dim, int64_t n, int metric);
void faiss_put_index_of(
    struct faiss_writer *w, const char *fourcc, int64_t dim, int64_t n, const struct metric *metric);

/* ---- files ---- */

struct faiss_file {
	const char *path;
	char name[256]; /* for messages */
	int fd;
	struct blob_source source;
};

/* Open for reading; faiss_file_close must follow a success. */
kith_status faiss_file_open(struct faiss_file *file, const char *path);
void faiss_file_close(struct faiss_file *file);

/* Whether there is a file that begins as FAISS's do. */
bool faiss_is_file(const char *path);

/* A file that appears whole or not at all: sink (of the target) takes the bytes. */
struct blob_sink faiss_target_sink(struct vecs_target *target);

#endif
