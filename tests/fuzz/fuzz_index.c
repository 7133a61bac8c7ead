/* libFuzzer target: index files of any content. Checksums of sections and table are not compared, as if
 * whoever made the file up had put good ones in; those of header, trailer and appended frames are put right
 * first. It is opened twice, read and used in place. What opens is used in every way that reads an index,
 * then changed.
 *
 *     clang -fsanitize=fuzzer,address,undefined …
 */
#include <stdlib.h>
#include <string.h>

#include "lib/faiss/faiss.h"
#include "lib/api/file.h"
#include "lib/base/blob_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NQ = 3, K = 5, MAX_DIM = 4096 };

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

/* Put right the frames that follow the blob, as long as they are as long as they say. All are of the kind of
 * the first. */
static void mend_log(uint8_t *data, size_t size, struct log_end end)
{
	while (size - end.at >= sizeof(struct frame_head) + sizeof(struct frame_mark)) {
		struct frame_head was;
		uint64_t room = size - end.at - sizeof(struct frame_head) - sizeof(struct frame_mark);
		memcpy(&was, data + end.at, sizeof was);
		if (was.length > room || was.length % 8)
			return;
		uint8_t *records = data + end.at + sizeof was;
		if (end.frames == 0)
			end.chained = was.link != 0;
		struct frame_head head = log_head(&end, was.length, XXH3_64bits(records, was.length));
		struct frame_mark mark = log_mark(&head);
		memcpy(data + end.at, &head, sizeof head);
		memcpy(records + head.length, &mark, sizeof mark);
		end.at += sizeof head + head.length + sizeof mark;
		end.frames++;
		end.link = head.checksum;
	}
}

/* Correct what would otherwise stop nearly every input at once. */
static void mend(uint8_t *data, size_t size)
{
	struct blob_header header;
	struct blob_trailer trailer;
	if (size < sizeof header + sizeof trailer)
		return;
	memcpy(&header, data, sizeof header);
	if (header.size < sizeof header + sizeof trailer || header.size > size)
		header.size = size;
	header.checksum = XXH3_64bits(&header, offsetof(struct blob_header, checksum));
	memcpy(data, &header, sizeof header);
	memcpy(&trailer, data + header.size - sizeof trailer, sizeof trailer);
	trailer.size = header.size;
	trailer.checksum = XXH3_64bits(&trailer, offsetof(struct blob_trailer, checksum));
	memcpy(data + header.size - sizeof trailer, &trailer, sizeof trailer);
	mend_log(data, size, log_begin(header.size, trailer.checksum));
}

static kith_status nowhere(void *owner, const void *bytes, size_t n)
{
	(void)owner;
	(void)bytes;
	(void)n;
	return KITH_OK;
}

/* What asks for every part of an index. */
static void copy_out(const kith_index *index)
{
	kith_index *copy = NULL;
	struct blob_writer w;
	if (blob_writer_begin(&w, (struct blob_sink){nowhere, NULL}, 0) == KITH_OK) {
		index_write(index, &w);
		blob_finish(&w);
	}
	blob_writer_free(&w);
	faiss_export(index, (struct blob_sink){nowhere, NULL});
	if (kith_index_clone(&copy, index) == KITH_OK) {
		kith_index_reorder(copy, NULL);
		kith_index_compact(copy, NULL);
	}
	kith_index_free(copy);
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
	options.efSearch = 2;
	if (dim > MAX_DIM || !kith_index_trained(index))
		return;
	for (int64_t i = 0; i < NQ * dim; i++)
		q[i] = (float)(i % 7);
	kith_index_search(index, NQ, q, K, dist, ids, &options);
	kith_index_search(index, 1, q, K, dist, ids, &options);
	options.efSearch = 1; /* a graph of a few nodes is searched */
	kith_index_search(index, NQ, q, 1, dist, ids, &options);
	kith_index_search(index, 1, q, K, dist, ids, &options);
	for (int i = 0; i < K; i++)
		if (ids[i] >= 0 && kith_index_get(index, 1, &ids[i], q) == KITH_OK &&
		    !kith_index_has(index, ids[i]))
			abort();
	kith_ranges *ranges = NULL;
	if (kith_index_range(index, 1, q, 10, &ranges, &options) == KITH_OK)
		kith_ranges_free(ranges);
	if (kith_filter_range(&some, 0, 100) == KITH_OK) {
		options.filter = some;
		kith_index_search(index, NQ, q, K, dist, ids, &options);
		copy_out(index);
		kith_index_remove(index, some, &removed);
		kith_filter_free(some);
	}
	for (int64_t i = 0; i < dim; i++)
		q[i] = 1;
	kith_index_add(index, 1, q, NULL, NULL);
	kith_index_compact(index, NULL);
	kith_index_reorder(index, NULL);
}

/* base: the bytes, to be used in place without a look, as a mapping would be; NULL: they are read. */
static void run(struct bytes *bytes, char *base)
{
	struct blob_reader r;
	kith_index *index = NULL;
	struct blob_source source = {fetch, bytes, bytes->n, "'fuzz'", base, base != NULL, false};
	if (blob_reader_begin(&r, source, false) == KITH_OK && index_read(&index, &r, NULL) == KITH_OK)
		use(index);
	blob_reader_free(&r);
	kith_index_free(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size / 64 * 64 + 64;
	uint8_t *copy = malloc(size ? size : 1);
	char *base = aligned_alloc(64, room);
	if (copy && base) {
		if (size)
			memcpy(copy, data, size);
		mend(copy, size);
		struct bytes bytes = {copy, size};
		run(&bytes, NULL);
		if (size)
			memcpy(base, copy, size);
		run(&bytes, base);
	}
	free(copy);
	free(base);
	return 0;
}
