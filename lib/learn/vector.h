/* Vectors in double precision: the inner loops of matrix operations. */
#ifndef KITH_LEARN_VECTOR_H
#define KITH_LEARN_VECTOR_H

#include <stdint.h>

/* ⟨x, y⟩ in eight sums: a fixed order, which compilers can put into vector registers. */
static inline double vector_dot(int64_t n, const double *x, const double *y)
{
	double lane[8] = {0};
	int64_t i = 0;
	for (; i + 8 <= n; i += 8)
		for (int j = 0; j < 8; j++)
			lane[j] += x[i + j] * y[i + j];
	for (int j = 0; i < n; i++, j++)
		lane[j] += x[i] * y[i];
	return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* y += factor · x; x and y do not overlap. */
static inline void vector_add(int64_t n, double factor, const double *restrict x, double *restrict y)
{
	for (int64_t i = 0; i < n; i++)
		y[i] += factor * x[i];
}

static inline void vector_scale(int64_t n, double factor, double *x)
{
	for (int64_t i = 0; i < n; i++)
		x[i] *= factor;
}

#endif
