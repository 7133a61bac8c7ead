/* The list of metrics. */
#include "lib/metric/metric.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct metric *const metrics[] = {
    &metric_l2,
    &metric_ip,
    &metric_cosine,
    &metric_l1,
    &metric_linf,
    &metric_canberra,
    &metric_bray_curtis,
    &metric_jensen_shannon,
    &metric_jaccard,
    &metric_nan_euclidean,
};

enum { METRICS = sizeof metrics / sizeof *metrics };

const struct metric *metric_of(kith_metric id)
{
	for (size_t i = 0; i < METRICS; i++)
		if (metrics[i]->id == id)
			return metrics[i];
	return metric_lp(kith_metric_p(id));
}

const struct metric *metric_of_faiss(int number, float argument)
{
	enum { LP = 4 };
	if (number == LP)
		return metric_lp(argument);
	for (size_t i = 0; i < METRICS; i++)
		if (metrics[i]->faiss == number && !metrics[i]->unit)
			return metrics[i];
	return NULL;
}

void metric_names(char names[METRIC_NAMES])
{
	*names = 0;
	for (size_t i = 0; i < METRICS; i++) {
		size_t used = strlen(names);
		snprintf(names + used, METRIC_NAMES - used, "%s, ", metrics[i]->name);
	}
	strncat(names, "lp… (lp3)", METRIC_NAMES - 1 - strlen(names));
}

static int64_t find_infinite(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (isinf(x[i]))
			return i;
	return -1;
}

static int64_t find_negative(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (!(x[i] >= 0 && x[i] <= FLT_MAX))
			return i;
	return -1;
}

int64_t metric_find_bad(enum metric_domain domain, const float *x, int64_t n)
{
	return domain == DOMAIN_FINITE         ? kernels()->find_nonfinite(x, n)
	       : domain == DOMAIN_NOT_NEGATIVE ? find_negative(x, n)
	                                       : find_infinite(x, n);
}

const char *metric_wanted(enum metric_domain domain)
{
	return domain == DOMAIN_FINITE         ? "finite"
	       : domain == DOMAIN_NOT_NEGATIVE ? "finite and not negative"
	                                       : "finite, or NaN where they are missing";
}

float wide_key(double key)
{
	float root = (float)sqrt(sqrt(fabs(key)));
	return key < 0 ? -root : root;
}

double wide_value(float key)
{
	double x = (double)key, square = x * x;
	return x < 0 ? -square * square : square * square;
}
