/* Makes seeds for the fuzzer of index files: a file of every kind of index, saved, one with something
 * appended, and that saved again.
 *
 *   usage: seeds_index FOLDER
 */
#include <stdio.h>
#include <string.h>

#include <kith/kith.h>

enum { DIM = 4, N = 300 };

static const char *const specs[] = {"Flat", "SQ8_direct", "SQfp16", "SQ8", "SQ4", "PQ2x4", "IVF3,Flat",
    "IVF3,SQ8_direct", "IVF3,SQ8", "IVF3,PQ2x4", "PCA3,IVF2,Flat", "OPQ2_4,PQ2x4", "L2norm,Flat", "Pad5,Flat",
    "IVF2,SQ4,RFlat", "IVF9_HNSW2,PQ2x4", "HNSW2", "HNSW2,SQ8", "HNSW2,PQ2x4", "HNSW3,SQ8_direct",
    "PCA3,HNSW2,SQ8,RFlat", "Shards2(HNSW2)", "Shards2(IVF2,Flat)", "Shards2(Flat)"};

static int fail(const char *spec)
{
	fprintf(stderr, "seeds_index: %s: %s\n", spec, kith_last_error());
	return 1;
}

/* To folder/NUMBER-saved, folder/NUMBER-appended and, that saved again, folder/NUMBER-removed. */
static int make_seeds(const char *folder, int number)
{
	static float x[N * DIM];
	static const int64_t ids[] = {50, 3, 1000, 7, 8, 9, 11};
	char path[4096];
	const char *spec = specs[number];
	kith_index *index = NULL;
	kith_filter *some = NULL;
	for (int i = 0; i < N * DIM; i++)
		x[i] = (float)(i * 37 % 101);
	snprintf(path, sizeof path, "%s/%d-saved", folder, number);
	/* Of few vectors a graph would be no shorter way. */
	int64_t many = strstr(spec, "HNSW") ? 24 : 7;
	/* Bytes under cosine have their lengths beside them. */
	kith_metric metric = number % 3 == 0 ? KITH_COSINE : KITH_L2;
	if (kith_index_new(&index, DIM, metric, spec) || kith_index_train(index, N, x, NULL) ||
	    kith_index_add(index, many, x, number % 2 && many == 7 ? ids : NULL, NULL) ||
	    kith_index_tag_set(index, "name", spec) || kith_index_save(index, path))
		return fail(spec);
	kith_index_free(index);
	index = NULL;
	snprintf(path, sizeof path, "%s/%d-appended", folder, number);
	if (kith_index_new(&index, DIM, KITH_L2, spec) || kith_index_train(index, N, x, NULL) ||
	    kith_index_add(index, 5, x, ids, NULL) || kith_index_save(index, path))
		return fail(spec);
	kith_index_free(index);
	index = NULL;
	if (kith_index_open(&index, path, KITH_UPDATE) || kith_index_add(index, 2, x + 40, NULL, NULL) ||
	    kith_index_update(index, 1, x + 8, ids) || kith_index_append(index, path) ||
	    kith_filter_range(&some, 3, 8) || kith_index_remove(index, some, NULL) ||
	    kith_index_tag_set(index, "a", "b") || kith_index_append(index, path))
		return fail(spec);
	snprintf(path, sizeof path, "%s/%d-removed", folder, number);
	if (kith_index_save(index, path))
		return fail(spec);
	kith_filter_free(some);
	kith_index_free(index);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = argc != 2;
	if (failed)
		fprintf(stderr, "usage: seeds_index FOLDER\n");
	for (int i = 0; !failed && i < (int)(sizeof specs / sizeof *specs); i++)
		failed = make_seeds(argv[1], i);
	return failed;
}
