/* libFuzzer target: FAISS's index files of any content. They have no checksums, so every byte is tried as it
 * is. What imports is used in every way that reads an index, then changed, exported and imported again.
 *
 *     clang -fsanitize=fuzzer,address,undefined …
 */
#include <stdlib.h>
#include <string.h>

#include "lib/faiss/faiss.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NQ = 3, K = 5, MAX_DIM = 4096 };

struct bytes {
	uint8_t *data;
	size_t n, room;
};

static kith_status fetch(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct bytes *b = owner;
	if (offset > b->n || n > b->n - offset)
		abort(); /* a reader that leaves its file */
	if (n)
		memcpy(out, b->data + offset, n);
	return KITH_OK;
}

static kith_status append(void *owner, const void *from, size_t n)
{
	struct bytes *b = owner;
	if (n > b->room - b->n) {
		b->room = 2 * (b->n + n);
		b->data = realloc(b->data, b->room);
		if (!b->data)
			abort();
	}
	memcpy(b->data + b->n, from, n);
	b->n += n;
	return KITH_OK;
}

static kith_index *import(struct bytes *bytes)
{
	kith_index *index = NULL;
	struct blob_source source = {.read = fetch, .owner = bytes, .size = bytes->n, .name = "'fuzz'"};
	return faiss_import(&index, &source, true, NULL) == KITH_OK ? index : NULL;
}

static void use(kith_index *index)
{
	static float q[NQ * MAX_DIM], dist[NQ * K];
	static int64_t ids[NQ * K];
	int64_t dim = kith_index_dim(index), removed;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_filter *some;
	options.threads = 1;
	options.nprobe = 3;
	if (dim > MAX_DIM)
		return;
	for (int64_t i = 0; i < NQ * dim; i++)
		q[i] = (float)(i % 7);
	kith_index_search(index, NQ, q, K, dist, ids, &options);
	kith_index_search(index, 1, q, K, dist, ids, &options);
	for (int i = 0; i < K; i++)
		if (ids[i] >= 0 && kith_index_get(index, 1, &ids[i], q) == KITH_OK &&
		    !kith_index_has(index, ids[i]))
			abort();
	for (int64_t i = 0; i < dim; i++)
		q[i] = 1;
	kith_ranges *ranges = NULL;
	if (kith_index_range(index, 1, q, 10, &ranges, &options) == KITH_OK)
		kith_ranges_free(ranges);
	if (kith_filter_range(&some, 0, 100) == KITH_OK) {
		kith_index_remove(index, some, &removed);
		kith_filter_free(some);
	}
	kith_index_add(index, 1, q, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = {malloc(size ? size : 1), size, size}, again = {NULL, 0, 0};
	if (!bytes.data)
		return 0;
	if (size)
		memcpy(bytes.data, data, size);
	kith_index *index = import(&bytes);
	if (index) {
		use(index);
		/* What was imported can be exported, and what was exported imported. */
		if (faiss_export(index, (struct blob_sink){append, &again}) != KITH_OK)
			abort();
		kith_index *second = import(&again);
		if (second && kith_index_size(second) != kith_index_size(index))
			abort();
		kith_index_free(second);
		kith_index_free(index);
	}
	free(bytes.data);
	free(again.data);
	return 0;
}
