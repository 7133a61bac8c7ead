/* Argument checks: one message per kind of mistake, naming the argument. */
#include "lib/api/check.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/index/structure.h"
#include "lib/metric/metric.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Most candidates that a search of a graph is asked to keep. */
enum { MAX_EF = 1 << 20 };

kith_status check_dim(int64_t dim)
{
	if (dim < 1 || dim > KITH_MAX_DIM)
		return fail(KITH_INVALID, "dim is %lld; it must be 1 … %d", (long long)dim, KITH_MAX_DIM);
	return KITH_OK;
}

kith_status check_metric(kith_metric id)
{
	char names[METRIC_NAMES];
	if (metric_of(id))
		return KITH_OK;
	metric_names(names);
	return fail(KITH_INVALID, "metric is %d; it must be %s (see kith_metric)", (int)id, names);
}

kith_status check_vector_type(kith_type type)
{
	if (type != KITH_F32 && type != KITH_U8 && type != KITH_I8)
		return fail(KITH_INVALID, "type is %d; vectors are KITH_F32, KITH_U8 or KITH_I8", (int)type);
	return KITH_OK;
}

kith_status check_vectors(const char *name, int64_t n, int64_t dim, kith_type type, const void *x)
{
	size_t cells, bytes;
	if (n < 0)
		return fail(
		    KITH_INVALID, "%s: %lld vectors; the number cannot be negative", name, (long long)n);
	if (n > 0 && !x)
		return fail(
		    KITH_INVALID, "%s is NULL, with %lld vector%s to read", name, (long long)n, PLURAL(n));
	if (!size_mul((size_t)n, (size_t)dim, &cells) || !size_mul(cells, kith_type_size(type), &bytes) ||
	    bytes > PTRDIFF_MAX)
		return fail(KITH_INVALID, "%s: %lld vector%s of dimension %lld: more than memory can hold",
		    name, (long long)n, PLURAL(n), (long long)dim);
	return KITH_OK;
}

static kith_status fail_query(enum metric_domain domain, int64_t query, int64_t component, double value)
{
	return fail(KITH_INVALID, "q: query %lld, component %lld is %g; queries must be %s", (long long)query,
	    (long long)component, value, metric_wanted(domain));
}

kith_status check_queries(int64_t nq, int64_t dim, kith_type type, const void *q, const struct metric *metric)
{
	const int8_t *bytes = q;
	kith_status status = check_vectors("q", nq, dim, type, q);
	if (status || nq == 0)
		return status;
	for (int64_t i = 0; type == KITH_I8 && metric->domain == DOMAIN_NOT_NEGATIVE && i < nq * dim; i++)
		if (bytes[i] < 0)
			return fail_query(metric->domain, i / dim, i % dim, bytes[i]);
	int64_t bad = type == KITH_F32 ? metric_find_bad(metric->domain, q, nq * dim) : -1;
	if (bad >= 0)
		return fail_query(metric->domain, bad / dim, bad % dim, (double)((const float *)q)[bad]);
	return KITH_OK;
}

kith_status check_k(int64_t k)
{
	if (k < 1 || k > KITH_MAX_K)
		return fail(KITH_INVALID, "k is %lld; it must be 1 … %d", (long long)k, KITH_MAX_K);
	return KITH_OK;
}

static kith_status check_size(size_t size, size_t min, size_t max)
{
	if (size < min || size > max)
		return fail(KITH_INVALID,
		    "options: size is %zu, which this library does not know; set it to sizeof", size);
	return KITH_OK;
}

static kith_status check_threads(int threads)
{
	if (threads < 0 || threads > 65536)
		return fail(KITH_INVALID, "options: threads is %d; it must be 0 (default) … 65536", threads);
	return KITH_OK;
}

