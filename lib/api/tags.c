/* Strings that a caller keeps with an index: one text of key, zero, value, zero, … ascending by key, as it is
 * in the file. There are few of them, so each call goes through the text. */
#include "lib/api/tags.h"

#include "lib/api/guard.h"
#include "lib/api/journal.h"
#include "lib/base/status.h"
#include "lib/index/index_state.h"

#include <kith/file.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20 }; /* of all */

/* Where in the text key is or would be inserted; *length: of key and value, 0: it is not there. */
static size_t find(const struct index_state *state, const char *key, size_t *length)
{
	const char *text = state->tags.data;
	size_t at = 0;
	while (at < state->tag_bytes) {
		size_t here = strlen(text + at) + 1;
		here += strlen(text + at + here) + 1;
		int order = strcmp(text + at, key);
		*length = order == 0 ? here : 0;
		if (order >= 0)
			return at;
		at += here;
	}
	*length = 0;
	return at;
}

static kith_status set(kith_index *index, const char *key, const char *value)
{
	struct index_state *state = index_state_of(index);
	if (!state)
		return KITH_NOMEM;
	size_t key_bytes = strlen(key) + 1, value_bytes = value ? strlen(value) + 1 : 0, old;
	size_t at = find(state, key, &old), more = value ? key_bytes + value_bytes : 0;
	if (more > MAX_BYTES || state->tag_bytes - old > MAX_BYTES - more)
		return fail(
		    KITH_INVALID, "value: all keys and values of an index may take %d bytes", MAX_BYTES);
	if (!buffer_reserve(&state->tags, state->tag_bytes - old + more, 1))
		return fail_nomem("a text", more);
	char *text = state->tags.data;
	if (state->tag_bytes > at + old)
		memmove(text + at + more, text + at + old, state->tag_bytes - at - old);
	if (value) {
		memcpy(text + at, key, key_bytes);
		memcpy(text + at + key_bytes, value, value_bytes);
	}
	state->tag_bytes += more - old;
	return KITH_OK;
}

kith_status kith_index_tag_set(kith_index *index, const char *key, const char *value)
{
	if (!index || !key || !*key)
		return fail(KITH_INVALID, "%s", !index ? "index is NULL" : "key is NULL or empty");
	size_t key_bytes = strlen(key) + 1, value_bytes = value ? strlen(value) + 1 : 0;
	if (key_bytes > MAX_BYTES || value_bytes > MAX_BYTES)
		return fail(KITH_INVALID, "key and value may take %d bytes", MAX_BYTES);
	char *text = mem_alloc(key_bytes + value_bytes, 1);
	if (!text)
		return fail_nomem("a text", key_bytes + value_bytes);
	memcpy(text, key, key_bytes);
	if (value)
		memcpy(text + key_bytes, value, value_bytes);
	struct change change = {.kind = CHANGE_TAG, .n = (int64_t)(key_bytes + value_bytes), .x = text};
	kith_status status = write_begin(index);
	if (status == KITH_OK) {
		status = change_begin(index, &change);
		if (status == KITH_OK) {
			/* The arguments may lie among the tags that this moves. */
			status = set(index, text, value ? text + key_bytes : NULL);
			change_end(index, status);
		}
		write_end(index);
	}
	mem_free(text);
	return status;
}

const char *kith_index_tag(const kith_index *index, const char *key)
{
	size_t length;
	if (!index || !index->state || !key)
		return NULL;
	size_t at = find(index->state, key, &length);
	return length ? index->state->tags.data + at + strlen(key) + 1 : NULL;
}

const char *kith_index_tag_at(const kith_index *index, int64_t i)
{
	if (!index || !index->state || i < 0)
		return NULL;
	const char *text = index->state->tags.data, *end = text + index->state->tag_bytes;
	for (; text < end; i--) {
		if (i == 0)
			return text;
		text += strlen(text) + 1;
		text += strlen(text) + 1;
	}
	return NULL;
}

/* ---- files ---- */

void tags_save(const kith_index *index, struct blob_writer *w)
{
	if (index->state && index->state->tag_bytes)
		blob_write(w, "user", index->state->tags.data, index->state->tag_bytes);
}

/* Pairs of strings, keys ascending and not empty. */
static bool well_formed(const char *text, size_t n)
{
	const char *before = "", *end = text + n;
	if (n == 0 || text[n - 1] != 0)
		return false;
	while (text < end) {
		const char *key = text;
		if (strcmp(before, key) >= 0)
			return false;
		text += strlen(text) + 1;
		if (text == end)
			return false;
		text += strlen(text) + 1;
		before = key;
	}
	return true;
}

kith_status tags_load(kith_index *index, struct blob_reader *r)
{
	if (!blob_has(r, "user"))
		return KITH_OK;
	uint64_t n = blob_length(r, "user");
	struct index_state *state = index_state_of(index);
	if (!state)
		return KITH_NOMEM;
	if (n > MAX_BYTES)
		return blob_fail(r, "user", "holds more text than it may");
	if (!buffer_reserve(&state->tags, (size_t)n, 0))
		return fail_nomem("a text", (size_t)n);
	kith_status status = blob_read(r, "user", state->tags.data, (size_t)n);
	if (status == KITH_OK && !well_formed(state->tags.data, (size_t)n))
		status = blob_fail(r, "user", "does not hold keys and values in order");
	if (status == KITH_OK)
		state->tag_bytes = (size_t)n;
	return status;
}

kith_status tags_copy(kith_index *to, const kith_index *from)
{
	if (!from->state || !from->state->tag_bytes)
		return KITH_OK;
	struct index_state *state = index_state_of(to);
	size_t n = from->state->tag_bytes;
	if (!state)
		return KITH_NOMEM;
	if (!buffer_reserve(&state->tags, n, 0))
		return fail_nomem("a text", n);
	memcpy(state->tags.data, from->state->tags.data, n);
	state->tag_bytes = n;
	return KITH_OK;
}

kith_status tags_apply(kith_index *index, const char *text, size_t n)
{
	size_t key = strnlen(text, n) + 1;
	if (key == 1 || key > n)
		return fail(KITH_INVALID, "a key is not terminated, or empty");
	if (key < n && key + strnlen(text + key, n - key) + 1 != n)
		return fail(KITH_INVALID, "a value is not terminated");
	return kith_index_tag_set(index, text, key < n ? text + key : NULL);
}
