/* Linear maps y = a x + b out of FAISS's files. The map is in the file. Its inverse is the transpose if the
 * map is orthonormal, else the pseudo-inverse a⁺: (aᵀa)⁺ aᵀ if a has more rows than columns, otherwise aᵀ (a
 * aᵀ)⁺, by the eigenvalues of the smaller product. b is mapped back to the origin, or to the mean about which
 * principal components were taken: x = a⁺ (y − b − a mean) + mean. */
#include "lib/faiss/faiss.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/status.h"
#include "lib/learn/matrix.h"

#include <math.h>

/* Rows (or columns) that are off by less than the first count as orthonormal; eigenvalues of less than the
 * second of the largest count as 0. */
static const double ORTHONORMAL = 1e-4, NO_LENGTH = 1e-12;

struct work {
	int64_t in, out, min;   /* min: the smaller of the two */
	float *loaded;          /* [out × in] */
	double *a, *transposed; /* [out × in], [in × out] */
	double *gram;           /* [min²] */
	double *values, *axes;  /* [min], [min²] */
	double *product;        /* [min²] */
	double *inverse;        /* [in × out] */
	double *shift, *home;   /* [out], [in] b; the constant of the inverse */
	double *mean;           /* [in] */
	struct arena arena;
};

/* Give out the pieces of the arena, or count their bytes while it has no memory. */
static void work_place(struct work *w)
{
	int64_t cells = w->in * w->out, square = w->min * w->min;
	w->arena.used = 0;
	w->loaded = arena_take(&w->arena, cells, sizeof *w->loaded);
	w->a = arena_take(&w->arena, cells, sizeof *w->a);
	w->transposed = arena_take(&w->arena, cells, sizeof *w->transposed);
	w->gram = arena_take(&w->arena, square, sizeof *w->gram);
	w->values = arena_take(&w->arena, w->min, sizeof *w->values);
	w->axes = arena_take(&w->arena, square, sizeof *w->axes);
	w->product = arena_take(&w->arena, square, sizeof *w->product);
	w->inverse = arena_take(&w->arena, cells, sizeof *w->inverse);
	w->shift = arena_take(&w->arena, w->out, sizeof *w->shift);
	w->home = arena_take(&w->arena, w->in, sizeof *w->home);
	w->mean = arena_take(&w->arena, w->in, sizeof *w->mean);
}

static kith_status work_init(struct work *w, int64_t in, int64_t out)
{
	*w = (struct work){.in = in, .out = out, .min = in < out ? in : out};
	work_place(w);
	w->arena.memory = mem_zalloc(w->arena.used, 1);
	if (!w->arena.memory)
		return fail_nomem("a linear map", w->arena.used);
	work_place(w);
	return KITH_OK;
}

/* Read an array of finite floats as doubles. room [n] */
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
	/* gram is not needed any more: it gets the axes, each divided by its eigenvalue. */
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

/* The constant of the inverse map: home = mean − inverse · (shift + a · mean). */
static kith_status find_home(struct work *w, const struct blob_source *source)
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

/* Compute inverse [in × out] and home. */
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
	return find_home(w, source);
}

/* The transform of kith's that could have learnt this map. */
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
	mem_free(w.arena.memory);
	name_map(t, m, orthonormal, mapping);
	return status;
}
