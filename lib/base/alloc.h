/* Checked allocation: every allocation of the library goes through here, so that sizes are multiplied
 * safely and tests can make any one of them fail. */
#ifndef KITH_BASE_ALLOC_H
#define KITH_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/status.h>

/* *out = a · b (a + b); false on overflow. */
bool size_mul(size_t a, size_t b, size_t *out);
bool size_add(size_t a, size_t b, size_t *out);

/* n elements of `size` bytes, 64-byte aligned; NULL on overflow or failure. n = 0 gives a valid
 * pointer. Blocks of 2 MiB and more ask for huge pages. Free with mem_free. */
void *mem_alloc(size_t n, size_t size);
void *mem_zalloc(size_t n, size_t size); /* all zero */
void mem_free(void *p);

/* Copy of a string; NULL on failure. */
char *mem_strdup(const char *s);

/* A growing array of bytes, 64-byte aligned. Big ones live in their own mapping, which the system can
 * move without copying: growing a gigabyte costs no second gigabyte. Zero-initialise to begin.
 *
 * A borrowed one is part of memory that somebody else frees: of a privately mapped file, where writing copies
 * pages, or of a block with many such parts. Nobody else uses that part, and it may lie at any address. When
 * the buffer grows, it moves to memory of its own, and whole pages of the part go back to the system. */
struct buffer {
	char *data;
	size_t capacity; /* bytes */
	bool borrowed;
	bool mapped; /* borrowed of a file */
};

/* Make room for `bytes` bytes, growing by at least `spare` eighths of the present capacity (0: by no more
 * than is needed). What was stored stays; on failure (false) nothing changed. */
bool buffer_reserve(struct buffer *b, size_t bytes, int spare);
void buffer_free(struct buffer *b);

/* Let `to` begin with the first `bytes` bytes of `from`, if that has any. NOMEM names `what`. */
kith_status buffer_copy(struct buffer *to, const struct buffer *from, size_t bytes, const char *what);

/* Make the first `bytes` bytes zero. A big buffer gives its pages back for that, so that those which nobody
 * touches afterwards take no memory. */
void buffer_clear(struct buffer *b, size_t bytes);

/* Give back what is not needed for `bytes` bytes, where the system allows it; cannot fail. */
void buffer_trim(struct buffer *b, size_t bytes);

/* Let an empty buffer borrow `bytes` bytes, which must outlive it. mapped: they are of a mapped file. */
void buffer_borrow(struct buffer *b, char *data, size_t bytes, bool mapped);

/* Bytes of memory that it takes; a part of a block counts as well, a part of a mapped file does not. */
static inline size_t buffer_memory(const struct buffer *b)
{
	return b->mapped ? 0 : b->capacity;
}

/* Testing: make the n-th allocation from now (1 = the next) fail, and all after it if `sticky`;
 * 0: none. Counts allocations of all threads. */
void alloc_fail_at(int64_t n, bool sticky);

/* Testing: allocations since the last alloc_fail_at, and the bytes that they asked for, all together; blocks
 * now allocated. */
int64_t alloc_count(void);
int64_t alloc_bytes(void);
int64_t alloc_live(void);

#endif
