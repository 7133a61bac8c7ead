/* kith_pq: argument checks around lib/codec/pq.h, and a guard, since learning replaces the codebooks that the
 * other calls read. */
#include <kith/pq.h>

#include "lib/api/check.h"
#include "lib/base/guard.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/codec/pq.h"

#include <math.h>

struct kith_pq {
	struct pq pq;
	struct guard guard;
};

/* Vectors that a thread encodes at a time. */
enum { CHUNK = 1024 };

kith_status kith_pq_new(kith_pq **out, int64_t dim, int64_t M, int nbits)
{
	struct pq pq;
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	kith_status status = check_dim(dim);
	if (status == KITH_OK)
		status = pq_init(&pq, "product quantizer", dim, M, nbits);
	if (status)
		return status;
	kith_pq *made = mem_zalloc(1, sizeof *made);
	if (!made)
		return fail_nomem("a product quantizer", sizeof *made);
	made->pq = pq;
	*out = made;
	return KITH_OK;
}

void kith_pq_free(kith_pq *pq)
{
	if (!pq)
		return;
	pq_free(&pq->pq);
	mem_free(pq);
}

/* To replace its codebooks. INVALID: NULL; BUSY. */
static kith_status change_begin(kith_pq *pq)
{
	bool changed = false;
	if (!pq)
		return fail(KITH_INVALID, "pq is NULL");
	if (guard_write(&pq->guard, &changed))
		return KITH_OK;
	return fail(KITH_BUSY, "pq is being %s by another call; a change needs it for itself",
	    changed ? "changed" : "read");
}

/* To read its codebooks. INVALID: NULL; BUSY; UNTRAINED: there are none. */
static kith_status read_begin(const kith_pq *pq)
{
	if (!pq)
		return fail(KITH_INVALID, "pq is NULL");
	if (!guard_read(&pq->guard))
		return fail(KITH_BUSY, "pq is being changed by another call");
	if (pq->pq.centroids)
		return KITH_OK;
	guard_read_end(&pq->guard);
	return fail(KITH_UNTRAINED, "pq has no codebooks yet; train it or set its centroids");
}

/* n results of argument `name`. */
static kith_status check_out(const char *name, int64_t n, const void *out)
{
	if (n > 0 && !out)
		return fail(
		    KITH_INVALID, "%s is NULL, with %lld result%s to write", name, (long long)n, PLURAL(n));
	return KITH_OK;
}

static kith_status check_codes(const kith_pq *pq, const char *name, int64_t n, const uint8_t *codes)
{
	return check_vectors(name, n, (int64_t)pq->pq.code_size, KITH_U8, codes);
}

static kith_status train(struct kith_pq *pq, int64_t n, const float *x, const kith_kmeans_options *options)
{
	kith_kmeans_options full;
	kith_status status = check_vectors("x", n, pq->pq.dim, KITH_F32, x);
	if (status == KITH_OK)
		status = check_kmeans_options(options, n, &full);
	if (status)
		return status;
	if (full.objectives)
		return fail(KITH_INVALID, "options: objectives must be NULL; M runs have as many of them");
	if (full.init == KITH_KMEANS_GIVEN && !pq->pq.centroids)
		return fail(KITH_INVALID,
		    "options: init is KITH_KMEANS_GIVEN, and pq has no codebooks yet to begin with");
	status = codec_check_domain(DOMAIN_FINITE, pq->pq.dim, KITH_F32, n, x);
	return status ? status : pq_train(&pq->pq, n, x, &full);
}

kith_status kith_pq_train(kith_pq *pq, int64_t n, const float *x, const kith_kmeans_options *options)
{
	kith_status status = change_begin(pq);
	if (status)
		return status;
	status = train(pq, n, x, options);
	guard_write_end(&pq->guard);
	return status;
}

int64_t kith_pq_dim(const kith_pq *pq)
{
	return pq ? pq->pq.dim : 0;
}

int64_t kith_pq_m(const kith_pq *pq)
{
	return pq ? pq->pq.m : 0;
}

int kith_pq_nbits(const kith_pq *pq)
{
	return pq ? pq->pq.bits : 0;
}

size_t kith_pq_code_size(const kith_pq *pq)
{
	return pq ? pq->pq.code_size : 0;
}

const float *kith_pq_centroids(const kith_pq *pq)
{
	return pq ? pq->pq.centroids : NULL;
}

static kith_status set_centroids(struct kith_pq *pq, const float *centroids)
{
	if (!centroids)
		return fail(KITH_INVALID, "centroids is NULL");
	for (int64_t i = 0; i < pq->pq.dim * pq->pq.k; i++)
		if (!isfinite(centroids[i]))
			return fail(KITH_INVALID,
			    "centroids: sub-quantizer %lld, centroid %lld, component %lld is %g; it must be "
			    "finite",
			    (long long)(i / (pq->pq.k * pq->pq.sub)), (long long)(i / pq->pq.sub % pq->pq.k),
			    (long long)(i % pq->pq.sub), (double)centroids[i]);
	return pq_set(&pq->pq, centroids);
}

kith_status kith_pq_set_centroids(kith_pq *pq, const float *centroids)
{
	kith_status status = change_begin(pq);
	if (status)
		return status;
	status = set_centroids(pq, centroids);
	guard_write_end(&pq->guard);
	return status;
}

struct encoding {
	const struct pq *pq;
	int64_t n;
	const float *x;
	uint8_t *codes;
};

