/* Reading blobs. Sections have to lie one after another without gaps but zeros, so none overlaps another and
 * no byte goes unread; their sizes are compared with what the reader of a section expects before it
 * allocates.
 */
#include "lib/base/blob_parts.h"

#include "lib/base/status.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes that are read ahead within a section. */
enum { AHEAD = 1 << 16 };

/* Bytes that are read before they are hashed: they are still in the cache then. */
enum { PIECE = 1 << 18 };

static kith_status fail_blob(const struct blob_reader *r, kith_status status, const char *text)
{
	return fail(status, "%s: %s", r->source.name, text);
}

/* In parentheses: the analyzer sees a macro of this name. */
kith_status(blob_fail)(const struct blob_reader *r, const char *tag, const char *format, ...)
{
	char text[200], name[5] = {0};
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	for (int i = 0; i < 4; i++)
		name[i] = isgraph((unsigned char)tag[i]) ? tag[i] : '?';
	return fail(
	    KITH_FORMAT, "%s: section %s of node %u %s", r->source.name, name, (unsigned)r->node, text);
}

static kith_status read_at(const struct blob_reader *r, uint64_t offset, void *out, size_t n)
{
	return r->source.read(r->source.owner, offset, out, n);
}

/* ---- the beginning ---- */

static kith_status check_header(struct blob_reader *r)
{
	struct blob_header header;
	const uint64_t min = sizeof header + sizeof(struct blob_trailer);
	if (r->source.size < min)
		return fail_blob(r, KITH_FORMAT, "is too short for a kith index; was it cut off?");
	kith_status status = read_at(r, 0, &header, sizeof header);
	if (status)
		return status;
	if (memcmp(header.magic, blob_magic, sizeof blob_magic) != 0)
		return fail_blob(r, KITH_FORMAT, "is not a kith index");
	if (header.endian == __builtin_bswap32(BLOB_ENDIAN))
		return fail_blob(r, KITH_UNSUPPORTED, "was written on a big-endian machine");
	if (header.endian == BLOB_ENDIAN && header.major_version > BLOB_MAJOR)
		return fail(KITH_UNSUPPORTED,
		    "%s: has format version %u.%u, this library reads %d.x: use a newer version of kith",
		    r->source.name, header.major_version, header.minor_version, BLOB_MAJOR);
	if (header.endian != BLOB_ENDIAN || header.major_version != BLOB_MAJOR ||
	    header.checksum != XXH3_64bits(&header, offsetof(struct blob_header, checksum)))
		return fail_blob(r, KITH_FORMAT, "its header is damaged");
	if (header.size > r->source.size || (header.size && header.size < min))
		return fail_blob(r, KITH_FORMAT, "is shorter than it was; was it cut off?");
	if (header.size)
		r->source.size = header.size;
	return KITH_OK;
}

static kith_status read_trailer(struct blob_reader *r, struct blob_trailer *trailer)
{
	uint64_t room = r->source.size - sizeof *trailer;
	kith_status status = read_at(r, room, trailer, sizeof *trailer);
	if (status)
		return status;
	if (memcmp(trailer->magic, blob_end_magic, sizeof blob_end_magic) != 0)
		return fail_blob(
		    r, KITH_FORMAT, "does not end as a kith index does; was it cut off, or is it longer?");
	if (trailer->checksum != XXH3_64bits(trailer, offsetof(struct blob_trailer, checksum)) ||
	    trailer->size != r->source.size || trailer->table > room ||
	    trailer->sections > (room - trailer->table) / sizeof(struct blob_entry) ||
	    trailer->table + trailer->sections * sizeof(struct blob_entry) != room)
		return fail_blob(r, KITH_FORMAT, "its end is damaged, or something was cut out");
	return KITH_OK;
}

/* n < BLOB_ALIGN bytes must be zero. */
static kith_status check_gap(const struct blob_reader *r, uint64_t offset, size_t n)
{
	char gap[BLOB_ALIGN];
	kith_status status = read_at(r, offset, gap, n);
	for (size_t i = 0; status == KITH_OK && i < n; i++)
		if (gap[i] != 0)
			status = fail_blob(r, KITH_FORMAT, "there is something between its sections");
	return status;
}