kith_status check_search_options(const kith_search_options *options, kith_search_options *full)
{
	*full = (kith_search_options)KITH_SEARCH_OPTIONS;
	if (!options)
		return KITH_OK;
	kith_status status = check_size(
	    options->size, offsetof(kith_search_options, threads) + sizeof options->threads, sizeof *full);
	if (status)
		return status;
	memcpy(full, options, options->size);
	full->size = sizeof *full;
	const size_t min = offsetof(kith_search_stats, exact) + sizeof full->stats->exact;
	if (full->stats && (full->stats->size < min || full->stats->size > sizeof *full->stats))
		return fail(KITH_INVALID, "options: stats->size is %zu; set it to sizeof", full->stats->size);
	if (full->nprobe < 0 || full->max_codes < 0)
		return fail(KITH_INVALID, "options: nprobe is %lld, max_codes %lld; they cannot be negative",
		    (long long)full->nprobe, (long long)full->max_codes);
	if (full->k_factor != 0 && !(full->k_factor >= 1 && full->k_factor <= (float)KITH_MAX_K))
		return fail(KITH_INVALID, "options: k_factor is %g; it must be 0 (default) or 1 … %d",
		    (double)full->k_factor, KITH_MAX_K);
	if (full->efSearch < 0 || full->efSearch > MAX_EF)
		return fail(KITH_INVALID, "options: efSearch is %lld; it must be 0 (default) … %d",
		    (long long)full->efSearch, MAX_EF);
	if (full->exact_range != 0 && full->exact_range != 1)
		return fail(KITH_INVALID, "options: exact_range is %d; it must be 0 or 1", full->exact_range);
	status = check_threads(full->threads);
	/* The searches of a call (or of a stream's life) add up in it. */
	if (status == KITH_OK && full->stats)
		memset(&full->stats->pairs, 0, full->stats->size - offsetof(kith_search_stats, pairs));
	return status;
}

kith_status check_probes(const kith_index *index, const kith_search_options *options)
{
	const kith_index *part = index;
	while (part && options->probes && strncmp(part->spec, "IVF", 3) != 0)
		part = structure_only_child(part);
	return part ? KITH_OK
	            : fail(KITH_INVALID, "options: probes is given; index '%s' has no inverted lists",
	                  index->spec);
}

kith_status check_add_options(const kith_add_options *options, kith_add_options *full)
{
	*full = (kith_add_options)KITH_ADD_OPTIONS;
	if (!options)
		return KITH_OK;
	kith_status status = check_size(
	    options->size, offsetof(kith_add_options, threads) + sizeof options->threads, sizeof *full);
	if (status)
		return status;
	memcpy(full, options, options->size);
	full->size = sizeof *full;
	if (full->efConstruction < 0 || full->efConstruction > MAX_EF)
		return fail(KITH_INVALID, "options: efConstruction is %lld; it must be 0 (default) … %d",
		    (long long)full->efConstruction, MAX_EF);
	return check_threads(full->threads);
}

static kith_status check_weights(const float *weights, int64_t n)
{
	bool some = false;
	for (int64_t i = 0; weights && i < n; i++) {
		if (!(weights[i] >= 0) || isinf(weights[i]))
			return fail(KITH_INVALID,
			    "options: weight %lld is %g; it must be finite and not negative", (long long)i,
			    (double)weights[i]);
		some = some || weights[i] > 0;
	}
	if (weights && n > 0 && !some)
		return fail(KITH_INVALID, "options: all %lld weights are 0", (long long)n);
	return KITH_OK;
}

kith_status check_kmeans_options(const kith_kmeans_options *options, int64_t n, kith_kmeans_options *full)
{
	*full = (kith_kmeans_options)KITH_KMEANS_OPTIONS;
	if (!options)
		return KITH_OK;
	kith_status status = check_size(options->size,
	    offsetof(kith_kmeans_options, objectives) + sizeof options->objectives, sizeof *full);
	if (status)
		return status;
	memcpy(full, options, options->size);
	full->size = sizeof *full;
	if (full->init != KITH_KMEANS_RANDOM && full->init != KITH_KMEANS_PLUSPLUS &&
	    full->init != KITH_KMEANS_GIVEN)
		return fail(
		    KITH_INVALID, "options: init is %d, which is not a kith_kmeans_init", (int)full->init);
	if (full->iterations < 0 || full->iterations > 1000000)
		return fail(
		    KITH_INVALID, "options: iterations is %d; it must be 0 … 1000000", full->iterations);
	if (full->restarts < 1 || full->restarts > 1000000)
		return fail(KITH_INVALID, "options: restarts is %d; it must be 1 … 1000000", full->restarts);
	if (!(full->tolerance >= 0 && full->tolerance < 1))
		return fail(
		    KITH_INVALID, "options: tolerance is %g; it must be 0 … 1, without 1", full->tolerance);
	if (full->max_points < 0)
		return fail(KITH_INVALID, "options: max_points is %lld; it must be 1 or more, or 0 for all",
		    (long long)full->max_points);
	if (full->hierarchical < -1 || full->hierarchical > 1)
		return fail(
		    KITH_INVALID, "options: hierarchical is %d; it must be −1, 0 or 1", full->hierarchical);
	status = check_threads(full->threads);
	return status ? status : check_weights(full->weights, n);
}
