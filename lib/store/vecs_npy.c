/* npy, NumPy's array files (numpy.lib.format): "\x93NUMPY", a version, the length of a header, the header,
 * then the elements. The header is a Python dictionary of three keys,
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (1000, 128), }
 *
 * read here by a parser of exactly that: quoted strings, True, False, tuples of counts. 2-D arrays are rows
 * of vectors; a 1-D array is a column, n vectors of dimension 1. float64, which NumPy makes where nobody asks
 * otherwise, and float16 are read as f32, uint32 as i64.
 */
#include "lib/store/vecs.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC = 6, MAX_RANK = 2, DESCR = 16 };
static const char magic[MAGIC + 1] = "\x93NUMPY";

/* What the header says. */
struct npy {
	char descr[DESCR];
	bool fortran;
	int rank; /* MAX_RANK + 1: more */
	int64_t shape[MAX_RANK];
	unsigned seen; /* bit per key */
};

struct cursor {
	const char *at, *end;
};

static void skip_space(struct cursor *c)
{
	while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at)
		c->at++;
}

static bool accept(struct cursor *c, char want)
{
	skip_space(c);
	if (c->at == c->end || *c->at != want)
		return false;
	c->at++;
	return true;
}

static bool accept_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);
	skip_space(c);
	if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
		return false;
	c->at += n;
	return true;
}

/* 'text' or "text" of fewer than `room` bytes. */
static bool parse_string(struct cursor *c, char *out, size_t room)
{
	skip_space(c);
	if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
		return false;
	const char quote = *c->at++;
	const char *close = memchr(c->at, quote, (size_t)(c->end - c->at));
	if (!close || (size_t)(close - c->at) >= room)
		return false;
	memcpy(out, c->at, (size_t)(close - c->at));
	out[close - c->at] = 0;
	c->at = close + 1;
	return true;
}

static bool parse_count(struct cursor *c, int64_t *out)
{
	skip_space(c);
	const char *begin = c->at;
	int64_t v = 0;
	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *c->at - '0', &v))
			return false;
	*out = v;
	bool some = c->at > begin;
	if (some && c->at < c->end && *c->at == 'L')
		c->at++; /* Python 2 */
	return some;
}

/* "(3, 4)", "(3,)", "()". */
static bool parse_shape(struct cursor *c, struct npy *npy)
{
	if (!accept(c, '('))
		return false;
	npy->rank = 0;
	while (!accept(c, ')')) {
		int64_t count;
		if (!parse_count(c, &count))
			return false;
		if (npy->rank < MAX_RANK)
			npy->shape[npy->rank] = count;
		if (npy->rank <= MAX_RANK)
			npy->rank++;
		if (!accept(c, ',')) {
			skip_space(c);
			if (c->at == c->end || *c->at != ')')
				return false;
		}
	}
	return true;
}

/* One "key: value"; a key twice is wrong. */
static bool parse_entry(struct cursor *c, struct npy *npy)
{
	static const char *const keys[] = {"descr", "fortran_order", "shape"};
	char key[DESCR];
	unsigned k = 0;
	if (!parse_string(c, key, sizeof key) || !accept(c, ':'))
		return false;
	while (k < 3 && strcmp(key, keys[k]) != 0)
		k++;
	if (k == 3 || (npy->seen & 1u << k))
		return false;
	npy->seen |= 1u << k;
	if (k == 0)
		return parse_string(c, npy->descr, sizeof npy->descr);
	if (k == 2)
		return parse_shape(c, npy);
	npy->fortran = accept_word(c, "True");
	return npy->fortran || accept_word(c, "False");
}

static bool parse_dictionary(struct cursor *c, struct npy *npy)
{
	*npy = (struct npy){0};
	if (!accept(c, '{'))
		return false;
	while (!accept(c, '}')) {
		if (!parse_entry(c, npy))
			return false;
		if (!accept(c, ',')) {
			skip_space(c);
			if (c->at == c->end || *c->at != '}')
				return false;
		}
	}
	skip_space(c);
	return c->at == c->end && npy->seen == 7;
}

/* "<f4": byte order, kind, size. */
static bool parse_descr(const char *descr, struct vecs_layout *layout)
{
	static const struct {
		const char *name;
		enum vecs_cell cell;
	} kinds[] = {{"f4", CELL_F32}, {"u1", CELL_U8}, {"i1", CELL_I8}, {"i4", CELL_I32}, {"f8", CELL_F64},
	    {"i8", CELL_I64}, {"f2", CELL_F16}, {"u4", CELL_U32}};
	if (!descr[0] || !strchr("<>=|", descr[0]))
		return false;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(descr + 1, kinds[i].name) == 0) {
			layout->cell = kinds[i].cell;
			layout->swap = descr[0] == '>' && vecs_cell_size(layout->cell) > 1;
			return descr[0] != '|' || vecs_cell_size(layout->cell) == 1;
		}
	return false;
}

