/* Linear maps out of FAISS's files. The map is in the file; its inverse is the transpose where the map
 * is orthonormal, else the pseudo-inverse: with a of more rows than columns (aᵀa)⁺ aᵀ, otherwise aᵀ (a aᵀ)⁺,
 * by the eigenvalues of the smaller product. What comes back for b is the origin, or the mean that principal
 * components were taken about: x = a⁺ (y − b − a mean) + mean. */
#include "lib/faiss/faiss.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/learn/matrix.h"

#include <math.h>

/* Rows (or columns) this far from orthonormal are taken for it, and directions this much shorter than the
 * longest for none. */
static const double ORTHONORMAL = 1e-4, NO_LENGTH = 1e-12;

struct work {
	int64_t in, out, min;   /* least: the smaller of the two */
	float *loaded;          /* [out × in] */
	double *a, *transposed; /* [out × in], [in × out] */
	double *gram;           /* [least²] */
	double *values, *axes;  /* [least], [least²] */
	double *product;        /* [least²] */
	double *inverse;        /* [in × out] */
	double *shift, *home;   /* [out], [in] b; what is added by the inverse */
	double *mean;           /* [in] */
};

static void work_free(struct work *w)
{
	mem_free(w->loaded);
	mem_free(w->a);
	mem_free(w->transposed);
	mem_free(w->gram);
	mem_free(w->values);
	mem_free(w->axes);
	mem_free(w->product);
	mem_free(w->inverse);
	mem_free(w->shift);
	mem_free(w->home);
	mem_free(w->mean);
}

static kith_status work_init(struct work *w, int64_t in, int64_t out)
{
	size_t cells = (size_t)in * (size_t)out, min = (size_t)(in < out ? in : out);
	*w = (struct work){.in = in, .out = out, .min = (int64_t)min};
	w->loaded = mem_alloc(cells, sizeof *w->loaded);
	w->a = mem_alloc(cells, sizeof *w->a);
	w->transposed = mem_alloc(cells, sizeof *w->transposed);
	w->gram = mem_alloc(min * min, sizeof *w->gram);
	w->values = mem_alloc(min, sizeof *w->values);
	w->axes = mem_alloc(min * min, sizeof *w->axes);
	w->product = mem_alloc(min * min, sizeof *w->product);
	w->inverse = mem_alloc(cells, sizeof *w->inverse);
	w->shift = mem_zalloc((size_t)out, sizeof *w->shift);
	w->home = mem_alloc((size_t)in, sizeof *w->home);
	w->mean = mem_zalloc((size_t)in, sizeof *w->mean);
	if (w->loaded && w->a && w->transposed && w->gram && w->values && w->axes && w->product &&
	    w->inverse && w->shift && w->home && w->mean)
		return KITH_OK;
	return fail_nomem("a linear map", 4 * cells * sizeof *w->a);
}

/* n finite floats as doubles. room [n]. */
static kith_status load(
    const struct blob_source *source, const struct faiss_array *array, float *room, double *out)
{
	kith_status status = faiss_load(source, array->offset, 0, array->n, sizeof *room, room);
	if (status)
		return status;
	if (kernels()->find_nonfinite(room, array->n) >= 0)
		return faiss_fail(source, "a transform holds a number that is not finite");
	for (int64_t i = 0; i < array->n; i++)
		out[i] = (double)room[i];
	return KITH_OK;
}

static bool is_orthonormal(const struct work *w)
{
	for (int64_t i = 0; i < w->min; i++)
		for (int64_t j = 0; j < w->min; j++)
			if (!(fabs(w->gram[i * w->min + j] - (i == j)) < ORTHONORMAL))
				return false;
	return true;
}

/* product = gram⁺ = Σ axis axisᵀ / value. */
static kith_status invert_gram(struct work *w)
{
	int64_t n = w->min;
	kith_status status = matrix_eigen(n, w->gram, w->values, w->axes, 0);
	if (status)
		return status;
	double max = w->values[0];
	/* gram is free now: axes, each divided by its value. */
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < n; j++)
			w->gram[i * n + j] =
			    w->values[i] > NO_LENGTH * max ? w->axes[i * n + j] / w->values[i] : 0;
	double *transposed = w->product;
	matrix_transpose(n, n, w->axes, transposed);
	for (int64_t i = 0; i < n * n; i++)
		w->axes[i] = transposed[i];
	matrix_multiply(n, n, n, w->axes, w->gram, 0, w->product);
	return KITH_OK;
}