static void encode_chunk(void *arg, int64_t number, int worker)
{
	(void)worker;
	const struct encoding *e = arg;
	int64_t from = number * CHUNK, n = e->n - from < CHUNK ? e->n - from : CHUNK;
	pq_encode(e->pq, n, e->x + from * e->pq->dim, e->codes + (size_t)from * e->pq->code_size);
}

static kith_status encode(const kith_pq *pq, int64_t n, const float *x, uint8_t *codes, int threads)
{
	kith_status status = check_vectors("x", n, pq->pq.dim, KITH_F32, x);
	if (status == KITH_OK)
		status = check_out("codes", n, codes);
	if (status == KITH_OK)
		status = codec_check_domain(DOMAIN_FINITE, pq->pq.dim, KITH_F32, n, x);
	if (status)
		return status;
	if (threads < 0 || threads > 65536)
		return fail(KITH_INVALID, "threads is %d; it must be 0 (default) … 65536", threads);
	struct encoding e = {&pq->pq, n, x, codes};
	threads_run(threads_resolve(threads), (n + CHUNK - 1) / CHUNK, encode_chunk, &e);
	return KITH_OK;
}

kith_status kith_pq_encode(const kith_pq *pq, int64_t n, const float *x, uint8_t *codes, int threads)
{
	kith_status status = read_begin(pq);
	if (status)
		return status;
	status = encode(pq, n, x, codes, threads);
	guard_read_end(&pq->guard);
	return status;
}

static kith_status decode(const kith_pq *pq, int64_t n, const uint8_t *codes, float *x)
{
	kith_status status = check_codes(pq, "codes", n, codes);
	if (status == KITH_OK)
		status = check_out("x", n, x);
	if (status)
		return status;
	for (int64_t i = 0; i < n; i++)
		pq_decode(&pq->pq, codes + (size_t)i * pq->pq.code_size, x + i * pq->pq.dim);
	return KITH_OK;
}

kith_status kith_pq_decode(const kith_pq *pq, int64_t n, const uint8_t *codes, float *x)
{
	kith_status status = read_begin(pq);
	if (status)
		return status;
	status = decode(pq, n, codes, x);
	guard_read_end(&pq->guard);
	return status;
}

static kith_status look_up(const kith_pq *pq, kith_metric metric, int64_t nq, const float *q, float *tables)
{
	if (metric != KITH_L2 && metric != KITH_IP)
		return fail(KITH_INVALID, "metric is %d (%s); tables are for l2 and ip", (int)metric,
		    kith_metric_name(metric));
	kith_status status = check_queries(nq, pq->pq.dim, KITH_F32, q, metric_of(metric));
	if (status == KITH_OK)
		status = check_out("tables", nq, tables);
	for (int64_t i = 0; status == KITH_OK && i < nq; i++)
		pq_table(&pq->pq, q + i * pq->pq.dim, metric_of(metric), tables + i * pq->pq.m * pq->pq.k);
	return status;
}

kith_status kith_pq_tables(const kith_pq *pq, kith_metric metric, int64_t nq, const float *q, float *tables)
{
	kith_status status = read_begin(pq);
	if (status)
		return status;
	status = look_up(pq, metric, nq, q, tables);
	guard_read_end(&pq->guard);
	return status;
}

static kith_status distances(
    const kith_pq *pq, const float *table, int64_t n, const uint8_t *codes, float *out)
{
	kith_status status = check_codes(pq, "codes", n, codes);
	if (status == KITH_OK)
		status = check_out("out", n, out);
	if (status)
		return status;
	if (n > 0 && !table)
		return fail(KITH_INVALID, "table is NULL");
	for (int64_t i = 0; i < n; i++, codes += pq->pq.code_size) {
		float sum = 0;
		for (int64_t j = 0; j < pq->pq.m; j++)
			sum += table[j * pq->pq.k + pq_number(&pq->pq, codes, j)];
		out[i] = sum;
	}
	return KITH_OK;
}

kith_status kith_pq_distances(
    const kith_pq *pq, const float *table, int64_t n, const uint8_t *codes, float *out)
{
	kith_status status = read_begin(pq);
	if (status)
		return status;
	status = distances(pq, table, n, codes, out);
	guard_read_end(&pq->guard);
	return status;
}

/* Squared distance of two centroids of sub-quantizer i. */
static float centroid_l2sq(const struct pq *pq, int64_t i, int64_t a, int64_t b)
{
	const float *book = pq->centroids + i * pq->k * pq->sub;
	float sum = 0;
	for (int64_t j = 0; j < pq->sub; j++) {
		float t = book[a * pq->sub + j] - book[b * pq->sub + j];
		sum += t * t;
	}
	return sum;
}

static kith_status symmetric(const kith_pq *pq, int64_t n, const uint8_t *a, const uint8_t *b, float *out)
{
	kith_status status = check_codes(pq, "a", n, a);
	if (status == KITH_OK)
		status = check_codes(pq, "b", n, b);
	if (status == KITH_OK)
		status = check_out("out", n, out);
	if (status)
		return status;
	for (int64_t i = 0; i < n; i++, a += pq->pq.code_size, b += pq->pq.code_size) {
		float sum = 0;
		for (int64_t j = 0; j < pq->pq.m; j++)
			sum += centroid_l2sq(&pq->pq, j, pq_number(&pq->pq, a, j), pq_number(&pq->pq, b, j));
		out[i] = sum;
	}
	return KITH_OK;
}

kith_status kith_pq_symmetric(const kith_pq *pq, int64_t n, const uint8_t *a, const uint8_t *b, float *out)
{
	kith_status status = read_begin(pq);
	if (status)
		return status;
	status = symmetric(pq, n, a, b, out);
	guard_read_end(&pq->guard);
	return status;
}
