/* A list of the process's shared indexes, protected by a mutex that is held only for look-ups. A database
 * is identified by its path; a database without a file, and its indexes, belong to one connection. Whether
 * an index in memory really represents a state of the file at this path is checked separately (refresh.c). */
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

void registry_note(struct shared *s, int64_t bytes)
{
	static int64_t clock;
	pthread_mutex_lock(&mutex);
	s->used = ++clock;
	s->bytes = bytes >= 0 ? bytes : s->bytes;
	pthread_mutex_unlock(&mutex);
}

/* The common prefix of the keys of a table's indexes; NULL: out of memory. */
static char *prefix_of(const struct table *t)
{
	char *key = key_of(t, 0, 0);
	if (key != NULL) {
		key[strlen(key) - strlen("0\n0")] = '\0';
	}
	return key;
}

static int has_prefix(const struct shared *s, const char *prefix)
{
	return strncmp(s->key, prefix, strlen(prefix)) == 0;
}

static int64_t sum(const char *prefix)
{
	int64_t bytes = 0;
	for (const struct shared *s = all; s != NULL; s = s->next) {
		bytes += has_prefix(s, prefix) ? s->bytes : 0;
	}
	return bytes;
}

int64_t registry_memory(struct table *t)
{
	char *prefix = prefix_of(t);
	int64_t bytes = 0;
	if (prefix != NULL) {
		pthread_mutex_lock(&mutex);
		bytes = sum(prefix);
		pthread_mutex_unlock(&mutex);
	}
	sqlite3_free(prefix);
	return bytes;
}

/* Drop that index of a table that was not used for the longest time among those used after *since, and set
 * *since to the time of its last use. Returns 0 if there is none. An index in use is skipped. */
static int drop_oldest(const char *prefix, const struct shared *keep, int64_t *since)
{
	struct shared *oldest = NULL;
	for (struct shared *s = all; s != NULL; s = s->next) {
		if (s != keep && s->bytes > 0 && s->used > *since && has_prefix(s, prefix) &&
		    (oldest == NULL || s->used < oldest->used)) {
			oldest = s;
		}
	}
	if (oldest == NULL) {
		return 0;
	}
	*since = oldest->used;
	if (pthread_rwlock_trywrlock(&oldest->lock) == 0) {
		live_free(oldest->live);
		oldest->live = NULL;
		oldest->bytes = 0;
		pthread_rwlock_unlock(&oldest->lock);
	}
	return 1;
}

void registry_limit(struct table *t, const struct shared *keep, int64_t bytes)
{
	char *prefix = prefix_of(t);
	int64_t since = 0;
	if (prefix == NULL) {
		return;
	}
	pthread_mutex_lock(&mutex);
	while (sum(prefix) > bytes && drop_oldest(prefix, keep, &since)) {
	}
	pthread_mutex_unlock(&mutex);
	sqlite3_free(prefix);
}
