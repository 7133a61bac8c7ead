/* HDF5 files being written.
 *
 * They are written without libhdf5, since it does not survive a full disk: what it could not flush it
 * flushes again when the process exits, and crashes there (1.10.8). Files of contiguous sets are simple
 * enough (HDF5 File Format Specification 3.0). A file of one set is like every other here, rows behind a
 * header that counts them:
 *
 *     superblock, version 2 | root group: a header with one link | the set: a header | rows, from byte 512
 *
 * How large the headers of several sets get is known at the end, so they come there:
 *
 *     superblock | rows of the first set, from byte 512 | rows of the next … | root group | a header for
 *     each set | the texts of attributes (a global heap)
 */
#include "lib/store/vecs.h"

#include <string.h>

enum { HEADER = VECS_HEADER };
static const uint64_t NOWHERE = UINT64_MAX;

/* Message types. */
enum {
	DATASPACE = 1,
	LINK_INFO = 2,
	DATATYPE = 3,
	FILL_VALUE = 5,
	LINK = 6,
	LAYOUT = 8,
	GROUP_INFO = 10,
	ATTRIBUTE = 12
};

struct out {
	uint8_t *bytes;
	size_t n;
};

static void put_bytes(struct out *out, const void *bytes, size_t n)
{
	memcpy(out->bytes + out->n, bytes, n);
	out->n += n;
}

/* The low `width` bytes of v. */
static void put(struct out *out, uint64_t v, size_t width)
{
	put_bytes(out, &v, width);
}

#define ROT(x, k) ((x) << (k) | (x) >> (32 - (k)))

/* Bob Jenkins' lookup3 (hashlittle, from 0), HDF5's checksum of metadata. */
static uint32_t checksum(const uint8_t *bytes, size_t n)
{
	uint32_t a = 0xdeadbeef + (uint32_t)n, b = a, c = a;
	for (;; n -= 12, bytes += 12) {
		uint32_t word[3] = {0};
		memcpy(word, bytes, n < sizeof word ? n : sizeof word);
		a += word[0], b += word[1], c += word[2];
		if (n <= sizeof word)
			break;
		a -= c, a ^= ROT(c, 4), c += b;
		b -= a, b ^= ROT(a, 6), a += c;
		c -= b, c ^= ROT(b, 8), b += a;
		a -= c, a ^= ROT(c, 16), c += b;
		b -= a, b ^= ROT(a, 19), a += c;
		c -= b, c ^= ROT(b, 4), b += a;
	}
	c ^= b, c -= ROT(b, 14);
	a ^= c, a -= ROT(c, 11);
	b ^= a, b -= ROT(a, 25);
	c ^= b, c -= ROT(b, 16);
	a ^= c, a -= ROT(c, 4);
	b ^= a, b -= ROT(a, 14);
	c ^= b, c -= ROT(b, 24);
	return c;
}

static void put_checksum(struct out *out, size_t begin)
{
	put(out, checksum(out->bytes + begin, out->n - begin), 4);
}

/* Object header, version 2: messages between begin_object and end_object. */
static size_t begin_object(struct out *out)
{
	const size_t begin = out->n;
	put_bytes(out, "OHDR\2\0", 6);
	put(out, 0, 1); /* bytes of messages, filled in by end_object */
	return begin;
}

static void end_object(struct out *out, size_t begin)
{
	out->bytes[begin + 6] = (uint8_t)(out->n - begin - 7);
	put_checksum(out, begin);
}

static void begin_message(struct out *out, unsigned type, size_t bytes)
{
	put(out, type, 1);
	put(out, bytes, 2);
	put(out, 0, 1);
}

/* Object headers of more than 255 bytes of messages count them in two bytes. */
static size_t begin_long_object(struct out *out)
{
	const size_t begin = out->n;
	put_bytes(out, "OHDR\2\1", 6);
	put(out, 0, 2);
	return begin;
}

static void end_long_object(struct out *out, size_t begin)
{
	const uint16_t bytes = (uint16_t)(out->n - begin - 8);
	memcpy(out->bytes + begin + 6, &bytes, sizeof bytes);
	put_checksum(out, begin);
}

