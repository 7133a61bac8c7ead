/* Reading large sections. Most of the time the system clears fresh pages and copies into them, so several
 * threads read, each one a huge page at a time: two threads in the same page would both clear it. A page is
 * read in pieces. The checksum goes through all pieces in order: a thread that has read a piece hashes those
 * that are ready, while they are still in the cache, unless another thread is hashing.
 */
#include "lib/base/blob_parts.h"

#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { UNIT = 2 << 20, PIECE = 1 << 19, MAX_THREADS = 8 };

/* Unit 0 ends where a huge page of `out` does; the others are a huge page each. */
struct bulk {
	struct blob_reader *r;
	char *out;
	size_t n, before; /* bytes of the first huge page that are not ours */
	int64_t units;
	_Atomic size_t *there; /* [units] bytes of the unit that were read */
	_Atomic bool failed;
	pthread_mutex_t lock; /* of what follows, and the hash of the reader */
	int64_t unit;         /* that is being hashed */
	size_t hashed;        /* bytes of it so far */
	kith_status status;
	char message[512];
};

static size_t unit_begin(const struct bulk *b, int64_t unit)
{
	size_t at = (size_t)unit * UNIT;
	return unit == 0 ? 0 : at - b->before < b->n ? at - b->before : b->n;
}

static void hash_what_is_there(struct bulk *b)
{
	while (b->unit < b->units) {
		size_t begin = unit_begin(b, b->unit), end = unit_begin(b, b->unit + 1);
		size_t there = atomic_load(&b->there[b->unit]);
		if (there == b->hashed)
			return;
		hash_update(b->r->hash, b->out + begin + b->hashed, there - b->hashed);
		b->hashed = there;
		if (begin + there == end) {
			b->unit++;
			b->hashed = 0;
		}
	}
}

/* Error messages are kept by thread; this one is copied for the caller's thread. */
static void note_failure(struct bulk *b, kith_status status)
{
	pthread_mutex_lock(&b->lock);
	if (!b->status) {
		b->status = status;
		snprintf(b->message, sizeof b->message, "%s", fail_message());
	}
	pthread_mutex_unlock(&b->lock);
	atomic_store(&b->failed, true);
}

static void read_unit(void *arg, int64_t unit, int worker)
{
	struct bulk *b = arg;
	const struct blob_source *source = &b->r->source;
	size_t begin = unit_begin(b, unit), end = unit_begin(b, unit + 1);
	(void)worker;
	for (size_t at = begin, part; at < end && !atomic_load(&b->failed); at += part) {
		part = end - at < PIECE ? end - at : PIECE;
		kith_status status = source->read(source->owner, b->r->at + at, b->out + at, part);
		if (status) {
			note_failure(b, status);
			return;
		}
		atomic_store(&b->there[unit], at + part - begin);
		if (b->r->verify && pthread_mutex_trylock(&b->lock) == 0) {
			hash_what_is_there(b);
			pthread_mutex_unlock(&b->lock);
		}
	}
}

kith_status blob_get_bulk(struct blob_reader *r, char *out, size_t n)
{
	struct bulk b = {.r = r, .out = out, .n = n, .before = (uintptr_t)out % UNIT};
	int threads = threads_resolve(0);
	b.units = (int64_t)((b.before + n + UNIT - 1) / UNIT);
	b.there = mem_zalloc((size_t)b.units, sizeof *b.there);
	if (!b.there)
		return fail_nomem("reading", (size_t)b.units * sizeof *b.there);
	pthread_mutex_init(&b.lock, NULL);
	threads_run(threads < MAX_THREADS ? threads : MAX_THREADS, b.units, read_unit, &b);
	if (r->verify && !b.status)
		hash_what_is_there(&b);
	pthread_mutex_destroy(&b.lock);
	mem_free((void *)b.there);
	r->at += n;
	return b.status ? fail(b.status, "%s", b.message) : KITH_OK;
}
