/* Readers update the shared index, as long as they see only committed data. A connection within a write
 * transaction also sees its own changes, which it does not put into the shared index; it compares the changed
 * rows one by one. Writers write snapshots just before they commit, within the same transaction, and share
 * the new indexes after the commit (commit.c).
 *
 * Locks: `live` of struct shared is read with its lock held for reading, and loaded and changed with it
 * held for writing. */
#include "refresh.h"

#include <string.h>

#include "build.h"
#include "cells_load.h"
#include "rows.h"
#include "snapshot.h"

static const int64_t MAX_SEQ = (int64_t)1 << 62;

/* ---- configuration ---- */

int index_spec(struct table *t, const struct column *c, char **spec)
{
	sqlite3_stmt *s;
	char key[24];
	*spec = NULL;
	int rc = statement_borrow(t, CONFIG_GET, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_snprintf((int)sizeof key, key, "index%d", c->number);
	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) == SQLITE_TEXT) {
		const char *text = (const char *)sqlite3_column_text(s, 0);
		/* 'Flat' means no index. */
		if (text != NULL && text[0] != '\0' && sqlite3_stricmp(text, "Flat") != 0) {
			*spec = sqlite3_mprintf("%s", text);
			rc = *spec != NULL ? SQLITE_OK : SQLITE_NOMEM;
		}
	}
	int end = sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc != SQLITE_OK || end == SQLITE_OK ? rc : table_forward(t, end);
}

/* A number of at least min in T_config, or a default if there is none. */
static int config_number(struct table *t, const char *key, int64_t min, int64_t by_default, int64_t *out)
{
	sqlite3_stmt *s;
	*out = by_default;
	int rc = statement_borrow(t, CONFIG_GET, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) == SQLITE_INTEGER &&
	    sqlite3_column_int64(s, 0) >= min) {
		*out = sqlite3_column_int64(s, 0);
	}
	rc = sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

int index_memory_limit(struct table *t, int64_t *bytes)
{
	return config_number(t, "memory", 0, -1, bytes);
}

int index_load_config(struct table *t)
{
	int rc = config_number(t, "index_from", 1, INDEX_FROM, &t->index_from);
	t->indexed = 0;
	for (int i = 0; i < t->schema.n && rc == SQLITE_OK; i++) {
		char *spec;
		if (t->schema.columns[i].kind == COLUMN_VECTOR) {
			rc = index_spec(t, &t->schema.columns[i], &spec);
			t->indexed |= spec != NULL;
			sqlite3_free(spec);
		}
	}
	return rc;
}

int part_state(struct table *t, int64_t part, struct part_state *state)
{
	sqlite3_stmt *s;
	*state = (struct part_state){.part = part, .base = -1};
	int rc = statement_borrow(t, PART_STATE, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, part);
	if (sqlite3_step(s) == SQLITE_ROW) {
		state->n = sqlite3_column_int64(s, 0);
		state->seq = sqlite3_column_int64(s, 1);
		state->mark = sqlite3_column_int64(s, 2);
		if (sqlite3_column_type(s, 3) != SQLITE_NULL) {
			state->base = sqlite3_column_int64(s, 3);
			state->base_mark = sqlite3_column_int64(s, 4);
		}
	}
	rc = sqlite3_reset(s);
	if (rc != SQLITE_OK) {
		return table_forward(t, rc);
	}
	if (state->n < 0 || (t->chunk_rows > 0 && state->n / t->chunk_rows >= (int64_t)1 << SEQ_BITS)) {
		return table_corrupt(t, "part %lld has %lld rows", (long long)part, (long long)state->n);
	}
	if (state->seq < 0 || state->seq > MAX_SEQ || state->base < -1 || state->base > state->seq) {
		return table_corrupt(
		    t, "part %lld has changed %lld times", (long long)part, (long long)state->seq);
	}
	return SQLITE_OK;
}

/* ---- reading ---- */

int delta_read(
    struct table *t, int64_t part, int64_t seq, int64_t wanted, struct delta *d, struct delta *vectors)
{
	sqlite3_stmt *s;
	int64_t n = 0;
	*d = (struct delta){0};
	if (vectors != NULL) {
		*vectors = (struct delta){0};
	}
	int rc = statement_borrow(t, CHANGE_LIST, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, part);
	sqlite3_bind_int64(s, 2, seq);
	for (; rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW; n++) {
		rc = delta_push(d, sqlite3_column_int64(s, 0));
		if (rc == SQLITE_OK && vectors != NULL && sqlite3_column_int(s, 1)) {
			rc = delta_push(vectors, sqlite3_column_int64(s, 0));
		}
	}
	int end = sqlite3_reset(s);
	if (rc == SQLITE_OK && end != SQLITE_OK) {
		rc = table_forward(t, end);
	}
	if (rc == SQLITE_OK && n != wanted) {
		rc = table_corrupt(t, "part %lld has %lld changes instead of %lld", (long long)part,
		    (long long)n, (long long)wanted);
	}
	delta_sort(d);
	if (vectors != NULL) {
		delta_sort(vectors);
	}
	if (rc != SQLITE_OK) {
		delta_free(d);
		if (vectors != NULL) {
			delta_free(vectors);
		}
	}
	return rc;
}