/* Let c be the text of the header, and layout->offset its end. */
static kith_status find_header(const struct vecs_head *head, struct cursor *c, struct vecs_layout *layout)
{
	if (head->n < MAGIC + 4 || memcmp(head->bytes, magic, MAGIC) != 0)
		return vecs_fail(
		    KITH_FORMAT, head->path, "is no npy file: it does not begin with \\x93NUMPY");
	const unsigned major = head->bytes[MAGIC];
	if (major < 1 || major > 3)
		return vecs_fail(KITH_UNSUPPORTED, head->path, "npy version %u; known are 1, 2 and 3", major);
	const size_t width = major == 1 ? 2 : 4, begin = MAGIC + 2 + width;
	uint32_t length = 0;
	if (head->n < begin)
		return vecs_fail(KITH_FORMAT, head->path, "truncated inside its npy header");
	memcpy(&length, head->bytes + MAGIC + 2, width);
	if ((int64_t)begin + length > head->size)
		return vecs_fail(KITH_FORMAT, head->path,
		    "truncated inside its npy header: %lu bytes from byte %zu, but the file has %lld",
		    (unsigned long)length, begin, (long long)head->size);
	if (length > VECS_HEAD - begin)
		return vecs_fail(KITH_UNSUPPORTED, head->path,
		    "npy header of %lu bytes; at most %zu are read", (unsigned long)length,
		    VECS_HEAD - begin);
	c->at = (const char *)head->bytes + begin;
	c->end = c->at + length;
	layout->offset = begin + length;
	return KITH_OK;
}

/* Exactly n · dim elements must follow the header. */
static kith_status check_size(const struct vecs_head *head, const struct npy *npy, struct vecs_layout *layout)
{
	const int64_t have = head->size - (int64_t)layout->offset;
	layout->n = npy->shape[0];
	layout->dim = npy->rank == 2 ? npy->shape[1] : 1;
	kith_status status = vecs_check_dim(head->path, layout->dim);
	if (status)
		return status;
	if (layout->n == 0)
		return vecs_fail(KITH_FORMAT, head->path, "is empty: its header counts 0 vectors");
	layout->stride = (size_t)layout->dim * vecs_cell_size(layout->cell);
	int64_t want;
	if (__builtin_mul_overflow(layout->n, (int64_t)layout->stride, &want) || want != have)
		return vecs_fail(KITH_FORMAT, head->path,
		    "its header promises %lld vector%s of %zu byte%s, but there %s %lld: truncated?",
		    (long long)layout->n, PLURAL(layout->n), layout->stride, PLURAL(layout->stride),
		    have == 1 ? "follows" : "follow", (long long)have);
	layout->columns = npy->fortran && layout->n > 1 && layout->dim > 1;
	return KITH_OK;
}

static kith_status npy_parse(const struct vecs_head *head, struct vecs_layout *layout)
{
	struct cursor c = {0};
	struct npy npy;
	*layout = (struct vecs_layout){0};
	kith_status status = find_header(head, &c, layout);
	if (status)
		return status;
	const char *header = c.at;
	if (!parse_dictionary(&c, &npy))
		return vecs_fail(KITH_FORMAT, head->path,
		    "its npy header is not understood (a structured type?) at byte %lld: %.*s",
		    (long long)(c.at - (const char *)head->bytes),
		    c.end - header > 100 ? 100 : (int)(c.end - header), header);
	if (!parse_descr(npy.descr, layout))
		return vecs_fail(KITH_UNSUPPORTED, head->path,
		    "elements of type '%s'; known are f2, f4, f8, u1, i1, i4, i8, u4 (NumPy: "
		    "x.astype('float32'))",
		    npy.descr);
	if (npy.rank < 1 || npy.rank > MAX_RANK)
		return vecs_fail(KITH_UNSUPPORTED, head->path, "array of %s; known are 1-D and 2-D",
		    npy.rank < 1 ? "0-D" : "3 or more dimensions");
	return check_size(head, &npy, layout);
}

/* Version 1.0, padded with spaces to LENGTH bytes, which hold even the longest counts. */
static size_t npy_header(const kith_vecs_writer *writer, uint8_t *out)
{
	enum { BEGIN = MAGIC + 4, LENGTH = 128 };
	static const char *const descr[] = {
	    [KITH_F32] = "<f4", [KITH_U8] = "|u1", [KITH_I8] = "|i1", [KITH_I32] = "<i4", [KITH_I64] = "<i8"};
	char text[LENGTH];
	int length =
	    snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%lld, %lld), }",
	        descr[writer->type], (long long)writer->n, (long long)writer->dim);
	memcpy(out, magic, MAGIC);
	memcpy(out + MAGIC, (const uint8_t[]){1, 0, LENGTH - BEGIN, 0}, 4);
	memset(out + BEGIN, ' ', LENGTH - BEGIN);
	memcpy(out + BEGIN, text, (size_t)length);
	out[LENGTH - 1] = '\n';
	return LENGTH;
}

const struct vecs_plan vecs_npy = {.parse = npy_parse, .header = npy_header, .max_n = VECS_MAX_N};
