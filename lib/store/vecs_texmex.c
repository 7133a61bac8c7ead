/* fvecs, bvecs, ivecs: the files of the TexMex corpus (corpus-texmex.irisa.fr). Each vector is an int32
 * dimension and that many elements; there is no header. The dimension of row 0 gives the record size,
 * which must divide the file; that the other rows agree is checked as they are read.
 */
#include "lib/store/vecs.h"

#include <string.h>

static kith_status texmex_parse(const struct vecs_head *head, struct vecs_layout *layout)
{
	int32_t dim;
	if (head->n < sizeof dim)
		return vecs_fail(KITH_FORMAT, head->path,
		    "truncated: %lld byte%s cannot hold a vector's dimension", (long long)head->size,
		    PLURAL(head->size));
	memcpy(&dim, head->bytes, sizeof dim);
	kith_status status = vecs_check_dim(head->path, dim);
	if (status)
		return status;
	const enum vecs_cell cell = (enum vecs_cell)head->type;
	const int64_t record = (int64_t)(sizeof dim + (size_t)dim * vecs_cell_size(cell));
	if (head->size % record != 0)
		return vecs_fail(KITH_FORMAT, head->path,
		    "truncated, or not of this format: its %lld bytes are not a whole number of %lld-byte "
		    "records (dimension %d)",
		    (long long)head->size, (long long)record, (int)dim);
	*layout = (struct vecs_layout){.n = head->size / record,
	    .dim = dim,
	    .cell = cell,
	    .prefix = sizeof dim,
	    .stride = (size_t)record};
	return KITH_OK;
}

const struct vecs_plan vecs_texmex = {.parse = texmex_parse, .max_n = VECS_MAX_N, .prefixed = true};
