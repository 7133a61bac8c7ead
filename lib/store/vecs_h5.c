/* The bytes of an HDF5 file that holds one contiguous set, as of the HDF5 File Format Specification 3.0:
 *
 *     superblock, version 2 | root group: a header with one link | the set: a header | rows, from byte 512
 *
 * The file is written without libhdf5, because libhdf5 does not survive a full disk: what it could not flush
 * it tries to flush again when the process exits, and crashes there (1.10.8). It also makes these files like
 * every other here, rows behind a header that counts them. Reading is libhdf5's work (vecs_hdf5.c).
 */
#include "lib/store/vecs.h"

#include <string.h>

enum { HEADER = VECS_HEADER };
static const uint64_t NOWHERE = UINT64_MAX;

/* Message types. */
enum { DATASPACE = 1, LINK_INFO = 2, DATATYPE = 3, FILL_VALUE = 5, LINK = 6, LAYOUT = 8, GROUP_INFO = 10 };

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

static void put_root(struct out *out, const char *name, uint64_t set_address)
{
	const size_t begin = begin_object(out), length = strlen(name);
	begin_message(out, LINK_INFO, 18);
	put(out, 0, 2); /* version, flags */
	put(out, NOWHERE, 8);
	put(out, NOWHERE, 8);
	begin_message(out, GROUP_INFO, 2);
	put(out, 0, 2); /* version, flags */
	begin_message(out, LINK, 3 + length + 8);
	put(out, 1, 1); /* version */
	put(out, 0, 1); /* hard link, name length in one byte */
	put(out, length, 1);
	put_bytes(out, name, length);
	put(out, set_address, 8);
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

static void put_set(struct out *out, kith_type type, uint64_t n, uint64_t dim)
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
	put(out, HEADER, 8);
	put(out, n * dim * vecs_cell_size((enum vecs_cell)type), 8);
	end_object(out, begin);
}

static size_t h5_header(const kith_vecs_writer *writer, uint8_t *bytes)
{
	enum { SUPERBLOCK = 48, ROOT = 54 }; /* ROOT: without the name */
	const uint64_t n = (uint64_t)writer->n, dim = (uint64_t)writer->dim;
	struct out out = {bytes, 0};
	memset(bytes, 0, HEADER);
	put_bytes(&out, "\x89HDF\r\n\x1a\n\2\x08\x08", 11); /* version, sizes of offsets and of lengths */
	put(&out, 0, 1);
	put(&out, 0, 8);
	put(&out, NOWHERE, 8);
	put(&out, HEADER + n * dim * vecs_cell_size((enum vecs_cell)writer->type), 8); /* end of file */
	put(&out, SUPERBLOCK, 8);
	put_checksum(&out, 0);
	put_root(&out, writer->name.set, SUPERBLOCK + ROOT + strlen(writer->name.set));
	put_set(&out, writer->type, n, dim);
	return HEADER;
}

const struct vecs_plan vecs_h5 = {.header = h5_header, .max_n = VECS_MAX_N, .sets = true};
