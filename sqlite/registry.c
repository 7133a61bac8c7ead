/* A list for the process, under a mutex that is held for look-ups only. A file is known by its path; a
 * database without one belongs to its connection, and so do its indexes. That what is in memory is of this
 * file, and of which state of it, is not told from the path (refresh.c). */
#include "registry.h"

#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct shared *all;

static char *key_of(const struct table *t, int column, int64_t part)
{
	const char *file = sqlite3_db_filename(t->db, t->db_name);
	if (file != NULL && file[0] != '\0') {
		return sqlite3_mprintf("%s\n%s\n%d\n%lld", file, t->name, column, part);
	}
	return sqlite3_mprintf("%p %s\n%s\n%d\n%lld", (void *)t->db, t->db_name, t->name, column, part);
}

static struct shared *find_or_make(char *key)
{
	for (struct shared *s = all; s != NULL; s = s->next) {
		if (strcmp(s->key, key) == 0) {
			sqlite3_free(key);
			s->references++;
			return s;
		}
	}
	struct shared *s = zeroed(sizeof *s);
	if (s == NULL || pthread_rwlock_init(&s->lock, NULL) != 0) {
		sqlite3_free(s);
		sqlite3_free(key);
		return NULL;
	}
	s->key = key;
	s->references = 1;
	s->next = all;
	all = s;
	return s;
}

struct shared *registry_get(struct table *t, int column, int64_t part)
{
	for (struct holding *h = t->holdings; h != NULL; h = h->next) {
		if (h->column == column && h->part == part) {
			return h->shared;
		}
	}
	struct holding *h = sqlite3_malloc64(sizeof *h);
	char *key = h != NULL ? key_of(t, column, part) : NULL;
	if (key == NULL) {
		sqlite3_free(h);
		return NULL;
	}
	pthread_mutex_lock(&mutex);
	struct shared *s = find_or_make(key);
	pthread_mutex_unlock(&mutex);
	if (s == NULL) {
		sqlite3_free(h);
		return NULL;
	}
	*h = (struct holding){column, part, s, t->holdings};
	t->holdings = h;
	return s;
}

static void drop_reference(struct shared *s)
{
	pthread_mutex_lock(&mutex);
	int last = --s->references == 0;
	if (last) {
		struct shared **at = &all;
		while (*at != s) {
			at = &(*at)->next;
		}
		*at = s->next;
	}
	pthread_mutex_unlock(&mutex);
	if (last) {
		live_free(s->live);
		pthread_rwlock_destroy(&s->lock);
		sqlite3_free(s->key);
		sqlite3_free(s);
	}
}

void registry_release(struct table *t)
{
	while (t->holdings != NULL) {
		struct holding *h = t->holdings;
		t->holdings = h->next;
		drop_reference(h->shared);
		sqlite3_free(h);
	}
}

int64_t registry_memory(struct table *t)
{
	int64_t bytes = 0;
	for (struct holding *h = t->holdings; h != NULL; h = h->next) {
		pthread_rwlock_rdlock(&h->shared->lock);
		bytes += h->shared->live != NULL ? live_memory(h->shared->live) : 0;
		pthread_rwlock_unlock(&h->shared->lock);
	}
	return bytes;
}
