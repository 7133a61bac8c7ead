/* Writing blobs, and what writing shares with reading.
 *
 *   header | section | … | section | table of sections | trailer
 *
 * The table comes last, so that a blob can be written front to back without knowing the sizes of sections
 * beforehand. The header holds the size of the whole if a first pass, which only counts, has found it. Every
 * byte is checked: sections, table, header and trailer have checksums, what lies between them is zero.
 */
#include "lib/base/blob_parts.h"

#include "lib/base/status.h"

#include <string.h>

/* Bytes that are collected before they go to the sink. */
enum { PENDING = 1 << 16 };

const char blob_magic[8] = "\x89KITH\r\n\x1a", blob_end_magic[8] = "KITHEND\n";

void *blob_hash_new(void)
{
	return mem_alloc(1, sizeof(XXH3_state_t));
}

kith_status blob_writer_begin(struct blob_writer *w, struct blob_sink sink, uint64_t size)
{
	*w = (struct blob_writer){.sink = sink, .size = size};
	if (!sink.write) {
		w->offset = sizeof(struct blob_header);
		return KITH_OK;
	}
	w->pending = mem_alloc(PENDING, 1);
	w->hash = blob_hash_new();
	if (!w->pending || !w->hash)
		return w->status = fail_nomem("writing", PENDING);
	struct blob_header header = {
	    .endian = BLOB_ENDIAN, .major_version = BLOB_MAJOR, .minor_version = BLOB_MINOR, .size = size};
	memcpy(header.magic, blob_magic, sizeof header.magic);
	header.checksum = XXH3_64bits(&header, offsetof(struct blob_header, checksum));
	blob_put(w, &header, sizeof header);
	return w->status;
}

void blob_writer_free(struct blob_writer *w)
{
	mem_free(w->pending);
	mem_free(w->hash);
	buffer_free(&w->table);
}

static void flush(struct blob_writer *w)
{
	if (!w->status && w->pending_bytes)
		w->status = w->sink.write(w->sink.owner, w->pending, w->pending_bytes);
	w->pending_bytes = 0;
}

void blob_put(struct blob_writer *w, const void *bytes, size_t n)
{
	if (w->status || n == 0)
		return;
	w->offset += n;
	if (!w->sink.write)
		return;
	if (w->inside)
		hash_update(w->hash, bytes, n);
	if (n > PENDING - w->pending_bytes)
		flush(w);
	if (n >= PENDING) {
		if (!w->status)
			w->status = w->sink.write(w->sink.owner, bytes, n);
		return;
	}
	memcpy(w->pending + w->pending_bytes, bytes, n);
	w->pending_bytes += n;
}

void blob_put_zeros(struct blob_writer *w, size_t n)
{
	static const char zeros[64];
	for (size_t part; n > 0; n -= part) {
		part = n < sizeof zeros ? n : sizeof zeros;
		blob_put(w, zeros, part);
	}
}

static struct blob_entry *table_of(const struct blob_writer *w)
{
	return (struct blob_entry *)(void *)w->table.data;
}

/* End the section, if there is one, and move on to where the next may begin. */
static void end_section(struct blob_writer *w)
{
	if (w->inside && !w->status && w->sink.write) {
		struct blob_entry *entry = &table_of(w)[w->sections - 1];
		entry->length = w->offset - entry->offset;
		entry->checksum = XXH3_64bits_digest(w->hash);
	}
	w->inside = false;
	blob_put_zeros(w, (size_t)(-w->offset % BLOB_ALIGN));
}

void blob_section(struct blob_writer *w, const char *tag)
{
	end_section(w);
	if (!w->sink.write) {
		w->sections++;
		w->inside = true;
		return;
	}
	size_t bytes = (w->sections + 1) * sizeof(struct blob_entry);
	if (!w->status && !buffer_reserve(&w->table, bytes, 8))
		w->status = fail_nomem("the table of sections", bytes);
	if (!w->status && w->sections == BLOB_MAX_SECTIONS)
		w->status = fail(KITH_UNSUPPORTED,
		    "an index of so many parts cannot be saved: more than %d sections", BLOB_MAX_SECTIONS);
	if (w->status)
		return;
	struct blob_entry *entry = &table_of(w)[w->sections++];
	*entry = (struct blob_entry){.node = w->node, .offset = w->offset};
	memcpy(entry->tag, tag, sizeof entry->tag);
	XXH3_64bits_reset(w->hash);
	w->inside = true;
}

void blob_write(struct blob_writer *w, const char *tag, const void *bytes, size_t n)
{
	blob_section(w, tag);
	blob_put(w, bytes, n);
}

kith_status blob_finish(struct blob_writer *w)
{
	end_section(w);
	size_t bytes = w->sections * sizeof(struct blob_entry);
	if (!w->sink.write) {
		w->offset += bytes + sizeof(struct blob_trailer);
		return w->status;
	}
	struct blob_trailer trailer = {.table = w->offset,
	    .sections = w->sections,
	    .size = w->offset + bytes + sizeof trailer,
	    .table_checksum = XXH3_64bits(w->table.data, bytes)};
	trailer.checksum = XXH3_64bits(&trailer, offsetof(struct blob_trailer, checksum));
	memcpy(trailer.magic, blob_end_magic, sizeof trailer.magic);
	blob_put(w, w->table.data, bytes);
	blob_put(w, &trailer, sizeof trailer);
	flush(w);
	w->identity = trailer.checksum;
	if (!w->status && w->size && w->size != trailer.size)
		w->status = fail(KITH_INTERNAL, "an index of %llu bytes was to take %llu",
		    (unsigned long long)trailer.size, (unsigned long long)w->size);
	return w->status;
}