static void put_group(struct out *out)
{
	begin_message(out, LINK_INFO, 18);
	put(out, 0, 2); /* version, flags */
	put(out, NOWHERE, 8);
	put(out, NOWHERE, 8);
	begin_message(out, GROUP_INFO, 2);
	put(out, 0, 2); /* version, flags */
}

static void put_link(struct out *out, const char *name, uint64_t set_address)
{
	const size_t length = strlen(name);
	begin_message(out, LINK, 3 + length + 8);
	put(out, 1, 1); /* version */
	put(out, 0, 1); /* hard link, name length in one byte */
	put(out, length, 1);
	put_bytes(out, name, length);
	put(out, set_address, 8);
}

static void put_root(struct out *out, const char *name, uint64_t set_address)
{
	const size_t begin = begin_object(out);
	put_group(out);
	put_link(out, name, set_address);
	end_object(out, begin);
}

static void put_type(struct out *out, kith_type type)
{
	enum { FIXED = 0x10, FLOAT = 0x11, SIGNED = 8 };
	const size_t size = vecs_cell_size((enum vecs_cell)type);
	begin_message(out, DATATYPE, type == KITH_F32 ? 20 : 12);
	if (type == KITH_F32) {
		put(out, FLOAT, 1);
		put(out, 0x1f20, 3); /* leading one implied, sign in bit 31 */
	} else {
		put(out, FIXED, 1);
		put(out, type == KITH_U8 ? 0 : SIGNED, 3);
	}
	put(out, size, 4);
	put(out, 0, 2);        /* bit offset */
	put(out, 8 * size, 2); /* bits */
	if (type == KITH_F32) {
		put_bytes(out, (const uint8_t[]){23, 8, 0, 23}, 4); /* exponent at, of, mantissa at, of */
		put(out, 127, 4);
	}
}

static void put_set(struct out *out, kith_type type, uint64_t n, uint64_t dim, uint64_t address)
{
	const size_t begin = begin_object(out);
	begin_message(out, DATASPACE, 20);
	put_bytes(out, (const uint8_t[]){2, 2, 0, 1}, 4); /* version, rank, flags, simple */
	put(out, n, 8);
	put(out, dim, 8);
	put_type(out, type);
	begin_message(out, FILL_VALUE, 2);
	put(out, 3, 1);    /* version */
	put(out, 0x0a, 1); /* allocated late, filled if set: the defaults */
	begin_message(out, LAYOUT, 18);
	put(out, 3, 1); /* version */
	put(out, 1, 1); /* contiguous */
	put(out, address, 8);
	put(out, n * dim * vecs_cell_size((enum vecs_cell)type), 8);
	end_object(out, begin);
}

static void put_superblock(struct out *out, uint64_t end, uint64_t root)
{
	const size_t begin = out->n;
	put_bytes(out, "\x89HDF\r\n\x1a\n\2\x08\x08", 11); /* version, sizes of offsets and of lengths */
	put(out, 0, 1);
	put(out, 0, 8);
	put(out, NOWHERE, 8);
	put(out, end, 8);
	put(out, root, 8);
	put_checksum(out, begin);
}

static size_t hdf5_header(const kith_vecs_writer *writer, uint8_t *bytes)
{
	enum { SUPERBLOCK = 48, ROOT = 54 }; /* ROOT: without the name */
	const uint64_t n = (uint64_t)writer->n, dim = (uint64_t)writer->dim;
	struct out out = {bytes, 0};
	memset(bytes, 0, HEADER);
	if (writer->set_count) {
		put_superblock(&out, (uint64_t)(writer->at + writer->trailer), (uint64_t)writer->at);
		return HEADER;
	}
	/* The root group follows the superblock, and the header of the set the root group. */
	put_superblock(&out, HEADER + n * dim * vecs_cell_size((enum vecs_cell)writer->type), SUPERBLOCK);
	put_root(&out, writer->name.set, SUPERBLOCK + ROOT + strlen(writer->name.set));
	put_set(&out, writer->type, n, dim, HEADER);
	return HEADER;
}

/* ---- several sets ---- */

enum { HEAP = 4096, SET_HEADER = 256 };

