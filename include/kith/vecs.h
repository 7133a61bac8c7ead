/* Vector files: fvecs, bvecs, ivecs (TexMex), fbin, u8bin, i8bin, ibin (big-ann-benchmarks), npy
 * (NumPy, 1-D and 2-D), HDF5 in ann-benchmarks' layout where kith was built with it.
 *
 * A format is chosen by the file's name and checked by its content: a constant dimension in every
 * record, a size that is a whole number of records. Nothing is allocated on a file's word alone. In npy
 * and HDF5 a 1-D array is a column, n vectors of dimension 1; float64 is read as f32 (rounded), float16 as
 * f32, uint32 as i64. Only these two formats hold i64, which ids beyond 32 bits need.
 *
 * Ground truth of big-ann-benchmarks, ids and distances in one .bin or .ibin, is read as its ids; name the
 * other part as "truth.ibin:distances".
 *
 * In HDF5 one file holds several sets: name one as "data.hdf5:train" (train, test, neighbors,
 * distances, or any other 2-D set); without a name "train" is read. Reading HDF5 takes libhdf5 1.10.5 or
 * newer, which is loaded when a first such file is opened, unless the process has it already: the one that
 * the environment variable KITH_HDF5 names, or an installed one. Writing takes nothing.
 */
#ifndef KITH_VECS_H
#define KITH_VECS_H

#include <stddef.h>
#include <stdint.h>

#include <kith/library.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Threads: a kith_vecs or kith_vecs_writer serves one call at a time, which the caller must see to. Different
 * ones may be used at once, also of one path. */
typedef struct kith_vecs kith_vecs;

typedef struct kith_vecs_info {
	size_t size;        /* sizeof(kith_vecs_info) */
	const char *format; /* "fvecs", "bvecs", "npy", …: constant text */
	kith_type type;
	int64_t n; /* vectors */
	int64_t dim;
	int64_t bytes; /* of the file */
} kith_vecs_info;

/* Open a file for reading. Cost: O(1); the dimension of each record is checked as it is read.
 * Errors: NOTFOUND, IO, FORMAT (empty, truncated, dimension not 1 … KITH_MAX_DIM), UNSUPPORTED
 * (unknown extension: the message lists the known ones; HDF5 without libhdf5, or in a build without it),
 * NOMEM. */
KITH_API kith_status kith_vecs_open(kith_vecs **out, const char *path);

KITH_API kith_status kith_vecs_info_get(const kith_vecs *vecs, kith_vecs_info *info);

/* Read vectors first … first + n − 1 into out [n × dim] as elements of `type`. Widening is always
 * possible (u8, i8 → i32, i64, f32; i32 → i64, f32; i64 → f32; into f32 rounded above 2^24); other
 * conversions, such as i64 → i32, only where every value fits exactly.
 * Errors: INVALID (outside of the file), FORMAT (a record's dimension differs: names the record; a
 * value does not fit), IO, UNSUPPORTED, NOMEM. */
KITH_API kith_status kith_vecs_read(kith_vecs *vecs, int64_t first, int64_t n, kith_type type, void *out);

/* Look at vectors first … first + n − 1 in place: *rows is row `first`, *stride the bytes from one row
 * to the next, elements of the file's own type at any alignment. Record dimensions are checked.
 * Pages stay resident until kith_vecs_drop or kith_vecs_close. UNSUPPORTED where the format cannot be
 * mapped (HDF5; npy that is big-endian, in Fortran order, float16, float64 or uint32): use kith_vecs_read. A
 * file that is cut short before the call gives FORMAT; while its rows are looked at, SIGBUS: read, don't map,
 * such files. */
KITH_API kith_status kith_vecs_map(
    kith_vecs *vecs, int64_t first, int64_t n, const void **rows, size_t *stride);

/* Give back the memory of what was mapped so far; the file stays open, pointers into it stay valid. */
KITH_API void kith_vecs_drop(kith_vecs *vecs);

/* Close; NULL is allowed. */
KITH_API void kith_vecs_close(kith_vecs *vecs);

/* A file being written. It appears under its name only when kith_vecs_finish succeeds: until then it is
 * a temporary file beside it, removed by kith_vecs_abandon. Exceptions: a device or a pipe is written
 * directly (fvecs, bvecs, ivecs only; without an extension the one that fits the type), and a set is
 * written only to a new HDF5 file. */
typedef struct kith_vecs_writer kith_vecs_writer;

/* Begin a file of vectors of `dim` elements of `type`; format by extension.
 * Errors: IO, UNSUPPORTED (unknown extension, or a type that the format cannot hold), INVALID (an argument;
 * an HDF5 file that exists), NOMEM. */
KITH_API kith_status kith_vecs_create(kith_vecs_writer **out, const char *path, kith_type type, int64_t dim);

/* HDF5 only: what is appended from now on is another set of the same file, of its own type and dimension. A
 * file that is begun as "data.hdf5:train" can so get its sets test, neighbors and distances.
 * Errors: UNSUPPORTED (another format, a name with '/' or over 200 bytes, more than 16 sets), INVALID (a set
 * of that name; nothing was appended to the one before), IO, NOMEM. */
KITH_API kith_status kith_vecs_add_set(
    kith_vecs_writer *writer, const char *set, kith_type type, int64_t dim);

/* HDF5 only: an attribute of the file, a text (UTF-8) such as "distance" = "euclidean", which ann-benchmarks
 * looks for. At most 8, of 200 bytes each. Errors: UNSUPPORTED (another format), INVALID, NOMEM. */
KITH_API kith_status kith_vecs_set_attribute(kith_vecs_writer *writer, const char *name, const char *value);

/* Append x [n × dim]. Errors: IO (disk full: the message says so), NOMEM. */
KITH_API kith_status kith_vecs_append(kith_vecs_writer *writer, int64_t n, const void *x);

/* Flush, rename into place and free the writer, whatever the outcome. Errors: IO (now, or in an append
 * before), INVALID (nothing was appended: no format can be read with 0 vectors). */
KITH_API kith_status kith_vecs_finish(kith_vecs_writer *writer);

/* Drop the temporary file and free the writer; NULL is allowed. */
KITH_API void kith_vecs_abandon(kith_vecs_writer *writer);

/* create + append + finish. */
KITH_API kith_status kith_vecs_write(const char *path, kith_type type, int64_t n, int64_t dim, const void *x);

/* Space-separated extensions that can be opened by this build. */
KITH_API const char *kith_vecs_formats(void);

#ifdef __cplusplus
}
#endif
#endif
