/* Reading an HDF5 file, as ann-benchmarks lays it out: 2-D sets named train, test, neighbors, distances.
 * 1-D sets are columns, vectors of dimension 1. Floats of any size are read as f32, integers as u8, i8 or
 * i32.
 *
 * libhdf5 is not always built thread-safe and prints its errors by default: every entry here takes one lock
 * and turns the printing off, and on again, since the host program may use the library as well.
 *
 * A set's extent is a promise that HDF5 keeps with fill values, so a file of 2 KiB can claim 2^60 rows. The
 * bytes must really be there: allocated in full, in this file (no virtual sets, no external files).
 */
#include "lib/store/vecs.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Chunks kept unpacked while reading batch by batch: a chunk bigger than this is unpacked for each batch. */
static const size_t CACHE_BYTES = (size_t)64 << 20, CACHE_SLOTS = 12421;

/* Bytes of HDF5's own words in a message. */
enum { REASON = 160 };

struct hdf5 {
	hid_t file, set;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The host program's way of printing errors, while it is off. */
struct quiet {
	bool was_on;
	H5E_auto2_t print;
	void *data;
};

static void enter(struct quiet *quiet)
{
	pthread_mutex_lock(&lock);
	quiet->was_on = H5Eget_auto2(H5E_DEFAULT, &quiet->print, &quiet->data) >= 0;
	if (quiet->was_on)
		H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static void leave(const struct quiet *quiet)
{
	H5Eclear2(H5E_DEFAULT);
	if (quiet->was_on)
		H5Eset_auto2(H5E_DEFAULT, quiet->print, quiet->data);
	pthread_mutex_unlock(&lock);
}

/* The innermost error's text; of a failed system call only what the system said. */
static herr_t copy_reason(unsigned depth, const H5E_error2_t *error, void *reason)
{
	static const char mark[] = "errno = ";
	if (depth > 0 || !error->desc)
		return 0;
	const char *code = strstr(error->desc, mark);
	const char *text = code ? strerror((int)strtol(code + strlen(mark), NULL, 10)) : error->desc;
	snprintf(reason, REASON, "%s", text);
	return 0;
}

/* vecs_fail with HDF5's innermost reason. */
static kith_status fail_hdf5(kith_status status, const char *path, const char *what)
{
	char reason[REASON] = "";
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, copy_reason, reason);
	return vecs_fail(status, path, "%s%s%s", what, reason[0] ? ": " : "", reason);
}

static hid_t native_type(enum vecs_cell cell)
{
	switch (cell) {
	case CELL_F32:
		return H5T_NATIVE_FLOAT;
	case CELL_U8:
		return H5T_NATIVE_UINT8;
	case CELL_I8:
		return H5T_NATIVE_INT8;
	case CELL_I32:
		return H5T_NATIVE_INT32;
	case CELL_F64:
		return H5T_NATIVE_DOUBLE;
	case CELL_I64:
		return H5T_NATIVE_INT64;
	}
	return -1;
}

static kith_status fail_no_set(const kith_vecs *vecs, hid_t file)
{
	char sets[160] = "";
	size_t used = 0;
	for (hsize_t i = 0; used < sizeof sets; i++) {
		char name[64];
		if (H5Lget_name_by_idx(
		        file, "/", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT) < 0)
			break;
		used += (size_t)snprintf(sets + used, sizeof sets - used, "%s%s", i ? ", " : "", name);
	}
	return vecs_fail(KITH_NOTFOUND, vecs->name.path,
	    "has no set '%.60s'; it has: %s (name one as file.hdf5:set)", vecs->name.set, sets);
}

static kith_status read_type(const kith_vecs *vecs, hid_t set, enum vecs_cell *cell, size_t *size)
{
	hid_t type = H5Dget_type(set);
	const H5T_class_t class = H5Tget_class(type);
	const bool is_signed = class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
	*size = H5Tget_size(type);
	H5Tclose(type);
	if (class == H5T_FLOAT)
		*cell = *size <= 4 ? CELL_F32 : CELL_F64;
	else if (class == H5T_INTEGER && *size == 1)
		*cell = is_signed ? CELL_I8 : CELL_U8;
	else if (class == H5T_INTEGER)
		*cell = *size < 4 || (*size == 4 && is_signed) ? CELL_I32 : CELL_I64;
	else
		return vecs_fail(KITH_UNSUPPORTED, vecs->name.path,
		    "set '%.60s' holds neither floats nor integers", vecs->name.set);
	return KITH_OK;
}

static kith_status read_extent(const kith_vecs *vecs, hid_t space, struct vecs_layout *layout)
{
	hsize_t extent[2] = {0, 1};
	const int rank = H5Sget_simple_extent_ndims(space);
	if (rank < 1 || rank > 2)
		return vecs_fail(KITH_UNSUPPORTED, vecs->name.path,
		    "set '%.60s' is %d-D; known are 1-D and 2-D", vecs->name.set, rank);
	H5Sget_simple_extent_dims(space, extent, NULL);
	if (extent[0] == 0)
		return vecs_fail(KITH_FORMAT, vecs->name.path, "set '%.60s' is empty", vecs->name.set);
	kith_status status =
	    vecs_check_dim(vecs->name.path, extent[1] > INT64_MAX ? INT64_MAX : (int64_t)extent[1]);
	if (status)
		return status;
	if (extent[0] > VECS_MAX_N)
		return vecs_fail(KITH_FORMAT, vecs->name.path, "set '%.60s' claims %llu vectors",
		    vecs->name.set, (unsigned long long)extent[0]);
	layout->n = (int64_t)extent[0];
	layout->dim = (int64_t)extent[1];
	return KITH_OK;
}

/* Whether `bytes` bytes of rows are there. */
static bool is_whole(const kith_vecs *vecs, hid_t set, hid_t space, hid_t plist, hsize_t bytes)
{
	if (H5Pget_external_count(plist) > 0)
		return false;
	switch (H5Pget_layout(plist)) {
	case H5D_COMPACT:
		return H5Dget_storage_size(set) >= bytes;
	case H5D_CONTIGUOUS: {
		const haddr_t offset = H5Dget_offset(set);
		return H5Dget_storage_size(set) >= bytes && offset != HADDR_UNDEF &&
		       offset <= (haddr_t)vecs->bytes && bytes <= (haddr_t)vecs->bytes - offset;
	}
	case H5D_CHUNKED: {
		hsize_t chunk[2] = {1, 1}, have = 0;
		if (H5Pget_chunk(plist, 2, chunk) < 1 || !chunk[0] || !chunk[1] ||
		    H5Dget_num_chunks(set, space, &have) < 0)
			return false;
		const hsize_t down = ((hsize_t)vecs->layout.n - 1) / chunk[0] + 1;
		const hsize_t across = ((hsize_t)vecs->layout.dim - 1) / chunk[1] + 1;
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
	hid_t space = H5Dget_space(h->set), plist = H5Dget_create_plist(h->set);
	kith_status status = read_type(vecs, h->set, &layout->cell, &size);
	if (!status)
		status = read_extent(vecs, space, layout);
	if (!status && size > 8)
		status =
		    vecs_fail(KITH_UNSUPPORTED, vecs->name.path, "elements of %zu bytes; at most 8", size);
	if (!status &&
	    !is_whole(vecs, h->set, space, plist, (hsize_t)layout->n * (hsize_t)layout->dim * size))
		status = vecs_fail(KITH_FORMAT, vecs->name.path,
		    "set '%.60s' claims %lld x %lld elements that are not all in this file", vecs->name.set,
		    (long long)layout->n, (long long)layout->dim);
	layout->stride = (size_t)layout->dim * vecs_cell_size(layout->cell);
	H5Pclose(plist);
	H5Sclose(space);
	return status;
}

static kith_status open_locked(kith_vecs *vecs, struct hdf5 *h)
{
	const char *path = vecs->name.path;
	h->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
	if (h->file < 0) {
		kith_status status = fail_hdf5(KITH_IO, path, "cannot be opened");
		return H5Fis_hdf5(path) > 0 ? status : vecs_fail(KITH_FORMAT, path, "is no HDF5 file");
	}
	hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
	H5Pset_chunk_cache(access, CACHE_SLOTS, CACHE_BYTES, H5D_CHUNK_CACHE_W0_DEFAULT);
	h->set = H5Dopen2(h->file, vecs->name.set, access);
	H5Pclose(access);
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
	enter(&quiet);
	status = open_locked(vecs, h);
	leave(&quiet);
	return status;
}

/* The file space of n rows from `first`, and the same in memory. Both have the same shape: otherwise HDF5
 * walks them element by element. */
static bool select_rows(
    const struct hdf5 *h, hsize_t first, hsize_t n, hsize_t dim, hid_t *file, hid_t *memory)
{
	const hsize_t start[2] = {first, 0}, count[2] = {n, dim};
	*file = H5Dget_space(h->set);
	*memory = H5Screate_simple(H5Sget_simple_extent_ndims(*file), count, NULL);
	return H5Sselect_hyperslab(*file, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 && *memory >= 0;
}

static kith_status hdf5_load(kith_vecs *vecs, int64_t first, int64_t n, void *rows)
{
	const struct hdf5 *h = vecs->hdf5;
	struct quiet quiet;
	hid_t file, memory;
	kith_status status = KITH_OK;
	enter(&quiet);
	if (!select_rows(h, (hsize_t)first, (hsize_t)n, (hsize_t)vecs->layout.dim, &file, &memory) ||
	    H5Dread(h->set, native_type(vecs->layout.cell), memory, file, H5P_DEFAULT, rows) < 0)
		status = fail_hdf5(KITH_IO, vecs->name.path, "cannot be read");
	H5Sclose(memory);
	H5Sclose(file);
	leave(&quiet);
	return status;
}

static void hdf5_close(kith_vecs *vecs)
{
	const struct hdf5 *h = vecs->hdf5;
	struct quiet quiet;
	if (h) {
		enter(&quiet);
		if (h->set >= 0)
			H5Dclose(h->set);
		if (h->file >= 0)
			H5Fclose(h->file);
		leave(&quiet);
		mem_free(vecs->hdf5);
	}
	if (vecs->fd >= 0)
		close(vecs->fd);
}

const struct vecs_storage vecs_hdf5 = {
    .open = hdf5_open,
    .load = hdf5_load,
    .close = hdf5_close,
};
