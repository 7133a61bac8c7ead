/* Vector files inside: what the formats share.
 *
 *   vecs_base.c     messages that name a file, and cells of rows
 *   vecs_format.c   the table of formats, and names of files
 *   vecs.c          reading: kith_vecs_open … kith_vecs_close
 *   vecs_write.c    writing: kith_vecs_create … kith_vecs_write, every format alike
 *   vecs_convert.c  one element type to another
 *   vecs_target.c   a file that appears whole or not at all
 *   vecs_plain.c    storage to read from: a file of rows, by pread and mmap
 *   vecs_texmex.c  vecs_bin.c  vecs_npy.c    plans: the bytes around the rows
 *   vecs_hdf5.c     storage to read from, libhdf5 (where KITH_HAVE_HDF5 is defined)
 *   vecs_hdf5_write.c  a plan to write by, also several sets (likewise)
 *
 * A format is one row of the table: an extension, an element type, a storage and a plan. A new format is a
 * new plan; nothing else knows formats.
 */
#ifndef KITH_STORE_VECS_H
#define KITH_STORE_VECS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kith/vecs.h>

#include "lib/base/alloc.h"
#include "lib/base/status.h"

_Static_assert(
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vector files are mapped as they are: little-endian");
_Static_assert(sizeof(off_t) >= 8, "build with large file support");

/* The size in bytes of so many vectors, of the largest dimension and the widest element, fits in 63 bits. */
#define VECS_MAX_N (INT64_MAX / (KITH_MAX_DIM * 16))

/* Element of a file. The first five are kith_type; the others are read as F32 and I64. */
enum vecs_cell {
	CELL_F32 = KITH_F32,
	CELL_U8 = KITH_U8,
	CELL_I8 = KITH_I8,
	CELL_I32 = KITH_I32,
	CELL_I64 = KITH_I64,
	CELL_F16,
	CELL_U32,
	CELL_F64
};

/* Where the rows are. Row i begins at offset + i · stride; its elements follow `prefix` bytes later.
 * `columns`: the file holds dim runs of n elements instead (Fortran order). */
struct vecs_layout {
	int64_t n, dim;
	enum vecs_cell cell;
	bool swap; /* elements are big-endian */
	bool columns;
	size_t offset, prefix, stride;
};

/* The beginning of a plain file. */
struct vecs_head {
	const char *path; /* for messages */
	kith_type type;   /* the format's own; npy: ignored */
	const uint8_t *bytes;
	size_t n;       /* bytes there: all of the file, or VECS_HEAD */
	int64_t size;   /* of the file, > 0 */
	bool distances; /* of ground truth, in place of the ids */
};

enum {
	VECS_HEAD = 10240,      /* the longest npy header that is accepted, as in NumPy */
	VECS_HEADER = 512,      /* the longest header that is written */
	VECS_LONGEST_SET = 200, /* the longest name of a set that is written */
	VECS_MAX_SETS = 16,     /* of one file that is written */
	VECS_MAX_ATTRIBUTES = 8,
	VECS_LONGEST_ATTRIBUTE = 200,
	VECS_SCRATCH = 1024 * 1024 /* bytes of rows at a time; holds many of the largest row */
};

/* The bytes around the rows: all that tells formats apart when they are written, or read as plain files. */
struct vecs_plan {
	/* Layout from the first bytes. Everything must agree with head->size. NULL: not a plain file. */
	kith_status (*parse)(const struct vecs_head *head, struct vecs_layout *layout);

	/* Header of a file of writer->n rows, up to VECS_HEADER bytes, as long for every n; NULL: none. */
	size_t (*header)(const kith_vecs_writer *writer, uint8_t *out);
	int64_t max_n; /* what the header can count */

	/* What is behind the rows of a file of several sets: how many bytes at most, and those. */
	size_t (*trailer_room)(const kith_vecs_writer *writer);
	size_t (*trailer)(const kith_vecs_writer *writer, uint8_t *out);

	bool prefixed; /* each row begins with its dimension as int32 */
	bool sets;     /* a file holds several sets by name */
	bool parts;    /* ground truth: may be named "file:neighbors" or "file:distances" */
};

/* How rows get out of a file. Arguments were checked by the caller. `close` cleans up whatever was reached,
 * also after a failed `open`. */
struct vecs_storage {
	kith_status (*open)(kith_vecs *vecs); /* fills layout and bytes */
	kith_status (*load)(kith_vecs *vecs, int64_t first, int64_t n, void *rows); /* n · stride bytes */
	kith_status (*map)(kith_vecs *vecs, int64_t first, int64_t n, const void **rows); /* NULL: cannot */
	void (*drop)(kith_vecs *vecs); /* NULL: nothing to */
	void (*close)(kith_vecs *vecs);
};

enum { VECS_ANY_TYPE = -1 };

struct vecs_format {
	const char *extension;
	int type;                           /* the kith_type it holds, or VECS_ANY_TYPE */
	const struct vecs_storage *storage; /* NULL: not in this build */
	const struct vecs_plan *plan;
};

/* A path, taken apart. */
struct vecs_name {
	const struct vecs_format *format;
	char *path; /* owned; without ":set" */
	char *set;  /* owned; NULL where the format has no sets, or parts and none was named */
};

struct kith_vecs {
	struct vecs_name name;
	struct vecs_layout layout;
	int64_t bytes;    /* of the file when it was opened */
	uint8_t *scratch; /* VECS_SCRATCH bytes, made at first need */

	int fd;       /* plain */
	uint8_t *map; /* plain: the whole file, or NULL */
	void *hdf5;
};

/* A file that appears whole or not at all: a temporary beside `path`, renamed by vecs_target_commit.
 * A device or a pipe is written directly, front to back. */
struct vecs_target {
	const char *name; /* the path as given, for messages */
	char *path;       /* where it will be: links followed; owned */
	char *temp;       /* owned; NULL: direct, or committed */
	int fd;

	/* Asked before a file is replaced, while its lock (lock.h) is held: anything but KITH_OK stops it.
	 * fd: of that file; −1: there is none. NULL: nobody has to be asked. */
	kith_status (*may_replace)(void *owner, const struct vecs_target *target, int fd);
	void *owner;
};

/* A set of a file that is written, and a text beside the sets. */
struct vecs_set {
	char *name; /* owned */
	kith_type type;
	int64_t dim, n, offset;
};

struct vecs_attribute {
	char *name, *value; /* owned */
};

struct kith_vecs_writer {
	struct vecs_name name;
	kith_type type;
	int64_t dim, n;
	bool broken; /* an append failed: what is in the file is not what the caller thinks */
	struct vecs_target target;

	uint8_t *buffer; /* VECS_SCRATCH bytes, `used` of them full */
	size_t used;

	/* Several sets, and attributes; set_count 0: one set, all of the file. The last set is the one that
	 * type, dim and n tell of. */
	struct vecs_set sets[VECS_MAX_SETS];
	int set_count;
	struct vecs_attribute attributes[VECS_MAX_ATTRIBUTES];
	int attribute_count;
	int64_t at, trailer; /* bytes written so far, in the buffer too; of the trailer */
};

/* vecs_base.c */

/* "'path'", of a long one the end, on one line whatever it holds. */
void vecs_quote(const char *path, char *out, size_t size);

/* "'path': text" as this thread's message, on one line whatever the file holds. */
kith_status vecs_fail(kith_status status, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* FORMAT unless 1 ≤ dim ≤ KITH_MAX_DIM. */
kith_status vecs_check_dim(const char *path, int64_t dim);

size_t vecs_cell_size(enum vecs_cell cell);
kith_type vecs_cell_type(enum vecs_cell cell); /* what it is read as */

/* vecs_format.c */

/* The format of `path` by its extension. type ≥ 0: the path is to be written; a device or pipe without an
 * extension then gets TexMex's format of that type. */
kith_status vecs_name_parse(struct vecs_name *name, const char *path, int type);
void vecs_name_free(struct vecs_name *name);

extern const struct vecs_storage vecs_plain, vecs_hdf5;
extern const struct vecs_plan vecs_texmex, vecs_bin, vecs_truth, vecs_npy, vecs_hdf5_plan;

/* vecs_plain.c */

/* Open a regular file that is not empty. */
kith_status vecs_file_open(const char *path, int *fd, int64_t *size);

/* Up to n bytes at `offset`, fewer only where the file ends: how many; −1: errno tells why not. */
int64_t vecs_file_take(int fd, int64_t offset, void *out, size_t n);

/* All of n bytes that were there when the file was opened. Errors: IO, FORMAT (they are gone). */
kith_status vecs_file_read(int fd, const char *path, uint64_t offset, void *out, size_t n);
/* Write n bytes at `offset` (< 0: where the last write ended). Errors: IO. */
kith_status vecs_file_write(int fd, const char *path, const void *bytes, size_t n, int64_t offset);

/* vecs_convert.c */

struct vecs_misfit {
	int64_t row, element;
	double value; /* near it, where it is beyond 2^53 */
};

/* n rows of dim cells, src_stride bytes apart, to dense elements of `type`. false: a value does not fit. */
bool vecs_convert(const void *src, size_t src_stride, enum vecs_cell cell, int64_t n, int64_t dim,
    kith_type type, void *dst, struct vecs_misfit *misfit);

/* Reverse the bytes of n cells. */
void vecs_swap(void *cells, enum vecs_cell cell, size_t n);

/* temp.c: a new, locked temporary beside `path`; temp to be freed. IO: errno tells why not. NOMEM. */
kith_status vecs_temp_create(const char *path, unsigned mode, char **temp, int *fd);

/* Remove the temporaries of the same file that killed processes left. */
void vecs_temp_clean(const char *path);

/* Length of the directory part, without the last slash; 0: none ("file" or "/file"). The directory, opened to
 * be read; −1: errno tells why not. */
size_t vecs_directory_length(const char *path);
int vecs_directory_open(const char *path);

/* vecs_target.c */

kith_status vecs_target_open(struct vecs_target *target, const char *path);
kith_status vecs_target_commit(struct vecs_target *target); /* fsync, rename, fsync the directory */
void vecs_target_free(struct vecs_target *target);          /* removes what was not committed */

/* All of n bytes, at `offset` (< 0: where the last write ended). */
kith_status vecs_target_write(struct vecs_target *target, const void *bytes, size_t n, int64_t offset);

#endif