/* A text of variable length, as h5py writes and reads str: in the heap, as object number `text`. */
static void put_attribute(struct out *out, const char *name, const char *value, uint64_t heap, uint64_t text)
{
	enum { TYPE = 20, SPACE = 4, DATA = 16 };
	const size_t length = strlen(name) + 1;
	begin_message(out, ATTRIBUTE, 9 + length + TYPE + SPACE + DATA);
	put(out, 3, 1); /* version */
	put(out, 0, 1); /* flags */
	put(out, length, 2);
	put(out, TYPE, 2);
	put(out, SPACE, 2);
	put(out, 0, 1); /* the name is ASCII */
	put_bytes(out, name, length);
	put_bytes(out, (const uint8_t[]){0x19, 1, 1, 0}, 4); /* variable length, of text, UTF-8 */
	put(out, 16, 4);
	put_bytes(out, (const uint8_t[]){0x10, 0, 0, 0}, 4); /* out of bytes */
	put(out, 1, 4);
	put(out, 0, 2);
	put(out, 8, 2);
	put_bytes(out, (const uint8_t[]){2, 0, 0, 0}, 4); /* one of it */
	put(out, strlen(value), 4);
	put(out, heap, 8);
	put(out, text, 4);
}

static void put_heap(struct out *out, const struct vecs_attribute *attributes, int count)
{
	const size_t begin = out->n;
	put_bytes(out, "GCOL\1\0\0\0", 8);
	put(out, HEAP, 8);
	for (int i = 0; i < count; i++) {
		const size_t length = strlen(attributes[i].value);
		put(out, (uint64_t)i + 1, 2);
		put(out, 1, 2); /* used once */
		put(out, 0, 4);
		put(out, length, 8);
		put_bytes(out, attributes[i].value, length);
		out->n += -length % 8;
	}
	const size_t left = begin + HEAP - out->n;
	put(out, 0, 8); /* what is free */
	put(out, left, 8);
	out->n = begin + HEAP;
}

/* Writes into zeroed memory of hdf5_trailer_room bytes, twice: the root group holds the addresses of what
 * follows it, so `where` of the second run is what the first has `found`. */
static void put_trailer(struct out *out, const kith_vecs_writer *writer, const size_t *where, size_t *found)
{
	const uint64_t at = (uint64_t)writer->at;
	const int sets = writer->set_count;
	const size_t root = begin_long_object(out);
	put_group(out);
	for (int i = 0; i < sets; i++)
		put_link(out, writer->sets[i].name, at + where[i]);
	for (int i = 0; i < writer->attribute_count; i++)
		put_attribute(out, writer->attributes[i].name, writer->attributes[i].value, at + where[sets],
		    (uint64_t)i + 1);
	end_long_object(out, root);
	for (int i = 0; i < sets; i++) {
		const struct vecs_set *set = &writer->sets[i];
		found[i] = out->n;
		put_set(out, set->type, (uint64_t)set->n, (uint64_t)set->dim, (uint64_t)set->offset);
	}
	out->n += -out->n % 8;
	found[sets] = out->n;
	if (writer->attribute_count)
		put_heap(out, writer->attributes, writer->attribute_count);
}

static size_t hdf5_trailer_room(const kith_vecs_writer *writer)
{
	return HEAP +
	       (size_t)(2 + writer->set_count + writer->attribute_count) * (VECS_LONGEST_SET + SET_HEADER);
}

static size_t hdf5_trailer(const kith_vecs_writer *writer, uint8_t *bytes)
{
	size_t where[VECS_MAX_SETS + 1] = {0}, found[VECS_MAX_SETS + 1] = {0};
	struct out out = {bytes, 0};
	put_trailer(&out, writer, where, found);
	memset(bytes, 0, out.n);
	memcpy(where, found, sizeof where);
	out.n = 0;
	put_trailer(&out, writer, where, found);
	return out.n;
}

const struct vecs_plan vecs_hdf5_plan = {.header = hdf5_header,
    .trailer = hdf5_trailer,
    .trailer_room = hdf5_trailer_room,
    .max_n = VECS_MAX_N,
    .sets = true};
