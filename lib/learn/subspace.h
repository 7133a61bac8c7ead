/* The leading principal axes, without the rest. */
#ifndef KITH_LEARN_SUBSPACE_H
#define KITH_LEARN_SUBSPACE_H

#include "lib/learn/sample.h"

/* The count <= sample->dim axes along which the sample's vectors have the largest squares (variances, where
 * it is centred), in descending order, as orthonormal rows: axes [count × dim]. They are good, not exact:
 * what they leave out is at most a percent or so more than what the true ones would. Errors: NOMEM,
 * CANCELLED. */
kith_status leading_axes(const struct sample *sample, int64_t count, int threads, double *axes);

#endif
