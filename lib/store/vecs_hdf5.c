/* Storage in an HDF5 file, as ann-benchmarks lays it out: 2-D sets named train, test, neighbors, distances.
 * 1-D sets are columns, vectors of dimension 1. Floats of any size are read as f32, integers as u8, i8 or
 * i32.
 *
 * libhdf5 is not always built thread-safe and prints its errors by default: every entry here takes one lock
 * and turns the printing off, and on again, since the host program may use the library as well.
 *
 * A set's extent is a promise that HDF5 keeps with fill values, so a file of 2 KiB can claim 2^60 rows. The
 * bytes must really be there: allocated in full, in this file (no virtual sets, no external files).
 *
 * A set is written in chunks of CHUNK bytes, because its number of rows is known only at the end.
 */
#include "lib/store/vecs.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const hsize_t CHUNK = (hsize_t)256 << 10;

/* Chunks kept unpacked while reading batch by batch: a chunk bigger than this is unpacked for each batch. */
static const size_t CACHE_BYTES = (size_t)64 << 20, CACHE_SLOTS = 12421;

struct hdf5 {
	hid_t file, set;
};

/* ---- guarding ---- */

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

static herr_t copy_reason(unsigned depth, const H5E_error2_t *error, void *data)
{
	if (depth == 0)
		snprintf(data, 160, "%s", error->desc ? error->desc : "");
	return 0;
}

/* vecs_fail with HDF5's innermost reason. */
static kith_status fail_hdf5(kith_status status, const char *path, const char *what)
{
	char reason[160] = "";
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, copy_reason, reason);
	return vecs_fail(status, path, "%s%s%s", what, reason[0] ? ": " : "", reason);
}

static struct hdf5 *hdf5_new(void)
{
	struct hdf5 *h = mem_alloc(1, sizeof *h);
	if (h)
		*h = (struct hdf5){.file = -1, .set = -1};
	return h;
}

/* false: something was not written. */
static bool hdf5_shut(struct hdf5 *h)
{
	bool good = h->set < 0 || H5Dclose(h->set) >= 0;
	good = (h->file < 0 || H5Fclose(h->file) >= 0) && good;
	h->set = h->file = -1;
	return good;
}

static void hdf5_free(struct hdf5 *h)
{
	struct quiet quiet;
	if (!h)
		return;
	enter(&quiet);
	hdf5_shut(h);
	leave(&quiet);
	mem_free(h);
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

/* ---- reading ---- */

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
	struct hdf5 *h = vecs->hdf5 = hdf5_new();
	if (!h)
		return fail_nomem("an HDF5 file", sizeof *h);
	enter(&quiet);
	status = open_locked(vecs, h);
	leave(&quiet);
	return status;
}

/* The file space of n rows from `first`, and the same in memory. */
static bool select_rows(
    const struct hdf5 *h, hsize_t first, hsize_t n, hsize_t dim, hid_t *file, hid_t *memory)
{
	const hsize_t start[2] = {first, 0}, count[2] = {n, dim}, elements = n * dim;
	*file = H5Dget_space(h->set);
	*memory = H5Screate_simple(1, &elements, NULL);
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
	hdf5_free(vecs->hdf5);
	if (vecs->fd >= 0)
		close(vecs->fd);
}

/* ---- writing ---- */

static kith_status create_locked(const kith_vecs_writer *writer, struct hdf5 *h)
{
	const hsize_t dim = (hsize_t)writer->dim, extent[2] = {0, dim}, most[2] = {H5S_UNLIMITED, dim};
	const hsize_t row = dim * vecs_cell_size((enum vecs_cell)writer->type);
	const hsize_t chunk[2] = {row < CHUNK ? CHUNK / row : 1, dim};
	const char *path = writer->name.path;
	h->file = H5Fcreate(writer->target.temp, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
	if (h->file < 0)
		return fail_hdf5(KITH_IO, path, "cannot be created");
	hid_t space = H5Screate_simple(2, extent, most);
	hid_t links = H5Pcreate(H5P_LINK_CREATE), plist = H5Pcreate(H5P_DATASET_CREATE);
	H5Pset_create_intermediate_group(links, 1);
	H5Pset_chunk(plist, 2, chunk);
	H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER);
	h->set = H5Dcreate2(h->file, writer->name.set, native_type((enum vecs_cell)writer->type), space,
	    links, plist, H5P_DEFAULT);
	kith_status status = h->set < 0 ? fail_hdf5(KITH_IO, path, "its set cannot be created") : KITH_OK;
	H5Pclose(plist);
	H5Pclose(links);
	H5Sclose(space);
	return status;
}

static kith_status hdf5_create(kith_vecs_writer *writer)
{
	struct quiet quiet;
	struct stat st;
	const char *path = writer->name.path;
	if (stat(path, &st) == 0)
		return vecs_fail(KITH_INVALID, path,
		    "exists, and may hold other sets: kith writes one set to a new HDF5 file");
	kith_status status = vecs_target_open(&writer->target, path);
	if (status)
		return status;
	if (!writer->target.temp)
		return vecs_fail(KITH_UNSUPPORTED, path, "is a pipe or a device, which cannot hold HDF5");
	struct hdf5 *h = writer->hdf5 = hdf5_new();
	if (!h)
		return fail_nomem("an HDF5 file", sizeof *h);
	enter(&quiet);
	status = create_locked(writer, h);
	leave(&quiet);
	return status;
}

static kith_status hdf5_append(kith_vecs_writer *writer, int64_t n, const void *x)
{
	const struct hdf5 *h = writer->hdf5;
	const hsize_t dim = (hsize_t)writer->dim, first = (hsize_t)writer->n;
	const hsize_t extent[2] = {first + (hsize_t)n, dim};
	struct quiet quiet;
	hid_t file = -1, memory = -1;
	kith_status status = KITH_OK;
	enter(&quiet);
	if (H5Dset_extent(h->set, extent) < 0 || !select_rows(h, first, (hsize_t)n, dim, &file, &memory) ||
	    H5Dwrite(h->set, native_type((enum vecs_cell)writer->type), memory, file, H5P_DEFAULT, x) < 0)
		status = fail_hdf5(KITH_IO, writer->name.path, "cannot be written");
	if (memory >= 0)
		H5Sclose(memory);
	if (file >= 0)
		H5Sclose(file);
	leave(&quiet);
	return status;
}

static kith_status hdf5_finish(kith_vecs_writer *writer)
{
	struct quiet quiet;
	kith_status status = KITH_OK;
	enter(&quiet);
	if (!hdf5_shut(writer->hdf5))
		status = fail_hdf5(KITH_IO, writer->name.path, "cannot be written");
	leave(&quiet);
	return status;
}

static void hdf5_writer_free(kith_vecs_writer *writer)
{
	hdf5_free(writer->hdf5);
}

const struct vecs_storage vecs_hdf5 = {
    .open = hdf5_open,
    .load = hdf5_load,
    .close = hdf5_close,
    .create = hdf5_create,
    .append = hdf5_append,
    .finish = hdf5_finish,
    .free = hdf5_writer_free,
};
