/* Wrapping indexes in others: checks arguments, then calls the structure. */
#include <kith/parts.h>

#include "lib/api/check.h"
#include "lib/api/guard.h"
#include "lib/api/spec.h"

static void end_children(int64_t n, kith_index *const *children)
{
	for (int64_t s = 0; s < n; s++)
		write_end(children[s]);
}

/* A wrapper changes its children without their guards and states, so no call may be using them, and they have
 * to be validated first. */
static kith_status begin_children(int64_t n, kith_index *const *children)
{
	for (int64_t s = 0; s < n; s++) {
		kith_status status = take_begin(children[s]);
		for (int64_t t = 0; status && t < s; t++)
			if (children[t] == children[s])
				status = fail(KITH_INVALID, "shards %lld and %lld are one index",
				    (long long)t, (long long)s);
		if (status) {
			end_children(s, children);
			return status;
		}
	}
	return KITH_OK;
}

/* A wrapper of a read-only index is read-only. */
static kith_status end_wrap(
    kith_index *const *out, int64_t n, kith_index *const *children, kith_status status)
{
	for (int64_t s = 0; status == KITH_OK && s < n; s++)
		(*out)->readonly |= children[s]->readonly;
	end_children(n, children);
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
	if (status == KITH_OK)
		status = begin_children(1, &take_child);
	if (status)
		return status;
	return end_wrap(out, 1, &take_child, transform_new(out, metric_of(metric), &mapping, take_child));
}

kith_status kith_index_wrap_refine(kith_index **out, kith_index *take_child, const char *codec)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!take_child || !codec)
		return fail(KITH_INVALID, "%s is NULL", take_child ? "codec" : "take_child");
	kith_status status = begin_children(1, &take_child);
	if (status)
		return status;
	return end_wrap(out, 1, &take_child, spec_refine(out, codec, take_child));
}

kith_status kith_index_wrap_shards(kith_index **out, int64_t n, kith_index **take_children)
{
	enum { MAX = 65536 };
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	if (take_children && n >= 1 && out >= take_children && out - take_children < n)
		return fail(KITH_INVALID, "out points into take_children");
	*out = NULL;
	if (n < 1 || n > MAX)
		return fail(KITH_INVALID, "n is %lld; it must be 1 … %d", (long long)n, MAX);
	if (!take_children)
		return fail(KITH_INVALID, "take_children is NULL");
	for (int64_t s = 0; s < n; s++)
		if (!take_children[s])
			return fail(KITH_INVALID, "take_children[%lld] is NULL", (long long)s);
	kith_status status = begin_children(n, take_children);
	if (status)
		return status;
	return end_wrap(out, n, take_children, shards_new(out, n, take_children));
}
