/* Quantising: the codes are the specification's to the bit, and the bounds hold against long double. */
#include "tests/kernels/test_kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Kinds of rows; all have a mean unless it says that there is none. */
enum kind {
	FLOATS,        /* no mean */
	CENTRED,       /* floats less a mean */
	WHOLE,         /* integers that fit, no mean */
	WHOLE_CENTRED, /* integers less integers, which fits */
	BYTES,         /* 0 … 255 less 128 */
	FRACTION,      /* integers less a fractional mean */
	TINY_MEAN,     /* the difference rounds to the integer x, or to −mean */
	TINY_X,
	TOO_HIGH, /* integers, but one is 128, or −129; no mean */
	TOO_LOW,
	HALVES,      /* c / scale falls on ties; no mean */
	SPIKE,       /* one big element */
	OFFSET,      /* tiny differences of big numbers */
	TINY,        /* just about a normal scale */
	DENORMAL,    /* too small for a scale */
	HUGE_VALUES, /* squares overflow */
	OVERFLOW,    /* x − mean overflows */
	ZEROS,
	KINDS
};

/* One element. */
static void draw(enum kind kind, int i, float *x, float *mean)
{
	int whole = (int)(random_bits() % 256) - 128;
	float f = random_float();
	*x = f;
	*mean = random_float();
	switch (kind) {
	case FLOATS:
	case CENTRED:
		break;
	case WHOLE:
		*x = (float)whole;
		break;
	case WHOLE_CENTRED:
		*mean = (float)(i % 1000 - 500) * 4096;
		*x = *mean + (float)whole;
		break;
	case BYTES:
		*x = (float)(whole + 128);
		*mean = 128;
		break;
	case FRACTION:
		*x = (float)whole;
		break;
	case TINY_MEAN:
		*x = 100;
		*mean = 0x1p-40f;
		break;
	case TINY_X:
		*x = 0x1p-40f;
		*mean = 100;
		break;
	case TOO_HIGH:
		*x = i ? (float)whole : 128;
		break;
	case TOO_LOW:
		*x = i ? (float)whole : -129;
		break;
	case HALVES:
		*x = i == 0 ? 127 * 0.5f : (float)whole * 0.25f;
		break;
	case SPIKE:
		*x = i == 3 ? 1e6f : f;
		break;
	case OFFSET:
		*mean = 1000 + f;
		*x = *mean + *x * 1e-3f;
		break;
	case TINY:
		*x = f * 0x1p-118f;
		*mean *= 0x1p-119f;
		break;
	case DENORMAL:
		*x = f * 0x1p-125f;
		*mean *= 0x1p-130f;
		break;
	case HUGE_VALUES:
		*x = f * 0x1p127f;
		*mean *= 0x1p126f;
		break;
	case OVERFLOW:
		*x = FLT_MAX;
		*mean = i == 2 ? -FLT_MAX : 0;
		break;
	default:
		*x = *mean = (float)i;
	}
}

struct truth {
	long double residual, norm, c; /* norms of x − mean − scale · q, of scale · q, of x − mean */
	int32_t sum;
};

static struct truth find_truth(const float *x, const float *mean, int d, const int8_t *q, float scale)
{
	long double residual = 0, norm = 0, c = 0;
	int32_t sum = 0;
	for (int i = 0; i < d; i++) {
		long double diff = (long double)x[i] - (mean ? mean[i] : 0), part = (long double)scale * q[i];
		residual += (diff - part) * (diff - part);
		norm += part * part;
		c += diff * diff;
		sum += q[i];
	}
	return (struct truth){sqrtl(residual), sqrtl(norm), sqrtl(c), sum};
}

/* Up to the rounding of the test's own sums. */
static int at_least(float bound, long double truth)
{
	return bound * (1 + 1e-15L) >= truth;
}

/* What err may be at most. Rows too small for a scale get max |c| · √d. */
static long double loosest(const struct truth *t, int d)
{
	return t->norm > 0 ? t->residual * 1.002L + t->c * 0x1p-22L : t->c * sqrtl(d) * 1.001L + 0x1p-148L;
}

static void check(
    enum kind kind, const float *x, const float *mean, int d, const int8_t *q, const struct quantized *info)
{
	struct truth t = find_truth(x, mean, d, q, info->scale);
	const char *fault = NULL;
	if (!(info->scale > 0) || !isfinite(info->scale))
		fault = "scale";
	else if (info->sum != t.sum)
		fault = "sum";
	else if (!at_least(info->norm, t.norm) ||
	         !(info->norm <= t.norm * (1 + 0x1p-20L) || t.norm > FLT_MAX))
		fault = "norm";
	else if (info->err == 0 ? t.residual != 0 : !at_least(info->err, t.residual))
		fault = "err is no bound";
	else if (isfinite(info->err) && info->err > loosest(&t, d))
		fault = "err is loose";
	else if (!(fabsl(info->normsq - t.norm * t.norm) <= t.norm * t.norm * 0x1p-22L + 0x1p-149L) &&
	         t.norm * t.norm < FLT_MAX)
		fault = "normsq";
	else if ((kind == WHOLE || kind == WHOLE_CENTRED || kind == BYTES || kind == ZEROS) &&
	         (info->err != 0 || info->scale != 1))
		fault = "integers are exact";
	else if (kind == OVERFLOW && d > 2 && (info->err != INFINITY || info->norm != 0))
		fault = "overflow";
	if (fault)
		kernel_fail("kind %d, d = %d: %s; scale %a err %a (%La) norm %a (%La)", kind, d, fault,
		    info->scale, info->err, t.residual, info->norm, t.norm);
}

static void try_quantize(kernel_quantize_fn *kernel, enum kind kind, int d, size_t shift)
{
	static float xs[MAX_LENGTH], means[MAX_LENGTH];
	int centred =
	    kind != FLOATS && kind != WHOLE && kind != HALVES && kind != TOO_HIGH && kind != TOO_LOW;
	for (int i = 0; i < d; i++)
		draw(kind, i, &xs[i], &means[i]);
	const float *x = guard_put(Q, xs, (size_t)d * sizeof *xs, shift);
	const float *mean = centred ? guard_put(MEAN, means, (size_t)d * sizeof *means, 12 - shift) : NULL;
	int8_t *q = guard_room(OUT, (size_t)d), *spec = guard_room(OUT2, (size_t)d);
	struct quantized info, spec_info;
	kernel(x, mean, d, q, &info);
	ref_kernels.quantize(x, mean, d, spec, &spec_info);
	if ((d && memcmp(q, spec, (size_t)d)) || info.scale != spec_info.scale)
		kernel_fail("kind %d, d = %d: not the codes of ref", kind, d);
	ck_assert(guard_intact(OUT));
	check(kind, x, mean, d, q, &info);
}

void check_quantize(kernel_quantize_fn *kernel)
{
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (enum kind kind = 0; kind < KINDS; kind++)
			for (size_t shift = 0; shift < 16; shift += 4)
				try_quantize(kernel, kind, lengths[l], shift);
}
