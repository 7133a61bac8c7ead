/* libFuzzer target: index files of any content. Checksums of sections and table are not compared, as if
 * whoever made the file up had put good ones in; those of header and trailer are put right first. What opens
 * is used in every way that reads an index, then changed.
 *
 *     clang -fsanitize=fuzzer,address,undefined …
 */
#include <stdlib.h>
#include <string.h>

#include "lib/api/file.h"
#include "lib/base/blob_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NQ = 3, K = 5, MOST_DIM = 4096 };

struct bytes {
	const uint8_t *data;
	size_t n;
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

/* Correct what would otherwise stop nearly every input at once. */
static void mend(uint8_t *data, size_t size)
{
	struct blob_header header;
	struct blob_trailer trailer;
	if (size < sizeof header + sizeof trailer)
		return;
	memcpy(&header, data, sizeof header);
	header.checksum = XXH3_64bits(&header, offsetof(struct blob_header, checksum));
	memcpy(data, &header, sizeof header);
	memcpy(&trailer, data + size - sizeof trailer, sizeof trailer);
	trailer.size = size;
	trailer.checksum = XXH3_64bits(&trailer, offsetof(struct blob_trailer, checksum));
	memcpy(data + size - sizeof trailer, &trailer, sizeof trailer);
}

static void use(kith_index *index)
{
	static float q[NQ * MOST_DIM], dist[NQ * K];
	static int64_t ids[NQ * K];
	int64_t dim = kith_index_dim(index), removed;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_filter *some;
	options.threads = 1;
	options.nprobe = 3;
	options.efSearch = 2;
	if (dim > MOST_DIM || !kith_index_trained(index))
		return;
	for (int64_t i = 0; i < NQ * dim; i++)
		q[i] = (float)(i % 7);
	kith_index_search(index, NQ, q, K, dist, ids, &options);
	kith_index_search(index, 1, q, K, dist, ids, &options);
	for (int i = 0; i < K; i++)
		if (ids[i] >= 0 && kith_index_get(index, 1, &ids[i], q) == KITH_OK &&
		    !kith_index_has(index, ids[i]))
			abort();
	kith_ranges *ranges = NULL;
	if (kith_index_range(index, 1, q, 10, &ranges, &options) == KITH_OK)
		kith_ranges_free(ranges);
	if (kith_filter_range(&some, 0, 100) == KITH_OK) {
		kith_index_remove(index, some, &removed);
		kith_filter_free(some);
	}
	for (int64_t i = 0; i < dim; i++)
		q[i] = 1;
	kith_index_add(index, 1, q, NULL, NULL);
	kith_index_compact(index, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	mend(copy, size);
	struct bytes bytes = {copy, size};
	struct blob_reader r;
	kith_index *index = NULL;
	if (blob_reader_begin(&r, (struct blob_source){fetch, &bytes, size, "'fuzz'"}, false) == KITH_OK &&
	    index_read(&index, &r) == KITH_OK)
		use(index);
	blob_reader_free(&r);
	kith_index_free(index);
	free(copy);
	return 0;
}