/* A name has four printable characters and occurs once in a node. */
static kith_status check_name(const struct blob_reader *r, size_t i)
{
	const struct blob_entry *entry = &r->table[i];
	for (size_t j = 0; j < sizeof entry->tag; j++)
		if (!isgraph((unsigned char)entry->tag[j]))
			return fail(KITH_FORMAT, "%s: section %zu has no proper name", r->source.name, i);
	for (size_t j = 0; j < i; j++)
		if (memcmp(r->table[j].tag, entry->tag, sizeof entry->tag) == 0 &&
		    r->table[j].node == entry->node)
			return fail(
			    KITH_FORMAT, "%s: sections %zu and %zu have one name", r->source.name, j, i);
	return KITH_OK;
}

/* Sections follow each other up to the table. */
static kith_status check_table(const struct blob_reader *r, uint64_t table)
{
	uint64_t at = sizeof(struct blob_header);
	for (size_t i = 0; i < r->sections; i++) {
		const struct blob_entry *entry = &r->table[i];
		size_t gap = (size_t)(-entry->length % BLOB_ALIGN);
		if (entry->offset != at || entry->length > table - at || gap > table - at - entry->length)
			return fail(
			    KITH_FORMAT, "%s: section %zu does not lie where it should", r->source.name, i);
		at += entry->length + gap;
		kith_status status = check_name(r, i);
		if (status == KITH_OK && r->verify && !r->lazy)
			status = check_gap(r, at - gap, gap);
		if (status)
			return status;
	}
	return at == table ? KITH_OK : fail_blob(r, KITH_FORMAT, "its table of sections is incomplete");
}

kith_status blob_reader_begin(struct blob_reader *r, struct blob_source source, bool verify)
{
	struct blob_trailer trailer;
	*r = (struct blob_reader){
	    .source = source, .verify = verify, .lazy = source.base && source.lazy, .all = source.size};
	kith_status status = check_header(r);
	if (status == KITH_OK)
		status = read_trailer(r, &trailer);
	if (status)
		return status;
	if (trailer.sections > BLOB_MAX_SECTIONS)
		return fail_blob(r, KITH_FORMAT, "has too many sections");
	size_t bytes = (size_t)trailer.sections * sizeof *r->table;
	r->table = mem_alloc(bytes, 1);
	r->ahead = mem_alloc(AHEAD, 1);
	r->hash = blob_hash_new();
	if (!r->table || !r->ahead || !r->hash)
		return fail_nomem("reading", bytes + AHEAD);
	r->sections = (size_t)trailer.sections;
	r->identity = trailer.checksum;
	status = read_at(r, trailer.table, r->table, bytes);
	if (status)
		return status;
	if (verify && XXH3_64bits(r->table, bytes) != trailer.table_checksum)
		return fail_blob(r, KITH_FORMAT, "its table of sections is damaged");
	return check_table(r, trailer.table);
}

void blob_reader_free(struct blob_reader *r)
{
	mem_free(r->table);
	mem_free(r->ahead);
	mem_free(r->hash);
}

/* ---- sections ---- */

static struct blob_entry *find(const struct blob_reader *r, const char *tag)
{
	for (size_t i = 0; i < r->sections; i++)
		if (r->table[i].node == r->node && memcmp(r->table[i].tag, tag, sizeof r->table[i].tag) == 0)
			return &r->table[i];
	return NULL;
}

bool blob_has(const struct blob_reader *r, const char *tag)
{
	return find(r, tag) != NULL;
}

uint64_t blob_length(const struct blob_reader *r, const char *tag)
{
	const struct blob_entry *entry = find(r, tag);
	return entry ? entry->length : 0;
}

kith_status blob_expect(struct blob_reader *r, const char *tag, size_t bytes)
{
	const struct blob_entry *entry = find(r, tag);
	if (!entry)
		return blob_fail(r, tag, "is missing");
	if (entry->length != bytes)
		return blob_fail(
		    r, tag, "has %llu bytes instead of %zu", (unsigned long long)entry->length, bytes);
	return KITH_OK;
}

kith_status blob_open(struct blob_reader *r, const char *tag, size_t bytes)
{
	kith_status status = blob_expect(r, tag, bytes);
	if (status)
		return status;
	r->now = find(r, tag);
	r->at = r->now->offset;
	r->end = r->at + r->now->length;
	r->ahead_bytes = 0;
	r->unvalidated = false;
	r->block = NULL;
	XXH3_64bits_reset(r->hash);
	return KITH_OK;
}

