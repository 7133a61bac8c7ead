/* What an inverted file takes: its bytes per vector, and numbers of lists in two bytes or four. */
#include "tests/structure/common.h"
#include "tests/support/bytes.h"

#include "lib/base/alloc.h"
#include "lib/index/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* No more than four bytes beyond what FAISS writes for it: codes, ids of eight bytes in inverted files, and
 * what was learnt. After many small adds that takes a compaction, which changes nothing else. */
START_TEST(bytes_per_vector)
{
	enum { N = 60000, DIM = 16, LISTS = 16, STEP = 1000 };
	static const struct {
		const char *spec;
		int code, id, maps;
	} kinds[] = {{"Flat", 4 * DIM, 0, 0}, {"SQ8", DIM, 0, 0}, {"PQ8", 8, 0, 0},
	    {"IVF16,Flat", 4 * DIM, 8, 0}, {"IVF16,SQ8", DIM, 8, 0}, {"IVF16,PQ8", 8, 8, 0},
	    {"PCA16,(IVF16,PQ8,Refine(SQ8))", 8 + DIM, 8, 2 * 64}}; /* rows of maps are padded to 64 */
	float *x = make_gauss(3, N, DIM);
	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		size_t learnt = (size_t)(LISTS + 256 + DIM + 2 * kinds[kind].maps) * DIM * sizeof(float);
		size_t max = learnt + (size_t)N * (size_t)(kinds[kind].code + kinds[kind].id + 4);
		for (int64_t step = STEP; step <= N; step += N - STEP) {
			kith_index *index = make_trained(DIM, KITH_L2, kinds[kind].spec, 4096, x);
			for (int64_t i = 0; i < N; i += step)
				OK(kith_index_add(index, step, x + i * DIM, NULL, NULL));
			struct bytes before = saved_bytes(index);
			if (step < N)
				OK(kith_index_compact(index, NULL));
			if (kith_index_memory(index) > max)
				ck_abort_msg("%s takes %zu bytes instead of %zu", kinds[kind].spec,
				    kith_index_memory(index), max);
			struct bytes after = saved_bytes(index);
			REQUIRE(after.n == before.n && !memcmp(after.data, before.data, after.n));
			free(before.data);
			free(after.data);
			kith_index_free(index);
		}
	}
	free(x);
}
END_TEST

/* A buffer that is trimmed keeps what it holds, gives the rest back, and can do without the memory to do it.
 */
START_TEST(trim)
{
	struct buffer b = {0};
	REQUIRE(buffer_reserve(&b, 1000, 0));
	memset(b.data, 7, 1000);
	alloc_fail_at(1, true);
	buffer_trim(&b, 100);
	REQUIRE(b.capacity >= 1000);
	alloc_fail_at(0, false);
	buffer_trim(&b, 100);
	REQUIRE(b.capacity < 1000 && b.data[99] == 7);
	buffer_trim(&b, 0);
	REQUIRE(b.capacity == 0 && !b.data);
	buffer_trim(&b, 0);
	REQUIRE(buffer_reserve(&b, 5 << 20, 0));
	b.data[0] = b.data[(2 << 20) - 1] = 9;
	buffer_trim(&b, 2 << 20);
	REQUIRE(b.capacity == 2 << 20 && b.data[0] == 9 && b.data[(2 << 20) - 1] == 9);
	buffer_free(&b);
}
END_TEST

/* ---- numbers of lists ---- */

enum { MANY = 300 }; /* vectors */

/* List l is about the point (l, 0). */
static kith_index *make_wide(int64_t lists, const float *x)
{
	float *centroids = make(2 * lists, sizeof *centroids);
	struct codec *codec;
	kith_index *index;
	for (int64_t l = 0; l < lists; l++)
		centroids[2 * l] = (float)l;
	OK(codec_new_fp32(&codec, 2, false));
	OK(ivf_new(&index, &metric_l2, lists, 0, codec));
	OK(ivf_begin_components(index, centroids, 0, NULL));
	ivf_end_components(index);
	OK(kith_index_add(index, MANY, x, NULL, NULL));
	free(centroids);
	return index;
}

/* Every vector that is in the index is read as it was put there. */
static void check_wide(const kith_index *index, int64_t from, const float *x)
{
	for (int64_t id = from; id < MANY; id++) {
		float got[2], dist;
		int64_t found;
		OK(kith_index_get(index, 1, &id, got));
		REQUIRE(!memcmp(got, x + 2 * id, sizeof got));
		kith_search_options options = KITH_SEARCH_OPTIONS;
		options.nprobe = 1;
		OK(kith_index_search(index, 1, x + 2 * id, 1, &dist, &found, &options));
		REQUIRE(found == id && dist == 0);
	}
}

START_TEST(list_numbers)
{
	static const int64_t lists[] = {65534, 65535, 65536, 70000};
	int64_t n = lists[_i], removed;
	float *x = make(2 * MANY, sizeof *x);
	for (int64_t i = 0; i < MANY; i++) {
		x[2 * i] = (float)(i < 3 ? n - 1 - i : (i * 997) % n);
		x[2 * i + 1] = 0.25F;
	}
	kith_index *index = make_wide(n, x), *copy;
	check_wide(index, 0, x);
	for (int64_t id = 0; id < MANY; id += 7) {
		x[2 * id] = (float)(n - 1 - id);
		OK(kith_index_update(index, 1, x + 2 * id, &id));
	}
	check_wide(index, 0, x);
	OK(kith_index_clone(&copy, index));
	check_wide(copy, 0, x);
	kith_filter *some;
	OK(kith_filter_range(&some, 0, 10));
	OK(kith_index_remove(copy, some, &removed));
	OK(kith_index_compact(copy, NULL));
	REQUIRE(removed > 0);
	check_wide(copy, removed, x);
	kith_filter_free(some);
	kith_index_free(copy);
	kith_index_free(index);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ivf_memory");
	TCase *t = tcase_create("ivf_memory");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, bytes_per_vector);
	tcase_add_test(t, trim);
	tcase_add_loop_test(t, list_numbers, 0, 4);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
