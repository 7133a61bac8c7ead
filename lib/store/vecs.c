/* Reading vector files: the arguments are checked here, the bytes come from the format's storage.
 *
 * Rows pass through a scratch of VECS_SCRATCH bytes where anything about them must change (a prefix to
 * strip, bytes to swap, a type to convert) and go straight into the caller's array where nothing must.
 */
#include "lib/store/vecs.h"

#include <stdio.h>
#include <string.h>

kith_status kith_vecs_open(kith_vecs **out, const char *path)
{
	if (!out)
		return fail(KITH_INVALID, "kith_vecs_open: out is NULL");
	*out = NULL;
	if (!path)
		return fail(KITH_INVALID, "kith_vecs_open: path is NULL");
	kith_vecs *vecs = mem_zalloc(1, sizeof *vecs);
	if (!vecs)
		return fail_nomem("a file of vectors", sizeof *vecs);
	vecs->fd = -1;
	kith_status status = vecs_name_parse(&vecs->name, path, -1);
	if (!status)
		status = vecs->name.format->storage->open(vecs);
	if (status) {
		kith_vecs_close(vecs);
		return status;
	}
	*out = vecs;
	return KITH_OK;
}

kith_status kith_vecs_info_get(const kith_vecs *vecs, kith_vecs_info *info)
{
	if (!vecs || !info)
		return fail(KITH_INVALID, "kith_vecs_info_get: %s is NULL", vecs ? "info" : "vecs");
	if (info->size < sizeof info->size)
		return fail(KITH_INVALID,
		    "kith_vecs_info_get: info->size is %zu; set it to sizeof(kith_vecs_info)", info->size);
	const kith_vecs_info full = {.size = info->size,
	    .format = vecs->name.format->extension,
	    .type = vecs_cell_type(vecs->layout.cell),
	    .n = vecs->layout.n,
	    .dim = vecs->layout.dim,
	    .bytes = vecs->bytes};
	memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
	return KITH_OK;
}

static kith_status check_range(const kith_vecs *vecs, int64_t first, int64_t n)
{
	if (first < 0 || n < 0 || first > vecs->layout.n || n > vecs->layout.n - first)
		return vecs_fail(KITH_INVALID, vecs->name.path, "%lld vector%s from vector %lld: it has %lld",
		    (long long)n, PLURAL(n), (long long)first, (long long)vecs->layout.n);
	return KITH_OK;
}

static kith_status fail_misfit(
    const kith_vecs *vecs, kith_type type, int64_t first, const struct vecs_misfit *bad)
{
	const int64_t row = first + bad->row;
	char value[40];
	if (vecs_cell_type(vecs->layout.cell) == KITH_F32)
		snprintf(value, sizeof value, "%.9g", bad->value);
	else
		snprintf(value, sizeof value, "%.0f", bad->value);
	return vecs_fail(KITH_FORMAT, vecs->name.path, "vector %lld, element %lld is %s, which is no %s",
	    (long long)row, (long long)bad->element, value, kith_type_name(type));
}

/* By way of the scratch, as many rows at a time as it holds. */
static kith_status read_converted(kith_vecs *vecs, int64_t first, int64_t n, kith_type type, char *out)
{
	const struct vecs_layout *layout = &vecs->layout;
	const size_t row = (size_t)layout->dim * vecs_cell_size((enum vecs_cell)type);
	const int64_t batch = (int64_t)(VECS_SCRATCH / layout->stride);
	struct vecs_misfit bad;
	if (!vecs->scratch)
		vecs->scratch = mem_alloc(VECS_SCRATCH, 1);
	if (!vecs->scratch)
		return fail_nomem("a read buffer", VECS_SCRATCH);
	for (int64_t m; n > 0; first += m, n -= m, out += (size_t)m * row) {
		m = n < batch ? n : batch;
		kith_status status = vecs->name.format->storage->load(vecs, first, m, vecs->scratch);
		if (status)
			return status;
		if (layout->swap)
			vecs_swap(vecs->scratch, layout->cell, (size_t)m * (size_t)layout->dim);
		if (!vecs_convert(vecs->scratch + layout->prefix, layout->stride, layout->cell, m,
		        layout->dim, type, out, &bad))
			return fail_misfit(vecs, type, first, &bad);
	}
	return KITH_OK;
}

kith_status kith_vecs_read(kith_vecs *vecs, int64_t first, int64_t n, kith_type type, void *out)
{
	if (!vecs || (!out && n > 0))
		return fail(KITH_INVALID, "kith_vecs_read: %s is NULL", vecs ? "out" : "vecs");
	if (type < KITH_F32 || type > KITH_I64)
		return fail(
		    KITH_INVALID, "kith_vecs_read: type is %d; known are f32, u8, i8, i32, i64", (int)type);
	kith_status status = check_range(vecs, first, n);
	if (status || n == 0)
		return status;
	const struct vecs_layout *layout = &vecs->layout;
	if (layout->cell == (enum vecs_cell)type && !layout->prefix && !layout->swap)
		return vecs->name.format->storage->load(vecs, first, n, out);
	return read_converted(vecs, first, n, type, out);
}

kith_status kith_vecs_map(kith_vecs *vecs, int64_t first, int64_t n, const void **rows, size_t *stride)
{
	if (!vecs || !rows || !stride)
		return fail(KITH_INVALID, "kith_vecs_map: %s is NULL",
		    !vecs   ? "vecs"
		    : !rows ? "rows"
		            : "stride");
	*rows = NULL;
	*stride = 0;
	kith_status status = check_range(vecs, first, n);
	if (status)
		return status;
	const struct vecs_layout *layout = &vecs->layout;
	if (!vecs->name.format->storage->map || layout->swap || layout->columns || layout->cell > CELL_I64)
		return vecs_fail(KITH_UNSUPPORTED, vecs->name.path, "%s cannot be mapped: use kith_vecs_read",
		    layout->swap              ? "big-endian npy"
		    : layout->columns         ? "Fortran-order npy"
		    : layout->cell > CELL_I64 ? "elements that have to be converted"
		                              : "HDF5");
	status = vecs->name.format->storage->map(vecs, first, n, rows);
	if (!status)
		*stride = layout->stride;
	return status;
}

void kith_vecs_drop(kith_vecs *vecs)
{
	if (vecs && vecs->name.format->storage->drop)
		vecs->name.format->storage->drop(vecs);
}

void kith_vecs_close(kith_vecs *vecs)
{
	if (!vecs)
		return;
	if (vecs->name.path) /* else the name was refused: no storage was asked */
		vecs->name.format->storage->close(vecs);
	vecs_name_free(&vecs->name);
	mem_free(vecs->scratch);
	mem_free(vecs);
}
