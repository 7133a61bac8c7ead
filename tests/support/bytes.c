/* See bytes.h. */
#include "tests/support/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"

kith_status bytes_append(void *owner, const void *from, size_t n)
{
	struct bytes *b = owner;
	char *grown = realloc(b->data, b->n + n);
	REQUIRE(grown);
	memcpy(grown + b->n, from, n);
	b->data = grown;
	b->n += n;
	return KITH_OK;
}

kith_status bytes_fetch(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct bytes *b = owner;
	REQUIRE(offset <= b->n && n <= b->n - offset);
	if (n)
		memcpy(out, b->data + offset, n);
	return KITH_OK;
}

struct bytes saved_bytes(const kith_index *index)
{
	struct bytes b = {0};
	OK(kith_index_to_bytes(index, NULL, 0, &b.n));
	b.data = make((int64_t)b.n, 1);
	OK(kith_index_to_bytes(index, b.data, b.n, &b.n));
	return b;
}
