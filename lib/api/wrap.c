/* Wrapping indexes in others: checks arguments, then calls the structure. */
#include <kith/index.h>

#include "lib/api/check.h"
#include "lib/api/spec.h"
#include "lib/base/status.h"
#include "lib/structure/keep.h"

/* What wraps an index may change it, past its own keep: so it has to be in order. Around one that may not be
 * changed, nothing can be: take what tells so, before it is wrapped. */
static kith_status begin_keep(struct keep **keep, int64_t n, kith_index *const *children)
{
	kith_status status = KITH_OK;
	*keep = NULL;
	for (int64_t s = 0; status == KITH_OK && s < n; s++)
		status = structure_settle(children[s]);
	if (status)
		return status;
	for (int64_t s = 0; s < n && !*keep; s++)
		if (children[s]->keep && children[s]->keep->readonly) {
			*keep = mem_zalloc(1, sizeof **keep);
			if (!*keep)
				return fail_nomem("an index", sizeof **keep);
			(*keep)->readonly = true;
		}
	return KITH_OK;
}

static kith_status end_keep(kith_index *const *out, struct keep *keep, kith_status status)
{
	if (status == KITH_OK)
		(*out)->keep = keep;
	else
		mem_free(keep);
	return status;
}

kith_status kith_index_wrap_transform(
    kith_index **out, kith_index *take_child, int64_t dim, kith_metric metric, const char *transform)
{
	struct mapping mapping;
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!take_child || !transform)
		return fail(KITH_INVALID, "%s is NULL", take_child ? "transform" : "take_child");
	kith_status status = check_dim(dim);
	if (status == KITH_OK)
		status = check_metric(metric);
	if (status == KITH_OK)
		status = spec_mapping(&mapping, dim, transform);
	struct keep *keep = NULL;
	if (status == KITH_OK)
		status = begin_keep(&keep, 1, &take_child);
	return status ? status : end_keep(out, keep, transform_new(out, metric, &mapping, take_child));
}

kith_status kith_index_wrap_refine(kith_index **out, kith_index *take_child, const char *codec)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!take_child || !codec)
		return fail(KITH_INVALID, "%s is NULL", take_child ? "codec" : "take_child");
	struct keep *keep = NULL;
	kith_status status = begin_keep(&keep, 1, &take_child);
	return status ? status : end_keep(out, keep, spec_refine(out, codec, take_child));
}

kith_status kith_index_wrap_shards(kith_index **out, int64_t n, kith_index **take_children)
{
	enum { MOST = 65536 };
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (n < 1 || n > MOST)
		return fail(KITH_INVALID, "n is %lld; it must be 1 … %d", (long long)n, MOST);
	if (!take_children)
		return fail(KITH_INVALID, "take_children is NULL");
	for (int64_t s = 0; s < n; s++)
		if (!take_children[s])
			return fail(KITH_INVALID, "take_children[%lld] is NULL", (long long)s);
	struct keep *keep = NULL;
	kith_status status = begin_keep(&keep, n, take_children);
	return status ? status : end_keep(out, keep, shards_new(out, n, take_children));
}
