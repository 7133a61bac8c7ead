/* Kernels over rows that differ only in their instruction set: each of these macros defines functions of
 * kernels.def, which call a template of the instruction set (an ALWAYS_INLINE function that takes the
 * operation and the type of elements first). A file that includes this one has included the header of its
 * instruction set before. */
#ifndef KITH_KERNELS_ROW_FUNCTIONS_H
#define KITH_KERNELS_ROW_FUNCTIONS_H

#include "kernels/kernels.h"

/* One query compared with adjacent rows, and with rows at given positions. */
#define ROW_FUNCTIONS(name, isa, query, result, template, op, type)                                          \
	void name##_##isa(                                                                                   \
	    const query *q, const void *rows, size_t stride, int64_t n, int64_t d, result *out)              \
	{                                                                                                    \
		template(op, type, q, rows, stride, NULL, n, d, out);                                        \
	}                                                                                                    \
	void name##_gather_##isa(const query *q, const void *rows, size_t stride, const uint32_t *pos,       \
	    int64_t n, int64_t d, result *out)                                                               \
	{                                                                                                    \
		template(op, type, q, rows, stride, pos, n, d, out);                                         \
	}

/* The squared lengths of adjacent rows. */
#define NORMS_FUNCTION(name, isa, result, template, op, type)                                                \
	void name##_##isa(const void *rows, size_t stride, int64_t n, int64_t d, result *out)                \
	{                                                                                                    \
		template(op, type, NULL, rows, stride, NULL, n, d, out);                                     \
	}

/* One query compared with rows at given positions, whose upper and lower halves are in separate planes. */
#define SPLIT_FUNCTION(name, isa, op)                                                                        \
	void name##_split_gather_##isa(const float *q, const void *hi, const void *lo, size_t stride,        \
	    const uint32_t *pos, int64_t n, int64_t d, float *out)                                           \
	{                                                                                                    \
		gather_split(op, q, hi, lo, stride, pos, n, d, out);                                         \
	}

/* The kernels of scalar quantizers of so many bits. */
#define SQ_FUNCTIONS(bits, isa)                                                                              \
	void encode_sq##bits##_##isa(                                                                        \
	    const float *x, const float *low, const float *step, int64_t d, uint8_t *code)                   \
	{                                                                                                    \
		encode(bits, x, low, step, d, code);                                                         \
	}                                                                                                    \
	void decode_sq##bits##_##isa(                                                                        \
	    const uint8_t *code, const float *low, const float *step, int64_t d, float *x)                   \
	{                                                                                                    \
		decode(bits, code, low, step, d, x);                                                         \
	}                                                                                                    \
	void l2sq_sq##bits##_##isa(const int16_t *a, const uint16_t *b, const void *rows, size_t stride,     \
	    int64_t n, int64_t d, int32_t *out)                                                              \
	{                                                                                                    \
		scan(L2SQ, bits, a, b, rows, stride, NULL, n, d, out);                                       \
	}                                                                                                    \
	void ip_sq##bits##_##isa(                                                                            \
	    const int16_t *a, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)           \
	{                                                                                                    \
		scan(IP, bits, a, (const uint16_t *)a, rows, stride, NULL, n, d, out);                       \
	}                                                                                                    \
	void l2sq_sq##bits##_gather_##isa(const int16_t *a, const uint16_t *b, const void *rows,             \
	    size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)                          \
	{                                                                                                    \
		scan(L2SQ, bits, a, b, rows, stride, pos, n, d, out);                                        \
	}                                                                                                    \
	void ip_sq##bits##_gather_##isa(const int16_t *a, const void *rows, size_t stride,                   \
	    const uint32_t *pos, int64_t n, int64_t d, int32_t *out)                                         \
	{                                                                                                    \
		scan(IP, bits, a, (const uint16_t *)a, rows, stride, pos, n, d, out);                        \
	}

#endif
