/* Readers bring the shared index up to date, as long as they see nothing but what was committed: a
 * connection that is writing sees more, and compares the rows that its index does not know one by one.
 * Snapshots are made by writers, just before they commit, so that they are part of the same transaction;
 * what was made is shared once it is committed. */
#include "refresh.h"

#include <string.h>

#include "build.h"
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
		/* Flat is what there is without an index. */
		if (text != NULL && text[0] != '\0' && sqlite3_stricmp(text, "Flat") != 0) {
			*spec = sqlite3_mprintf("%s", text);
			rc = *spec != NULL ? SQLITE_OK : SQLITE_NOMEM;
		}
	}
	int end = sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc != SQLITE_OK || end == SQLITE_OK ? rc : table_forward(t, end);
}

static int load_index_from(struct table *t)
{
	sqlite3_stmt *s;
	t->index_from = INDEX_FROM;
	int rc = statement_borrow(t, CONFIG_GET, &s);
	if (rc != SQLITE_OK) {
		return rc;
	}
	sqlite3_bind_text(s, 1, "index_from", -1, SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int64(s, 0) > 0) {
		t->index_from = sqlite3_column_int64(s, 0);
	}
	rc = sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

int index_load_config(struct table *t)
{
	int rc = load_index_from(t);
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
	if (state->seq < 0 || state->seq > MAX_SEQ || state->base < -1 || state->base > state->seq) {
		return table_corrupt(
		    t, "part %lld has changed %lld times", (long long)part, (long long)state->seq);
	}
	return SQLITE_OK;
}

/* ---- reading ---- */

/* Whether a part has been in the state that an index shows, since its snapshot. */
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

/* Load the snapshot if what is there is of no use. The lock is held for writing. */
static int load(struct table *t, const struct column *c, const struct part_state *p, struct shared *s)
{
	int usable = 0;
	int rc = s->live != NULL ? is_ancestor(t, p, s->live, &usable) : SQLITE_OK;
	if (rc != SQLITE_OK || usable) {
		return rc;
	}
	/* An index that is ahead of this transaction serves others; of another history it serves none for
	 * long. */
	if (s->live != NULL && s->live->seq > p->seq && ++s->misses < 8) {
		return SQLITE_OK;
	}
	s->misses = 0;
	struct live *l;
	rc = snapshot_read(t, p->part, c, &l);
	if (rc != SQLITE_OK || l == NULL) {
		return rc;
	}
	l->seq = p->base;
	l->mark = p->base_mark;
	live_free(s->live);
	s->live = l;
	return SQLITE_OK;
}

/* Apply what was committed. The lock is held for writing. What fails in the middle leaves nothing to
 * search. */
static int catch_up(struct table *t, const struct column *c, const struct part_state *p, struct shared *s)
{
	struct delta d;
	int usable = 0;
	int rc = s->live != NULL ? is_ancestor(t, p, s->live, &usable) : SQLITE_OK;
	if (rc != SQLITE_OK || !usable || s->live->seq == p->seq) {
		return rc;
	}
	rc = delta_read(t, p->part, s->live->seq, p->seq - s->live->seq, &d);
	if (rc != SQLITE_OK) {
		return rc;
	}
	rc = build_apply(t, c, s->live, p, &d);
	delta_free(&d);
	if (rc != SQLITE_OK) {
		live_free(s->live);
		s->live = NULL;
	}
	return rc;
}

int index_acquire(
    struct table *t, const struct column *c, int64_t part, struct shared **out, struct delta *delta)
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
	int writing = sqlite3_txn_state(t->db, t->db_name) == SQLITE_TXN_WRITE;
	if (rc == SQLITE_OK && (!usable || (p.seq - s->live->seq > LAG && !writing))) {
		pthread_rwlock_unlock(&s->lock);
		pthread_rwlock_wrlock(&s->lock);
		rc = load(t, c, &p, s);
		if (rc == SQLITE_OK && !writing) {
			rc = catch_up(t, c, &p, s);
		}
		pthread_rwlock_unlock(&s->lock);
		pthread_rwlock_rdlock(&s->lock);
		usable = 0;
		if (rc == SQLITE_OK && s->live != NULL) {
			rc = is_ancestor(t, &p, s->live, &usable);
		}
	}
	if (rc == SQLITE_OK && usable && s->live->seq != p.seq) {
		rc = delta_read(t, part, s->live->seq, p.seq - s->live->seq, delta);
	}
	if (rc != SQLITE_OK || !usable) {
		pthread_rwlock_unlock(&s->lock);
		return rc;
	}
	*out = s;
	return SQLITE_OK;
}

void index_release(struct shared *s, struct delta *delta)
{
	pthread_rwlock_unlock(&s->lock);
	delta_free(delta);
}