/* The next bytes from the buffer, which is filled where it is empty. */
static kith_status get_buffered(struct blob_reader *r, void *out, size_t n)
{
	for (char *to = out; n > 0;) {
		if (r->ahead_bytes == 0) {
			size_t bytes = r->end - r->at < AHEAD ? (size_t)(r->end - r->at) : AHEAD;
			kith_status status = read_at(r, r->at, r->ahead, bytes);
			if (status)
				return status;
			r->ahead_at = 0;
			r->ahead_bytes = bytes;
		}
		size_t part = n < r->ahead_bytes ? n : r->ahead_bytes;
		memcpy(to, r->ahead + r->ahead_at, part);
		r->ahead_at += part;
		r->ahead_bytes -= part;
		r->at += part;
		to += part;
		n -= part;
	}
	return KITH_OK;
}

kith_status blob_get(struct blob_reader *r, void *out, size_t n)
{
	if (n > r->end - r->at)
		return blob_fail(r, r->now->tag, "is shorter than what it should hold");
	size_t buffered = n >= AHEAD ? r->ahead_bytes : n;
	kith_status status = get_buffered(r, out, buffered);
	if (status == KITH_OK && r->verify && buffered > 0)
		hash_update(r->hash, out, buffered);
	if (status == KITH_OK && r->source.parallel && n - buffered >= BLOB_BULK)
		return blob_get_bulk(r, (char *)out + buffered, n - buffered);
	for (size_t done = buffered, part; status == KITH_OK && done < n; done += part) {
		part = n - done < PIECE ? n - done : PIECE;
		status = read_at(r, r->at, (char *)out + done, part);
		if (status == KITH_OK && r->verify)
			hash_update(r->hash, (char *)out + done, part);
		r->at += part;
	}
	return status;
}

kith_status blob_open_block(struct blob_reader *r, const char *tag, size_t bytes, struct buffer *block)
{
	kith_status status = blob_open(r, tag, bytes);
	if (status || r->source.base)
		return status;
	if (!buffer_reserve(block, bytes, 0))
		return fail_nomem("a section", bytes);
	status = blob_get(r, block->data, bytes);
	r->at = r->now->offset;
	r->block = block->data;
	return status;
}

kith_status blob_take(struct blob_reader *r, struct buffer *b, size_t n)
{
	if (n > r->end - r->at)
		return blob_fail(r, r->now->tag, "is shorter than what it should hold");
	if (r->block) {
		buffer_borrow(b, r->block + (r->at - r->now->offset), n, false);
		r->at += n;
		return KITH_OK;
	}
	if (!r->source.base)
		return buffer_reserve(b, n, 0) ? blob_get(r, b->data, n) : fail_nomem("a section", n);
	buffer_borrow(b, r->source.base + r->at, n, true);
	r->at += n;
	r->unvalidated |= r->lazy;
	if (r->verify && !r->lazy && n > 0)
		hash_update(r->hash, b->data, n);
	return KITH_OK;
}

kith_status blob_close(struct blob_reader *r)
{
	struct blob_entry *entry = r->now;
	if (r->at != r->end)
		return blob_fail(r, entry->tag, "is longer than what it should hold");
	if (r->verify && !r->unvalidated && XXH3_64bits_digest(r->hash) != entry->checksum)
		return blob_fail(r, entry->tag, "is damaged: its checksum differs");
	/* Marked as read: it is not found again, and blob_reader_end does not miss it. */
	memset(entry->tag, 0, sizeof entry->tag);
	return KITH_OK;
}

kith_status blob_read(struct blob_reader *r, const char *tag, void *out, size_t bytes)
{
	kith_status status = blob_open(r, tag, bytes);
	if (status == KITH_OK)
		status = blob_get(r, out, bytes);
	return status ? status : blob_close(r);
}

kith_status blob_reader_end(struct blob_reader *r)
{
	static const char done[4];
	for (size_t i = 0; i < r->sections; i++) {
		const char *tag = r->table[i].tag;
		r->node = r->table[i].node;
		if (memcmp(tag, done, sizeof done) != 0 && !islower((unsigned char)tag[0]))
			return blob_fail(
			    r, tag, "is not known to this version of kith, or does not belong here");
	}
	return KITH_OK;
}
