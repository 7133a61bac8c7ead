/* Makes the seeds of fuzz targets: small indexes of every kind, exported. Arguments: a folder, then names of
 * seeds, each a factory string with '.' for ',' and a metric at the end: "IVF3.Flat.l2.faiss". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kith/kith.h>

enum { DIM = 8, N = 40, TRAINING = 300 };

static int fail_seed(const char *name)
{
	fprintf(stderr, "%s: %s\n", name, kith_last_error());
	return 1;
}

static int make(const char *folder, const char *name)
{
	static float x[TRAINING * DIM];
	char spec[128], path[4096];
	int64_t ids[N];
	snprintf(spec, sizeof spec, "%s", name);
	for (char *c = spec; *c; c++)
		*c = *c == '.' ? ',' : *c;
	*strrchr(spec, ',') = '\0';
	char *metric = strrchr(spec, ',');
	*metric++ = '\0';
	for (int i = 0; i < TRAINING * DIM; i++)
		x[i] = (float)((i * 7919 + i / DIM * 31) % 101);
	for (int i = 0; i < N; i++)
		ids[i] = strcmp(metric, "ip") == 0 ? 3 * i + 5 : i;
	kith_index *index = NULL;
	kith_metric as = strcmp(metric, "ip") == 0   ? KITH_IP
	                 : strcmp(metric, "l2") == 0 ? KITH_L2
	                                             : KITH_COSINE;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int bad = kith_index_new(&index, DIM, as, spec) || kith_index_train(index, TRAINING, x, NULL) ||
	          kith_index_add(index, N, x, ids, NULL) || kith_index_export_faiss(index, path);
	kith_index_free(index);
	return bad ? fail_seed(name) : 0;
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (make(argv[1], argv[i]))
			return 1;
	return argc > 2 ? 0 : 1;
}
