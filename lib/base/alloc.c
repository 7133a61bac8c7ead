/* Checked allocation.
 *
 * Small blocks come from aligned_alloc. A `struct buffer` above BUFFER_MAP bytes is an anonymous mapping
 * that mremap grows in place or moves by page tables, so the peak while growing is the array itself; an
 * untouched spare costs address space only. Other systems fall back to allocate, copy, free.
 */
#include "lib/base/alloc.h"

#include "lib/base/status.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

enum { ALIGN = 64 };
static const size_t HUGE_PAGE = (size_t)2 << 20;
static const size_t BUFFER_MAP = (size_t)1 << 20;

/* From so many bytes on a buffer is cleared by giving its pages back: the system clears them at their next
 * use. */
static const size_t CLEAR_PAGES = (size_t)64 << 20;

static _Atomic int64_t made, asked, live, fail_from;
static _Atomic bool fail_sticky;

bool size_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

bool size_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

/* Counts an allocation; false if the test asked it to fail. */
static bool allowed(size_t bytes)
{
	atomic_fetch_add_explicit(&asked, (int64_t)bytes, memory_order_relaxed);
	int64_t n = atomic_fetch_add(&made, 1) + 1;
	int64_t from = atomic_load(&fail_from);
	return from == 0 || n < from || (n > from && !atomic_load(&fail_sticky));
}

void alloc_fail_at(int64_t n, bool sticky)
{
	atomic_store(&fail_from, 0);
	atomic_store(&made, 0);
	atomic_store(&asked, 0);
	atomic_store(&fail_sticky, sticky);
	atomic_store(&fail_from, n);
}

int64_t alloc_count(void)
{
	return atomic_load(&made);
}

int64_t alloc_bytes(void)
{
	return atomic_load(&asked);
}

int64_t alloc_live(void)
{
	return atomic_load(&live);
}

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

/* Transparent huge pages save TLB misses when rows are fetched at random; a refusal costs nothing. */
static void ask_huge(void *p, size_t bytes)
{
#if defined(__linux__)
	if (bytes >= HUGE_PAGE)
		madvise(p, bytes, MADV_HUGEPAGE);
#else
	(void)p;
	(void)bytes;
#endif
}

void *mem_alloc(size_t n, size_t size)
{
	size_t bytes;
	if (!size_mul(n, size, &bytes) || bytes > SIZE_MAX / 2 || !allowed(bytes))
		return NULL;
	size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : ALIGN;
	void *p = aligned_alloc(align, round_up(bytes ? bytes : 1, align));
	if (!p)
		return NULL;
	ask_huge(p, bytes);
	atomic_fetch_add(&live, 1);
	return p;
}

void *mem_zalloc(size_t n, size_t size)
{
	void *p = mem_alloc(n, size);
	if (p)
		memset(p, 0, n * size);
	return p;
}

void mem_free(void *p)
{
	if (!p)
		return;
	atomic_fetch_sub(&live, 1);
	free(p);
}

char *mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = mem_alloc(n, 1);
	if (copy)
		memcpy(copy, s, n);
	return copy;
}

/* Round up to huge pages, which are cleared three times as fast as small ones, if that wastes a sixteenth at
 * most. */
static size_t whole_pages(size_t bytes)
{
	size_t huge = round_up(bytes, HUGE_PAGE);
	return huge - bytes <= bytes / 16 ? huge : round_up(bytes, 4096);
}

#if defined(__linux__)
static bool is_mapped(size_t capacity)
{
	return capacity >= BUFFER_MAP;
}

/* New mapping of `want` bytes with b's content; NULL on failure, b then unchanged. */
static char *remap(struct buffer *b, size_t want)
{
	char *p;
	if (!b->borrowed && is_mapped(b->capacity)) {
		p = mremap(b->data, b->capacity, want, MREMAP_MAYMOVE);
		return p == MAP_FAILED ? NULL : p;
	}
	p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (b->capacity)
		memcpy(p, b->data, b->capacity);
	if (!b->borrowed)
		free(b->data);
	return p;
}

/* Give back the whole pages of a borrowed part that is not used any more. The pages at its ends may hold
 * bytes of its neighbours, too. */
