/* A column starts as 32-bit integers and changes to a wider type when a value requires it: to 64-bit
 * integers, to doubles if they can represent all its integers exactly, or to texts if it has no numbers so
 * far. */
#include "cells.h"

#include <math.h>
#include <string.h>

static const int64_t EXACT = (int64_t)1 << 53; /* doubles represent all integers up to this exactly */

static size_t width_of(enum cells_kind kind)
{
	return kind == CELLS_I32 ? 4 : kind == CELLS_TEXT ? 2 : 8;
}

/* Whether the column has type TEXT or none, so that SQLite compares it with a text without converting
 * either. */
static int changes_no_text(const char *declared)
{
	const char *rest = sqlite3_strnicmp(declared, " TEXT", 5) == 0 ? declared + 5 : declared;
	return rest[0] == '\0' || sqlite3_strnicmp(rest, " NOT NULL", 9) == 0 ||
	       sqlite3_strnicmp(rest, " COLLATE ", 9) == 0;
}

struct cells *cells_new(int column, const struct column *c)
{
	struct cells *out = zeroed(sizeof *out);
	if (out != NULL) {
		out->column = column;
		out->takes_text = changes_no_text(c->declared);
	}
	return out;
}

/* Free the values and mark the column as not held in memory. */
static void drop(struct cells *c)
{
	for (int i = 0; i < c->text_count; i++) {
		sqlite3_free(c->texts[i].bytes);
	}
	sqlite3_free(c->texts);
	sqlite3_free(c->slots);
	sqlite3_free(c->values);
	c->values = NULL;
	c->texts = NULL;
	c->slots = NULL;
	c->text_count = c->text_room = c->slot_count = 0;
	c->n = c->room = c->text_bytes = 0;
	c->kind = CELLS_NONE;
}

void cells_free(struct cells *list)
{
	while (list != NULL) {
		struct cells *next = list->next;
		drop(list);
		sqlite3_free(list);
		list = next;
	}
}

struct cells *cells_find(struct cells *list, int column)
{
	while (list != NULL && list->column != column) {
		list = list->next;
	}
	return list;
}

int64_t cells_memory(const struct cells *list)
{
	int64_t bytes = 0;
	for (; list != NULL; list = list->next) {
		bytes += list->room * (int64_t)width_of(list->kind) + list->text_bytes +
		         list->text_room * (int64_t)sizeof *list->texts +
		         list->slot_count * (int64_t)sizeof *list->slots;
	}
	return bytes;
}

/* ---- values ---- */

static void put_null(struct cells *c, int64_t id)
{
	switch (c->kind) {
	case CELLS_I32:
		((int32_t *)c->values)[id] = INT32_MIN;
		break;
	case CELLS_I64:
		((int64_t *)c->values)[id] = INT64_MIN;
		break;
	case CELLS_F64:
		((double *)c->values)[id] = NAN;
		break;
	case CELLS_TEXT:
		((uint16_t *)c->values)[id] = 0;
		break;
	case CELLS_NONE:
		break;
	}
}

/* Make room for the value of an id. Ids without a value so far become NULL. */
static int reserve(struct cells *c, int64_t id)
{
	if (id >= c->room) {
		int64_t room = c->room < 64 ? 64 : c->room;
		while (room <= id) {
			room *= 2;
		}
		void *values = sqlite3_realloc64(c->values, (sqlite3_uint64)room * width_of(c->kind));
		if (values == NULL) {
			return 0;
		}
		c->values = values;
		c->room = room;
	}
	while (c->n <= id) {
		put_null(c, c->n++);
	}
	return 1;
}

int cells_extend(struct cells *c, int64_t n)
{
	if (c->kind == CELLS_NONE || n <= c->n || reserve(c, n - 1)) {
		return 1;
	}
	drop(c);
	return 0;
}

/* Convert the values to a wider type. If it cannot hold one of them exactly, the column becomes
 * CELLS_NONE. Returns 0 if out of memory. */
static int widen(struct cells *c, enum cells_kind kind)
{
	struct cells old = *c;
	void *values = sqlite3_malloc64((sqlite3_uint64)c->room * width_of(kind) + 1);
	if (values == NULL) {
		return 0;
	}
	c->values = values;
	c->kind = kind;
	int fits = 1;
	for (int64_t i = 0; i < c->n; i++) {
		int64_t x = old.kind == CELLS_I32 ? ((int32_t *)old.values)[i] : ((int64_t *)old.values)[i];
		if (x == (old.kind == CELLS_I32 ? INT32_MIN : INT64_MIN)) {
			put_null(c, i);
		} else if (kind == CELLS_I64) {
			((int64_t *)values)[i] = x;
		} else {
			((double *)values)[i] = (double)x;
			fits &= x >= -EXACT && x <= EXACT;
		}
	}
	sqlite3_free(old.values);
	if (!fits) {
		drop(c);
	}
	return 1;
}

