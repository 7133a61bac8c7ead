/* HDF5, as ann-benchmarks lays it out: 2-D sets named train, test, neighbors, distances.
 * 1-D sets are columns, vectors of dimension 1. Floats are read as f32, integers as u8, i8 or i32.
 *
 * libhdf5 is loaded when a first file is opened (hdf5_load.h). It is not always built thread-safe and prints
 * its errors by default: every entry here takes one lock and turns the printing off, and on again, since the
 * host program may use the library as well.
 *
 * A set's extent is a promise that HDF5 keeps with fill values, so a file of 2 KiB can claim 2^60 rows. The
 * bytes must really be there: allocated in full, in this file (no virtual sets, no external files).
 */
#include "lib/store/vecs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/hdf5_load.h"

/* ---- reading ---- */

/* Chunks kept unpacked while reading batch by batch: a chunk bigger than this is unpacked for each batch. */
static const size_t CACHE_BYTES = (size_t)64 << 20, CACHE_SLOTS = 12421;

/* Bytes of HDF5's own words in a message. */
enum { REASON = 160 };

struct hdf5 {
	h5_id file, set;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct h5 *h5; /* under the lock; there as long as a file is open */

/* The host program's way of printing errors, while it is off. */
struct quiet {
	bool was_on;
	h5_print print;
	void *data;
};

/* Takes the lock, also if it fails. */
static kith_status enter(const char *path, struct quiet *quiet)
{
	pthread_mutex_lock(&lock);
	*quiet = (struct quiet){0};
	kith_status status = hdf5_library(path, &h5);
	if (status)
		return status;
	quiet->was_on = h5->Eget_auto2(H5_DEFAULT, &quiet->print, &quiet->data) >= 0;
	if (quiet->was_on)
		h5->Eset_auto2(H5_DEFAULT, NULL, NULL);
	return KITH_OK;
}

static void leave(const struct quiet *quiet)
{
	if (h5) {
		h5->Eclear2(H5_DEFAULT);
		if (quiet->was_on)
			h5->Eset_auto2(H5_DEFAULT, quiet->print, quiet->data);
	}
	pthread_mutex_unlock(&lock);
}

/* The innermost error's text; of a failed system call only what the system said. */
static int copy_reason(unsigned depth, const struct h5_error *error, void *reason)
{
	static const char mark[] = "errno = ";
	if (depth > 0 || !error->text)
		return 0;
	const char *code = strstr(error->text, mark);
	const char *text = code ? strerror((int)strtol(code + strlen(mark), NULL, 10)) : error->text;
	snprintf(reason, REASON, "%s", text);
	return 0;
}

/* vecs_fail with HDF5's innermost reason. */
static kith_status fail_hdf5(kith_status status, const char *path, const char *what)
{
	char reason[REASON] = "";
	h5->Ewalk2(H5_DEFAULT, H5_UPWARD, copy_reason, reason);
	return vecs_fail(status, path, "%s%s%s", what, reason[0] ? ": " : "", reason);
}

static h5_id native_type(enum vecs_cell cell)
{
	switch (cell) {
	case CELL_F32:
		return *h5->native_float;
	case CELL_U8:
		return *h5->native_uint8;
	case CELL_I8:
		return *h5->native_int8;
	case CELL_I32:
		return *h5->native_int32;
	case CELL_F64:
		return *h5->native_double;
	case CELL_I64:
		return *h5->native_int64;
	case CELL_F16: /* libhdf5 makes floats and wider integers of these */
	case CELL_U32:
		break;
	}
	return -1;
}

static kith_status fail_no_set(const kith_vecs *vecs, h5_id file)
{
	char sets[160] = "";
	size_t used = 0;
	for (h5_len i = 0; used < sizeof sets; i++) {
		char name[64];
		if (h5->Lget_name_by_idx(
		        file, "/", H5_BY_NAME, H5_INCREASING, i, name, sizeof name, H5_DEFAULT) < 0)
			break;
		used += (size_t)snprintf(sets + used, sizeof sets - used, "%s%s", i ? ", " : "", name);
	}
	return vecs_fail(KITH_NOTFOUND, vecs->name.path,
	    "has no set '%.60s'; it has: %s (name one as file.hdf5:set)", vecs->name.set, sets);
}

static kith_status read_type(const kith_vecs *vecs, h5_id set, enum vecs_cell *cell, size_t *size)
{
	h5_id type = h5->Dget_type(set);
	const int class = h5->Tget_class(type);
	const bool is_signed = class == H5_INTEGER && h5->Tget_sign(type) == H5_SIGNED;
	*size = h5->Tget_size(type);
	h5->Tclose(type);
	if (class == H5_FLOAT)
		*cell = *size <= 4 ? CELL_F32 : CELL_F64;
	else if (class == H5_INTEGER && *size == 1)
		*cell = is_signed ? CELL_I8 : CELL_U8;
	else if (class == H5_INTEGER)
		*cell = *size < 4 || (*size == 4 && is_signed) ? CELL_I32 : CELL_I64;
	else
		return vecs_fail(KITH_UNSUPPORTED, vecs->name.path,
		    "set '%.60s' holds neither floats nor integers", vecs->name.set);
	return KITH_OK;
}

static kith_status read_extent(const kith_vecs *vecs, h5_id space, struct vecs_layout *layout)
{
	h5_len extent[2] = {0, 1};
	const int rank = h5->Sget_simple_extent_ndims(space);
	if (rank < 1 || rank > 2)
		return vecs_fail(KITH_UNSUPPORTED, vecs->name.path,
		    "set '%.60s' is %d-D; known are 1-D and 2-D", vecs->name.set, rank);
	h5->Sget_simple_extent_dims(space, extent, NULL);
	if (extent[0] == 0)
		return vecs_fail(KITH_FORMAT, vecs->name.path, "set '%.60s' is empty", vecs->name.set);
	kith_status status =
	    vecs_check_dim(vecs->name.path, extent[1] > INT64_MAX ? INT64_MAX : (int64_t)extent[1]);
	if (status)
		return status;
	if (extent[0] > VECS_MAX_N)
		return vecs_fail(KITH_FORMAT, vecs->name.path, "set '%.60s' claims %llu vector%s",
		    vecs->name.set, (unsigned long long)extent[0], PLURAL(extent[0]));
	layout->n = (int64_t)extent[0];
	layout->dim = (int64_t)extent[1];
	return KITH_OK;
}

/* Whether `bytes` bytes of rows are there. */
static bool is_whole(const kith_vecs *vecs, h5_id set, h5_id space, h5_id plist, h5_len bytes)
{
	if (h5->Pget_external_count(plist) > 0)
		return false;
	switch (h5->Pget_layout(plist)) {
	case H5_COMPACT:
		return h5->Dget_storage_size(set) >= bytes;
	case H5_CONTIGUOUS: {
		const h5_len offset = h5->Dget_offset(set);
		return h5->Dget_storage_size(set) >= bytes && offset != H5_NOWHERE &&
		       offset <= (h5_len)vecs->bytes && bytes <= (h5_len)vecs->bytes - offset;
	}
	case H5_CHUNKED: {
		h5_len chunk[2] = {1, 1}, have = 0;
		if (h5->Pget_chunk(plist, 2, chunk) < 1 || !chunk[0] || !chunk[1] ||
		    h5->Dget_num_chunks(set, space, &have) < 0)
			return false;
		const h5_len down = ((h5_len)vecs->layout.n - 1) / chunk[0] + 1;
		const h5_len across = ((h5_len)vecs->layout.dim - 1) / chunk[1] + 1;
		return have == down * across; /* n < 2^45, dim < 2^16 */
	}
	default:
		return false; /* virtual */
	}
}

static kith_status read_layout(kith_vecs *vecs, struct hdf5 *h)
{
	struct vecs_layout *layout = &vecs->layout;
	size_t size;
	h5_id space = h5->Dget_space(h->set), plist = h5->Dget_create_plist(h->set);
	kith_status status = read_type(vecs, h->set, &layout->cell, &size);
	if (!status)
		status = read_extent(vecs, space, layout);
	if (!status && size > 8)
		status =
		    vecs_fail(KITH_UNSUPPORTED, vecs->name.path, "elements of %zu bytes; at most 8", size);
	if (!status && !is_whole(vecs, h->set, space, plist, (h5_len)layout->n * (h5_len)layout->dim * size))
		status = vecs_fail(KITH_FORMAT, vecs->name.path,
		    "set '%.60s' claims %lld x %lld elements that are not all in this file", vecs->name.set,
		    (long long)layout->n, (long long)layout->dim);
	layout->stride = (size_t)layout->dim * vecs_cell_size(layout->cell);
	h5->Pclose(plist);
	h5->Sclose(space);
	return status;
}

static kith_status open_locked(kith_vecs *vecs, struct hdf5 *h)
{
	const char *path = vecs->name.path;
	h->file = h5->Fopen(path, H5_RDONLY, H5_DEFAULT);
	if (h->file < 0) {
		kith_status status = fail_hdf5(KITH_IO, path, "cannot be opened");
		return h5->Fis_hdf5(path) > 0 ? status : vecs_fail(KITH_FORMAT, path, "is no HDF5 file");
	}
	h5_id access = h5->Pcreate(*h5->dataset_access);
	h5->Pset_chunk_cache(access, CACHE_SLOTS, CACHE_BYTES, H5_CACHE_W0);
	h->set = h5->Dopen2(h->file, vecs->name.set, access);
	h5->Pclose(access);
	return h->set < 0 ? fail_no_set(vecs, h->file) : read_layout(vecs, h);
}

static kith_status hdf5_open(kith_vecs *vecs)
{
	struct quiet quiet;
	kith_status status = vecs_file_open(vecs->name.path, &vecs->fd, &vecs->bytes);
	if (status)
		return status;
	struct hdf5 *h = vecs->hdf5 = mem_alloc(1, sizeof *h);
	if (!h)
		return fail_nomem("an HDF5 file", sizeof *h);
	*h = (struct hdf5){.file = -1, .set = -1};
	status = enter(vecs->name.path, &quiet);
	if (!status)
		status = open_locked(vecs, h);
	leave(&quiet);
	return status;
}

/* The spaces of n rows from `first` in the file and in memory. They have the same shape: otherwise HDF5
 * copies element by element. */
static bool select_rows(const struct hdf5 *h, h5_len first, h5_len n, h5_len dim, h5_id *file, h5_id *memory)
{
	const h5_len start[2] = {first, 0}, count[2] = {n, dim};
	*file = h5->Dget_space(h->set);
	*memory = h5->Screate_simple(h5->Sget_simple_extent_ndims(*file), count, NULL);
	return h5->Sselect_hyperslab(*file, H5_SELECT_SET, start, NULL, count, NULL) >= 0 && *memory >= 0;
}

static kith_status hdf5_load(kith_vecs *vecs, int64_t first, int64_t n, void *rows)
{
	const struct hdf5 *h = vecs->hdf5;
	struct quiet quiet;
	h5_id file, memory;
	kith_status status = enter(vecs->name.path, &quiet); /* a file is open, so libhdf5 is loaded */
	if (!select_rows(h, (h5_len)first, (h5_len)n, (h5_len)vecs->layout.dim, &file, &memory) ||
	    h5->Dread(h->set, native_type(vecs->layout.cell), memory, file, H5_DEFAULT, rows) < 0)
		status = fail_hdf5(KITH_IO, vecs->name.path, "cannot be read");
	h5->Sclose(memory);
	h5->Sclose(file);
	leave(&quiet);
	return status;
}

static void hdf5_close(kith_vecs *vecs)
{
	const struct hdf5 *h = vecs->hdf5;
	struct quiet quiet;
	if (h && h->file >= 0) {
		enter(vecs->name.path, &quiet);
		if (h->set >= 0)
			h5->Dclose(h->set);
		h5->Fclose(h->file);
		leave(&quiet);
	}
	mem_free(vecs->hdf5);
	if (vecs->fd >= 0)
		close(vecs->fd);
}

const struct vecs_storage vecs_hdf5 = {
    .open = hdf5_open,
    .load = hdf5_load,
    .close = hdf5_close,
};