static void give_back(const struct buffer *b)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	size_t before = (size_t)(-(uintptr_t)b->data % page);
	if (b->capacity >= before + page)
		madvise(b->data + before, (b->capacity - before) / page * page, MADV_DONTNEED);
}
#else
static bool is_mapped(size_t capacity)
{
	(void)capacity;
	return false;
}

static char *remap(struct buffer *b, size_t want)
{
	(void)b;
	(void)want;
	return NULL;
}

static void give_back(const struct buffer *b)
{
	(void)b;
}
#endif

bool buffer_reserve(struct buffer *b, size_t bytes, int spare)
{
	if (bytes <= b->capacity)
		return true;
	if (bytes > SIZE_MAX / 4)
		return false;
	size_t want = b->capacity + b->capacity / 8 * (size_t)spare;
	if (want < bytes)
		want = bytes;
	bool map = is_mapped(want);
	want = map ? whole_pages(want) : round_up(want, ALIGN);
	if (!allowed(want - b->capacity))
		return false;
	char *p;
	if (map) {
		p = remap(b, want);
		if (p)
			ask_huge(p, want);
	} else {
		p = aligned_alloc(ALIGN, want);
		if (p && b->capacity)
			memcpy(p, b->data, b->capacity);
		if (p && !b->borrowed)
			free(b->data);
	}
	if (!p)
		return false;
	if (!b->data || b->borrowed)
		atomic_fetch_add(&live, 1);
	if (b->borrowed)
		give_back(b);
	*b = (struct buffer){.data = p, .capacity = want};
	return true;
}

void buffer_clear(struct buffer *b, size_t bytes)
{
#if defined(__linux__)
	if (!b->borrowed && is_mapped(b->capacity) && bytes >= CLEAR_PAGES &&
	    madvise(b->data, round_up(bytes, 4096), MADV_DONTNEED) == 0)
		return;
#endif
	if (bytes)
		memset(b->data, 0, bytes);
}

/* A mapping keeps at least BUFFER_MAP bytes: buffer_free tells by the capacity that it is one. */
static void trim_mapped(struct buffer *b, size_t bytes)
{
#if defined(__linux__)
	size_t want = round_up(bytes > BUFFER_MAP ? bytes : BUFFER_MAP, 4096);
	void *p = want < b->capacity ? mremap(b->data, b->capacity, want, 0) : MAP_FAILED;
	if (p != MAP_FAILED)
		b->capacity = want;
#else
	(void)b;
	(void)bytes;
#endif
}

void buffer_trim(struct buffer *b, size_t bytes)
{
	size_t want = round_up(bytes, ALIGN);
	if (b->borrowed || want >= b->capacity)
		return;
	if (is_mapped(b->capacity)) {
		trim_mapped(b, bytes);
		return;
	}
	char *p = want && allowed(want) ? aligned_alloc(ALIGN, want) : NULL;
	if (!want) {
		buffer_free(b);
	} else if (p) {
		memcpy(p, b->data, want);
		free(b->data);
		*b = (struct buffer){.data = p, .capacity = want};
	}
}

kith_status buffer_copy(struct buffer *to, const struct buffer *from, size_t bytes, const char *what)
{
	if (!from->data)
		return KITH_OK;
	if (!buffer_reserve(to, bytes, 0))
		return fail_nomem(what, bytes);
	if (bytes)
		memcpy(to->data, from->data, bytes);
	return KITH_OK;
}

void buffer_borrow(struct buffer *b, char *data, size_t bytes, bool mapped)
{
	*b = (struct buffer){
	    .data = data, .capacity = bytes, .borrowed = bytes > 0, .mapped = mapped && bytes > 0};
	if (bytes == 0)
		b->data = NULL;
}

void buffer_free(struct buffer *b)
{
	if (!b->data || b->borrowed) {
		*b = (struct buffer){0};
		return;
	}
	atomic_fetch_sub(&live, 1);
#if defined(__linux__)
	if (is_mapped(b->capacity))
		munmap(b->data, b->capacity);
	else
#endif
		free(b->data);
	*b = (struct buffer){0};
}
