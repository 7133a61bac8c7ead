/* Reading large sections. The time goes into the system, which clears fresh pages and copies into them, so
 * several threads do that, a piece each. A checksum has to go through the pieces in order: whoever has read
 * one hashes those that are ready, unless somebody is at it, while they are still in the cache.
 */
#include "lib/base/blob_parts.h"

#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { PIECE = 1 << 20, MOST_THREADS = 8 };

struct bulk {
	struct blob_reader *r;
	char *out;
	size_t n;
	int64_t pieces;
	_Atomic uint8_t *there; /* [pieces] 1: was read */
	_Atomic bool failed;
	pthread_mutex_t lock; /* of what follows, and the hash of the reader */
	int64_t hashed;       /* pieces */
	kith_status status;
	char message[512];
};

static size_t piece_bytes(const struct bulk *b, int64_t number)
{
	size_t rest = b->n - (size_t)number * PIECE;
	return rest < PIECE ? rest : PIECE;
}

static void hash_what_is_there(struct bulk *b)
{
	for (; b->hashed < b->pieces && atomic_load(&b->there[b->hashed]); b->hashed++)
		XXH3_64bits_update(b->r->hash, b->out + (size_t)b->hashed * PIECE, piece_bytes(b, b->hashed));
}

/* Messages are a thread's own: this one's has to get to the caller. */
static void note_failure(struct bulk *b, kith_status status)
{
	pthread_mutex_lock(&b->lock);
	if (!b->status) {
		b->status = status;
		snprintf(b->message, sizeof b->message, "%s", kith_last_error());
	}
	pthread_mutex_unlock(&b->lock);
	atomic_store(&b->failed, true);
}

static void read_piece(void *arg, int64_t number, int worker)
{
	struct bulk *b = arg;
	const struct blob_source *source = &b->r->source;
	size_t from = (size_t)number * PIECE;
	(void)worker;
	if (atomic_load(&b->failed))
		return;
	kith_status status =
	    source->read(source->owner, b->r->at + from, b->out + from, piece_bytes(b, number));
	if (status) {
		note_failure(b, status);
		return;
	}
	atomic_store(&b->there[number], 1);
	if (b->r->verify && pthread_mutex_trylock(&b->lock) == 0) {
		hash_what_is_there(b);
		pthread_mutex_unlock(&b->lock);
	}
}

kith_status blob_get_bulk(struct blob_reader *r, char *out, size_t n)
{
	struct bulk b = {.r = r, .out = out, .n = n, .pieces = (int64_t)((n + PIECE - 1) / PIECE)};
	int threads = threads_resolve(0);
	b.there = mem_zalloc((size_t)b.pieces, sizeof *b.there);
	if (!b.there)
		return fail_nomem("reading", (size_t)b.pieces);
	pthread_mutex_init(&b.lock, NULL);
	threads_run(threads < MOST_THREADS ? threads : MOST_THREADS, b.pieces, read_piece, &b);
	if (r->verify && !b.status)
		hash_what_is_there(&b);
	pthread_mutex_destroy(&b.lock);
	mem_free((void *)b.there);
	r->at += n;
	return b.status ? fail(b.status, "%s", b.message) : KITH_OK;
}
