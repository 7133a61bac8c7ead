/* The list of metrics. */
#include "lib/metric/metric.h"

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
};

enum { METRICS = sizeof metrics / sizeof *metrics };

const struct metric *metric_of(kith_metric id)
{
	for (size_t i = 0; i < METRICS; i++)
		if (metrics[i]->id == id)
			return metrics[i];
	return NULL;
}

const struct metric *metric_of_faiss(int number)
{
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
		const char *comma = i == 0 ? "" : i + 1 < METRICS ? ", " : " or ";
		snprintf(names + used, METRIC_NAMES - used, "%s%s", comma, metrics[i]->name);
	}
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