static int set_integer(struct cells *c, int64_t id, int64_t x)
{
	if (c->kind == CELLS_I32 && (x <= INT32_MIN || x > INT32_MAX) && !widen(c, CELLS_I64)) {
		return 0;
	}
	if (c->kind == CELLS_I32) {
		((int32_t *)c->values)[id] = (int32_t)x;
	} else if (c->kind == CELLS_I64 && x != INT64_MIN) {
		((int64_t *)c->values)[id] = x;
	} else if (c->kind == CELLS_F64 && x >= -EXACT && x <= EXACT) {
		((double *)c->values)[id] = (double)x;
	} else {
		drop(c);
	}
	c->numbers++;
	return 1;
}

static int set_real(struct cells *c, int64_t id, double x)
{
	if ((c->kind == CELLS_I32 || c->kind == CELLS_I64) && !widen(c, CELLS_F64)) {
		return 0;
	}
	if (c->kind == CELLS_F64) {
		((double *)c->values)[id] = x;
	} else {
		drop(c);
	}
	c->numbers++;
	return 1;
}

/* ---- texts ---- */

static unsigned hash_of(const char *bytes, int length)
{
	unsigned h = 2166136261U;
	for (int i = 0; i < length; i++) {
		h = (h ^ (unsigned char)bytes[i]) * 16777619U;
	}
	return h ^ h >> 15;
}

/* The slot of a text in the hash table, or the free slot where it would be put. */
static int slot_of(const struct cells *c, const char *bytes, int length)
{
	unsigned mask = (unsigned)c->slot_count - 1;
	unsigned at = hash_of(bytes, length) & mask;
	for (; c->slots[at] != 0; at = (at + 1) & mask) {
		const struct text *text = &c->texts[c->slots[at] - 1];
		if (text->length == length && memcmp(text->bytes, bytes, (size_t)length) == 0) {
			break;
		}
	}
	return (int)at;
}

int cells_text(const struct cells *c, const char *bytes, int length)
{
	return c->slot_count > 0 ? c->slots[slot_of(c, bytes, length)] : 0;
}

/* Make room for one more text, in a hash table that stays at least half empty. */
static int reserve_text(struct cells *c)
{
	if (c->text_count < c->text_room) {
		return 1;
	}
	int room = c->text_room < 16 ? 16 : 2 * c->text_room;
	struct text *texts = sqlite3_realloc64(c->texts, (sqlite3_uint64)room * sizeof *texts);
	if (texts == NULL) {
		return 0;
	}
	c->texts = texts;
	int *slots = zeroed((size_t)room * 2 * sizeof *slots);
	if (slots == NULL) {
		return 0;
	}
	sqlite3_free(c->slots);
	c->slots = slots;
	c->slot_count = 2 * room;
	c->text_room = room;
	for (int i = 0; i < c->text_count; i++) {
		c->slots[slot_of(c, c->texts[i].bytes, c->texts[i].length)] = i + 1;
	}
	return 1;
}

static int add_text(struct cells *c, const char *bytes, int length)
{
	if (!reserve_text(c)) {
		return 0;
	}
	char *copy = sqlite3_malloc64((sqlite3_uint64)length + 1);
	if (copy == NULL) {
		return 0;
	}
	memcpy(copy, bytes, (size_t)length);
	copy[length] = '\0';
	int at = slot_of(c, bytes, length);
	c->texts[c->text_count] = (struct text){copy, length};
	c->slots[at] = ++c->text_count;
	c->text_bytes += length + 1;
	return c->text_count;
}

static int set_text(struct cells *c, int64_t id, sqlite3_value *value)
{
	const char *bytes = (const char *)sqlite3_value_text(value);
	int length = sqlite3_value_bytes(value);
	if (bytes == NULL) {
		return 0;
	}
	if (c->kind == CELLS_I32 && c->numbers == 0 && c->takes_text) {
		c->kind = CELLS_TEXT; /* its elements are smaller, so the allocated memory suffices */
		memset(c->values, 0, (size_t)c->n * width_of(CELLS_TEXT));
	}
	int number = c->kind == CELLS_TEXT ? cells_text(c, bytes, length) : 0;
	if (c->kind != CELLS_TEXT || (number == 0 && c->text_count == MAX_TEXTS)) {
		drop(c);
		return 1;
	}
	if (number == 0 && (number = add_text(c, bytes, length)) == 0) {
		return 0;
	}
	((uint16_t *)c->values)[id] = (uint16_t)number;
	return 1;
}

int cells_set(struct cells *c, int64_t id, sqlite3_value *value)
{
	int done = c->kind == CELLS_NONE || reserve(c, id);
	if (c->kind == CELLS_NONE) {
		return 1;
	}
	switch (done ? sqlite3_value_type(value) : 0) {
	case 0:
		break;
	case SQLITE_NULL:
		put_null(c, id);
		break;
	case SQLITE_INTEGER:
		done = set_integer(c, id, sqlite3_value_int64(value));
		break;
	case SQLITE_FLOAT:
		done = set_real(c, id, sqlite3_value_double(value));
		break;
	case SQLITE_TEXT:
		done = set_text(c, id, value);
		break;
	default:
		drop(c);
	}
	if (!done) {
		drop(c);
	}
	return done;
}
