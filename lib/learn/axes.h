/* A few numbers of each vector from which lower bounds of distances follow.
 *
 * Let W have p orthonormal columns, and let c = x − m (m is a mean, or 0 for inner products), y = Wᵀc, and
 * r = ‖c − Wy‖, the length of the rest. Of two vectors, z = (y, r) is never farther apart than c, and ⟨c, c'⟩
 * <= ⟨z, z'⟩, by the inequality of Cauchy and Schwarz for the rests. So in p + 1 dimensions
 *
 *   L2:  ‖x − q‖ >= ‖z_x − z_q‖;      IP (m = 0):  −⟨x, q⟩ >= −⟨z_x, z_q⟩.
 *
 * The error. V is W in floats, with ‖VᵀV − I‖ <= ω (computed in double), so that ‖V − W‖ <= ω for W = V
 * (VᵀV)^−½. The float sums of Vᵀc have an error of at most γ √p ‖c‖, γ = (d + 8) 2^-24, and c itself one of
 * 2^-24 ‖c‖; together ‖y − ŷ‖ <= a ‖c‖. Then the error of r̂² = ‖c‖² − ‖ŷ‖² is at most e₂ = (2a + a² + 2^-22)
 * ‖c‖², and that of r̂ the smaller of √e₂ and e₂ / r̂.
 */
#ifndef KITH_LEARN_AXES_H
#define KITH_LEARN_AXES_H

#include <stddef.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/learn/linear.h"
#include "lib/tile/rows.h"

/* Must be all zero but for dim before axes_learn. */
struct axes {
	int64_t dim, p;    /* components of a vector, and of y */
	float *mean;       /* [dim] m */
	struct linear map; /* c → y */
	double error;      /* a: >= ‖y − ŷ‖ / ‖c‖ */
};

/* Learn the mean and count < dim axes of rows, the leading ones of a random sample; centred: about the mean,
 * else about 0. *w [count × dim]: the axes, which the caller frees, also after a failure.
 * Errors: NOMEM, CANCELLED. */
kith_status axes_learn(struct axes *axes, const struct rows *rows, int64_t sample, bool centred,
    int64_t count, int threads, double **w);

/* Set p = count and the map to the first `count` rows of w [count × dim], which are orthonormal, in place of
 * those before. NOMEM. */
kith_status axes_set(struct axes *axes, const double *w, int64_t count);
void axes_free(struct axes *axes);
size_t axes_memory(const struct axes *axes);

/* z [n × (p + 1)] of n rows of any kind, numbers which[i], or first + i if which is NULL; and an upper bound
 * of the error of each, err [n]: ∞ if none is known, and z is 0 then. Errors: NOMEM, CANCELLED. */
kith_status axes_apply(const struct axes *axes, const struct rows *rows, int64_t first, const uint32_t *which,
    int64_t n, float *z, float *err);

#endif
