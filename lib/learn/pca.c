/* PCA: y = S V (x − mean). The rows of V are the principal axes with the largest variances λ; S is 1, or λ^-½
 * for whitening. A random rotation can follow. The inverse map gives the best approximation in the space of
 * the axes that are kept: x = Vᵀ S⁻¹ y + mean.
 */
#include "lib/learn/pca.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/learn/matrix.h"
#include "lib/learn/rotation.h"
#include "lib/learn/sample.h"
#include "lib/learn/vector.h"

#include <math.h>

/* The largest number of training vectors per dimension, if there are MIN_POINTS. With so many, the axes lose
 * a fraction of a percent of the variance that is dropped. */
enum { POINTS_PER_DIM = 256, MIN_POINTS = 65536 };

/* A variance that is smaller than the largest by this factor is rounding of floats. */
static const double MIN_VARIANCE = 1e-12;

struct work {
	double *values;                    /* [in] */
	double *axes;                      /* [in × in]; the first `out` rows become the map */
	double *inverse_map;               /* [out × in], the inverse map, transposed */
	double *rotation;                  /* [out × out] */
	double *rotated, *rotated_inverse; /* [out × in] */
	double *inverse;                   /* [in × out] */
};

static bool work_init(struct work *w, int64_t in, int64_t out)
{
	size_t wide = (size_t)in * (size_t)out;
	*w = (struct work){.values = mem_alloc((size_t)in, sizeof(double))};
	w->axes = mem_alloc((size_t)in * (size_t)in, sizeof *w->axes);
	w->inverse_map = mem_alloc(wide, sizeof *w->inverse_map);
	w->rotation = mem_alloc((size_t)out * (size_t)out, sizeof *w->rotation);
	w->rotated = mem_alloc(wide, sizeof *w->rotated);
	w->rotated_inverse = mem_alloc(wide, sizeof *w->rotated_inverse);
	w->inverse = mem_alloc(wide, sizeof *w->inverse);
	return w->values && w->axes && w->inverse_map && w->rotation && w->rotated && w->rotated_inverse &&
	       w->inverse;
}

static void work_free(struct work *w)
{
	mem_free(w->values);
	mem_free(w->axes);
	mem_free(w->inverse_map);
	mem_free(w->rotation);
	mem_free(w->rotated);
	mem_free(w->rotated_inverse);
	mem_free(w->inverse);
}

/* Scale axis i to unit variance, and the inverse map by the inverse factor. */
static void whiten_axis(const struct work *w, int64_t in, int64_t i, double unit)
{
	double deviation = unit * sqrt(fmax(w->values[i], 0));
	bool varies = w->values[i] > MIN_VARIANCE * w->values[0] && isfinite((float)(1 / deviation));
	vector_scale(in, varies ? 1 / deviation : 0, w->axes + i * in);
	vector_scale(in, varies ? deviation : 0, w->inverse_map + i * in);
}

static kith_status make_maps(const struct pca *pca, const struct sample *sample, struct work *w,
    struct linear *forward, struct linear *inverse_map)
{
	int64_t in = sample->dim, out = pca->out;
	const double *map = w->axes, *inverse_rows = w->inverse_map;
	for (int64_t i = 0; i < out * in; i++)
		w->inverse_map[i] = w->axes[i];
	for (int64_t i = 0; pca->whiten && i < out; i++)
		whiten_axis(w, in, i, sample->unit);
	if (pca->rotate) {
		kith_status status = rotation_matrix(out, out, pca->seed, pca->threads, w->rotation);
		if (status)
			return status;
		/* (R S V)⁻¹ = Vᵀ S⁻¹ Rᵀ is the transpose of R (S⁻¹ V). */
		matrix_multiply(out, out, in, w->rotation, w->axes, pca->threads, w->rotated);
		matrix_multiply(out, out, in, w->rotation, w->inverse_map, pca->threads, w->rotated_inverse);
		map = w->rotated;
		inverse_rows = w->rotated_inverse;
	}
	matrix_transpose(out, in, inverse_rows, w->inverse);
	return linear_init_both(forward, inverse_map, in, out, map, w->inverse, sample->mean);
}

kith_status pca_learn(
    const struct pca *pca, const struct rows *rows, struct linear *forward, struct linear *inverse_map)
{
	struct sample sample;
	struct work w;
	int64_t max = POINTS_PER_DIM * rows->dim > MIN_POINTS ? POINTS_PER_DIM * rows->dim : MIN_POINTS;
	kith_status status = sample_init(&sample, rows, max, pca->seed, pca->centred);
	if (status)
		return status;
	if (!work_init(&w, rows->dim, pca->out))
		status = fail_nomem(
		    "principal components", (size_t)rows->dim * (size_t)rows->dim * sizeof *w.axes);
	if (status == KITH_OK)
		status = sample_axes(&sample, pca->threads, w.values, w.axes);
	if (status == KITH_OK)
		status = make_maps(pca, &sample, &w, forward, inverse_map);
	work_free(&w);
	sample_free(&sample);
	return status;
}