/* Whether the state that an index represents is the part's present state, or an earlier one since its
 * snapshot. */
static int is_ancestor(struct table *t, const struct part_state *p, const struct live *l, int *yes)
{
	sqlite3_stmt *s;
	*yes = (l->seq == p->seq && l->mark == p->mark) || (l->seq == p->base && l->mark == p->base_mark);
	if (*yes || l->seq < p->base || l->seq > p->seq) {
		return SQLITE_OK;
	}
	int rc = statement_borrow(t, CHANGE_FIND, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_int64(s, 1, p->part);
	sqlite3_bind_int64(s, 2, l->seq);
	*yes = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int64(s, 0) == l->mark;
	rc = sqlite3_reset(s);
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

/* Load the snapshot, unless the index in memory can be used. The lock is held for writing. */
static int load(struct table *t, const struct column *c, const struct part_state *p, struct shared *s)
{
	int usable = 0;
	int rc = s->live != NULL ? is_ancestor(t, p, s->live, &usable) : SQLITE_OK;
	if (rc != SQLITE_OK || usable) {
		return rc;
	}
	/* An index that is newer than this transaction is still used by other transactions. But if it is
	 * from another history of the file, no transaction can use it, so it is replaced after some
	 * searches. */
	if (s->live != NULL && s->live->seq > p->seq && ++s->misses < 8) {
		return SQLITE_OK;
	}
	s->misses = 0;
	struct live *l;
	rc = snapshot_read(t, p->part, c, &l);
	if (rc != SQLITE_OK || l == NULL) {
		return rc;
	}
	char *spec;
	rc = index_spec(t, c, &spec);
	if (rc != SQLITE_OK) {
		live_free(l);
		return rc;
	}
	l->exact = spec != NULL && live_is_exact(spec, c->metric);
	sqlite3_free(spec);
	l->seq = p->base;
	l->mark = p->base_mark;
	live_free(s->live);
	s->live = l;
	return SQLITE_OK;
}

/* Take changes into account: rows whose vectors have changed are removed from the index and become
 * pending; for all changed rows, the columns in memory are updated. */
static int take_changes(struct table *t, struct live *l, const struct delta *all, const struct delta *vectors)
{
	int rc = SQLITE_OK;
	for (int64_t i = 0; i < vectors->n; i++) {
		live_remove(l, vectors->rowids[i]);
	}
	for (int64_t i = 0; i < all->n && rc == SQLITE_OK; i++) {
		rc = cells_update(t, l, all->rowids[i]);
	}
	return rc == SQLITE_OK ? delta_join(&l->pending, vectors) : rc;
}

/* Add some of the pending rows. Adding a row takes far longer than comparing it, so each search adds only
 * a few; searches compare the remaining ones one by one. */
static int add_pending(struct table *t, const struct column *c, int64_t part, struct live *l)
{
	int64_t n = l->pending.n / ADDED_SHARE;
	n = n < MIN_ADDED ? MIN_ADDED : n;
	struct delta some = {.n = n < l->pending.n ? n : l->pending.n, .rowids = l->pending.rowids};
	int rc = build_apply(t, c, l, part, &some);
	if (rc == SQLITE_OK) {
		l->pending.n -= some.n;
		memmove(l->pending.rowids, l->pending.rowids + some.n,
		    (size_t)l->pending.n * sizeof *l->pending.rowids);
	}
	return rc;
}

/* Apply committed changes to the index. The lock is held for writing. If this fails, the index is dropped,
 * because it may be incomplete. */
static int catch_up(struct table *t, const struct column *c, const struct part_state *p, struct shared *s)
{
	struct delta all = {0};
	struct delta vectors = {0};
	int usable = 0;
	struct live *l = s->live;
	int rc = l != NULL ? is_ancestor(t, p, l, &usable) : SQLITE_OK;
	if (rc != SQLITE_OK || !usable || (l->seq == p->seq && l->pending.n == 0)) {
		return rc;
	}
	if (l->seq != p->seq) {
		rc = delta_read(t, p->part, l->seq, p->seq - l->seq, &all, &vectors);
		if (rc != SQLITE_OK) {
			return rc;
		}
		rc = take_changes(t, l, &all, &vectors);
		l->seq = p->seq;
		l->mark = p->mark;
	}
	if (rc == SQLITE_OK && l->pending.n > 0) {
		rc = add_pending(t, c, p->part, l);
	}
	if (rc == SQLITE_OK) {
		rc = table_status(t, live_prepare(l));
	}
	delta_free(&all);
	delta_free(&vectors);
	if (rc != SQLITE_OK) {
		live_free(s->live);
		s->live = NULL;
	}
	return rc;
}

/* Read the columns on which a query has conditions. The first search with such conditions does not do so,
 * because reading a column does not pay for a single search. */
static int load_columns(
    struct table *t, const struct part_state *p, struct shared *s, const int *columns, int n)
{
	struct live *l = s->live;
	if (l == NULL || n == 0 || l->seq != p->seq || l->mark != p->mark || s->column_searches++ == 0) {
		return SQLITE_OK;
	}
	return cells_load(t, l, columns, n);
}

/* Update the shared index. Running searches are waited for only if this is urgent: if there are many
 * changes, or no usable index. */
static int update_shared(struct table *t, const struct column *c, const struct part_state *p,
    struct shared *s, int urgent, const int *columns, int n)
{
	if (pthread_rwlock_trywrlock(&s->lock) != 0) {
		if (!urgent) {
			return SQLITE_OK;
		}
		pthread_rwlock_wrlock(&s->lock);
	}
	int writing = sqlite3_txn_state(t->db, t->db_name) == SQLITE_TXN_WRITE;
	int rc = load(t, c, p, s);
	if (rc == SQLITE_OK && !writing) {
		rc = catch_up(t, c, p, s);
	}
	if (rc == SQLITE_OK && !writing) {
		rc = load_columns(t, p, s, columns, n);
	}
	registry_note(s, s->live != NULL ? live_memory(s->live) : 0);
	pthread_rwlock_unlock(&s->lock);
	return rc;
}

/* Drop indexes of the table, except this one, until they comply with the memory limit. */
static int apply_memory_limit(struct table *t, const struct shared *s)
{
	int64_t bytes;
	int rc = index_memory_limit(t, &bytes);
	if (rc == SQLITE_OK && bytes >= 0) {
		registry_limit(t, s, bytes);
	}
	return rc;
}

/* The rows whose present state is not in the index. */
static int read_pending(
    struct table *t, const struct part_state *p, const struct live *l, struct delta *delta)
{
	int rc = l->seq != p->seq ? delta_read(t, p->part, l->seq, p->seq - l->seq, delta, NULL) : SQLITE_OK;
	return rc == SQLITE_OK && l->pending.n > 0 ? delta_join(delta, &l->pending) : rc;
}

int index_acquire(struct table *t, const struct column *c, int64_t part, const int *columns, int n,
    struct shared **out, struct delta *delta)
{
	struct part_state p;
	int usable = 0;
	*out = NULL;
	*delta = (struct delta){0};
	int rc = part_state(t, part, &p);
	if (rc != SQLITE_OK || p.base < 0) {
		return rc;
	}
	struct shared *s = registry_get(t, c->number, part);
	if (s == NULL) {
		return SQLITE_NOMEM;
	}
	pthread_rwlock_rdlock(&s->lock);
	rc = s->live != NULL ? is_ancestor(t, &p, s->live, &usable) : SQLITE_OK;
	int64_t lag = usable ? p.seq - s->live->seq + s->live->pending.n : 0;
	int lacks = usable && cells_are_missing(s->live, columns, n);
	if (rc == SQLITE_OK && (!usable || lag > 0 || lacks)) {
		pthread_rwlock_unlock(&s->lock);
		rc = update_shared(t, c, &p, s, !usable || lag > URGENT_LAG, columns, n);
		if (rc == SQLITE_OK) {
			rc = apply_memory_limit(t, s);
		}
		pthread_rwlock_rdlock(&s->lock);
		usable = 0;
		if (rc == SQLITE_OK && s->live != NULL) {
			rc = is_ancestor(t, &p, s->live, &usable);
		}
	}
	if (rc == SQLITE_OK && usable) {
		rc = read_pending(t, &p, s->live, delta);
	}
	if (rc != SQLITE_OK || !usable) {
		pthread_rwlock_unlock(&s->lock);
		delta_free(delta);
		return rc;
	}
	registry_note(s, -1);
	*out = s;
	return SQLITE_OK;
}

void index_release(struct shared *s, struct delta *delta)
{
	pthread_rwlock_unlock(&s->lock);
	delta_free(delta);
}