/* home = mean − inverse · (shift + a · mean). */
static kith_status lead_home(struct work *w, const struct blob_source *source)
{
	int64_t in = w->in, out = w->out;
	for (int64_t i = 0; i < in; i++)
		w->home[i] = w->mean[i];
	for (int64_t j = 0; j < out; j++) {
		double off = w->shift[j];
		for (int64_t i = 0; i < in; i++)
			off += w->a[j * in + i] * w->mean[i];
		for (int64_t i = 0; i < in; i++)
			w->home[i] -= w->inverse[i * out + j] * off;
	}
	bool finite = true;
	for (int64_t i = 0; i < in; i++)
		finite = finite && isfinite((float)w->home[i]);
	for (int64_t i = 0; i < in * out; i++)
		finite = finite && isfinite((float)w->inverse[i]);
	return finite ? KITH_OK : faiss_fail(source, "a transform has no inverse that floats can hold");
}

/* inverse [in × out] and home. */
static kith_status invert(struct work *w, const struct blob_source *source, bool *orthonormal)
{
	int64_t in = w->in, out = w->out;
	bool narrow = out <= in;
	matrix_transpose(out, in, w->a, w->transposed);
	if (narrow)
		matrix_multiply(out, in, out, w->a, w->transposed, 0, w->gram);
	else
		matrix_multiply(in, out, in, w->transposed, w->a, 0, w->gram);
	*orthonormal = is_orthonormal(w);
	kith_status status = *orthonormal ? KITH_OK : invert_gram(w);
	if (status)
		return status;
	if (*orthonormal)
		for (int64_t i = 0; i < in * out; i++)
			w->inverse[i] = w->transposed[i];
	else if (narrow)
		matrix_multiply(in, out, out, w->transposed, w->product, 0, w->inverse);
	else
		matrix_multiply(in, in, out, w->product, w->transposed, 0, w->inverse);
	return lead_home(w, source);
}

/* What kith calls it: what it may be trained as, too. */
static void name_map(const struct faiss_transform *t, int64_t m, bool orthonormal, struct mapping *mapping)
{
	*mapping = (struct mapping){.kind = MAP_LINEAR, .in = t->in, .out = t->out};
	if (t->map == FAISS_PCA && t->out <= t->in) {
		mapping->kind = MAP_PCA;
		mapping->whiten = t->whiten;
		mapping->rotate = t->rotate;
	} else if (t->map == FAISS_ROTATION) {
		mapping->kind = MAP_ROTATION;
	} else if (t->map == FAISS_LINEAR && orthonormal && m > 0 && t->out % m == 0) {
		mapping->kind = MAP_OPQ;
		mapping->m = m;
	}
}

kith_status faiss_import_map(const struct blob_source *source, const struct faiss_transform *t, int64_t m,
    struct mapping *mapping, struct linear *forward, struct linear *inverse)
{
	*forward = *inverse = (struct linear){0};
	if (t->map == FAISS_UNIT || t->map == FAISS_PAD) {
		*mapping = (struct mapping){
		    .kind = t->map == FAISS_UNIT ? MAP_UNIT : MAP_PAD, .in = t->in, .out = t->out};
		return KITH_OK;
	}
	struct work w;
	bool orthonormal = false;
	kith_status status = work_init(&w, t->in, t->out);
	if (status == KITH_OK)
		status = load(source, &t->matrix, w.loaded, w.a);
	if (status == KITH_OK && t->shift.n)
		status = load(source, &t->shift, w.loaded, w.shift);
	if (status == KITH_OK && t->mean.n)
		status = load(source, &t->mean, w.loaded, w.mean);
	if (status == KITH_OK)
		status = invert(&w, source, &orthonormal);
	if (status == KITH_OK)
		status = linear_init(forward, t->in, t->out, w.a, w.shift);
	if (status == KITH_OK)
		status = linear_init(inverse, t->out, t->in, w.inverse, w.home);
	if (status)
		linear_free(forward);
	work_free(&w);
	name_map(t, m, orthonormal, mapping);
	return status;
}
