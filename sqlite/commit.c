/* Writes snapshots of indexes at the end of a transaction. A part gets a snapshot when it has grown large
 * enough for an index, or when so much has changed since its last snapshot that reading the changes would
 * take long. */
#include <string.h>

#include "build.h"
#include "refresh.h"
#include "snapshot.h"

/* An index whose snapshot was written by this transaction. */
struct new_index {
	int column;
	int64_t part;
	struct live *live;
	struct new_index *next;
};

void index_rollback(struct table *t)
{
	while (t->new_indexes != NULL) {
		struct new_index *p = t->new_indexes;
		t->new_indexes = p->next;
		live_free(p->live);
		sqlite3_free(p);
	}
	t->changed = 0;
}

void index_commit(struct table *t)
{
	for (struct new_index *p = t->new_indexes; p != NULL; p = p->next) {
		struct shared *s = registry_get(t, p->column, p->part);
		if (s != NULL) {
			pthread_rwlock_wrlock(&s->lock);
			live_free(s->live);
			s->live = p->live;
			p->live = NULL;
			s->misses = 0;
			registry_note(s, live_memory(s->live));
			pthread_rwlock_unlock(&s->lock);
		}
	}
	index_rollback(t);
}

static int add_new_index(struct table *t, int column, int64_t part, struct live *l)
{
	struct new_index *p = sqlite3_malloc64(sizeof *p);
	if (p == NULL) {
		live_free(l);
		return SQLITE_NOMEM;
	}
	*p = (struct new_index){column, part, l, t->new_indexes};
	t->new_indexes = p;
	return SQLITE_OK;
}

/* The rows whose changes a shared index does not contain yet. The index's lock is held. */
static int missing_changes(struct table *t, const struct part_state *p, const struct live *l, struct delta *d)
{
	struct delta all = {0};
	*d = (struct delta){0};
	int rc = delta_read(t, p->part, l->seq, p->seq - l->seq, &all, d);
	delta_free(&all);
	return rc == SQLITE_OK ? delta_join(d, &l->pending) : rc;
}

/* A copy of the shared index with all changes, if that is less work than a new index. Otherwise *out is
 * NULL. */
static int from_shared(struct table *t, const struct column *c, const struct part_state *p, struct live **out)
{
	struct shared *s;
	struct delta d;
	*out = NULL;
	int rc = index_acquire(t, c, p->part, NULL, 0, &s, &d);
	if (rc != SQLITE_OK || s == NULL) {
		return rc;
	}
	delta_free(&d);
	rc = missing_changes(t, p, s->live, &d);
	if (rc == SQLITE_OK && (s->live->dead_count + d.n) * 4 < s->live->n && d.n < p->n / 2) {
		rc = table_status(t, live_clone(out, s->live));
	}
	if (rc == SQLITE_OK && *out != NULL) {
		rc = build_apply(t, c, *out, p->part, &d);
	}
	if (rc == SQLITE_OK && *out != NULL) {
		rc = table_status(t, live_prepare(*out));
		(*out)->seq = p->seq;
		(*out)->mark = p->mark;
	}
	index_release(s, &d);
	if (rc != SQLITE_OK) {
		live_free(*out);
		*out = NULL;
	}
	return rc;
}

static int make_snapshot(
    struct table *t, const struct column *c, const struct part_state *p, int anew, int *made)
{
	struct live *l = NULL;
	char *spec;
	int rc = index_spec(t, c, &spec);
	if (rc != SQLITE_OK || spec == NULL) {
		return rc == SQLITE_OK ? snapshot_remove(t, p->part, c) : rc;
	}
	if (!anew && p->base >= 0) {
		rc = from_shared(t, c, p, &l);
	}
	if (rc == SQLITE_OK && l == NULL) {
		rc = build_index(t, c, spec, p, &l);
		if (rc == SQLITE_OK && l != NULL) {
			rc = build_tune(t, c, l, p);
		}
	}
	sqlite3_free(spec);
	if (rc == SQLITE_OK && l != NULL) {
		rc = snapshot_write(t, p->part, c, l);
	} else if (rc == SQLITE_OK) {
		rc = snapshot_remove(t, p->part, c);
	}
	if (rc != SQLITE_OK || l == NULL) {
		live_free(l);
		return rc;
	}
	*made = 1;
	return add_new_index(t, c->number, p->part, l);
}

/* Set values of a part's row in T_parts. */
static int set_base(struct table *t, const struct part_state *p, const char *values)
{
	return table_run(t, sqlite3_mprintf("UPDATE \"%w\".\"%w_parts\" SET %s WHERE kith_part = %lld",
	                        t->db_name, t->name, values, p->part));
}

/* Whether vectors of a part have changed since its snapshots, which are otherwise up to date. */
static int vectors_changed(struct table *t, const struct part_state *p, int *yes)
{
	int64_t n = 0;
	int rc = table_number(t,
	    sqlite3_mprintf(
	        "SELECT EXISTS (SELECT 1 FROM \"%w\".\"%w_changes\" WHERE part = %lld AND vector)",
	        t->db_name, t->name, p->part),
	    &n);
	*yes = n > 0;
	return rc;
}

/* Write new snapshots for all vector columns of a part. If there is none, the part is searched exactly
 * from now on. */
static int renew(struct table *t, const struct part_state *p, int anew)
{
	int stale = 1;
	int rc = anew || p->base < 0 ? SQLITE_OK : vectors_changed(t, p, &stale);
	int made = !stale;
	for (int i = 0; stale && i < t->schema.n && rc == SQLITE_OK && p->n >= t->index_from; i++) {
		if (t->schema.columns[i].kind == COLUMN_VECTOR) {
			rc = make_snapshot(t, &t->schema.columns[i], p, anew, &made);
		}
	}
	if (rc != SQLITE_OK) {
		return rc;
	}
	if (!made) {
		rc = snapshot_drop(t, p->part);
		return rc == SQLITE_OK
		           ? set_base(t, p,
		                 p->n >= t->index_from ? "kith_base = NULL, kith_base_mark = 2 * kith_n"
		                                       : "kith_base = NULL, kith_base_mark = NULL")
		           : rc;
	}
	rc = changes_drop(t, p->part);
	return rc == SQLITE_OK ? set_base(t, p, "kith_base = kith_seq, kith_base_mark = kith_mark") : rc;
}

/* Renew the snapshots of all parts for which an SQL condition holds. The parts are listed before the first
 * is changed. */
static int renew_where(struct table *t, const char *condition, int anew)
{
	sqlite3_stmt *s;
	struct delta parts = {0}; /* numbers of parts */
	char *sql = sqlite3_mprintf(
	    "SELECT kith_part FROM \"%w\".\"%w_parts\" WHERE %s", t->db_name, t->name, condition);
	int rc = table_prepare(t, sql, &s);
	sqlite3_free(sql);
	if (rc != SQLITE_OK) {
		return rc;
	}
	while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		rc = delta_push(&parts, sqlite3_column_int64(s, 0));
	}
	int end = sqlite3_finalize(s);
	if (rc == SQLITE_OK && end != SQLITE_OK) {
		rc = table_forward(t, end);
	}
	for (int64_t i = 0; i < parts.n && rc == SQLITE_OK; i++) {
		struct part_state p;
		rc = part_state(t, parts.rowids[i], &p);
		if (rc == SQLITE_OK) {
			rc = renew(t, &p, anew);
		}
	}
	delta_free(&parts);
	return rc;
}

int index_sync(struct table *t)
{
	if (!t->changed || !t->indexed) {
		return SQLITE_OK;
	}
	char condition[320];
	char part[48] = "true";
	/* A part that had too few rows to train an index is tried again when it has doubled. */
	if (t->changed_part >= 0) {
		sqlite3_snprintf((int)sizeof part, part, "kith_part = %lld", t->changed_part);
	}
	sqlite3_snprintf((int)sizeof condition, condition,
	    "%s AND ((kith_base IS NULL AND kith_n >= %lld AND kith_n >= coalesce(kith_base_mark, 0)) OR "
	    "kith_seq - kith_base > max(%lld, min(kith_n / 5, %d)))",
	    part, t->index_from, t->index_from, MAX_CHANGES);
	return renew_where(t, condition, 0);
}

int index_merge(struct table *t)
{
	int rc = index_load_config(t);
	t->changed = 1;
	t->changed_part = -1;
	return rc == SQLITE_OK && t->indexed ? renew_where(t, "kith_seq > kith_base", 0) : rc;
}

/* Delete all snapshots and changes, including those of parts that no longer exist. */
static int clear_indexes(struct table *t)
{
	char *sql = sqlite3_mprintf(
	    "DELETE FROM \"%w\".\"%w_idx\"; DELETE FROM \"%w\".\"%w_changes\";"
	    "UPDATE \"%w\".\"%w_parts\" SET kith_base = NULL, kith_base_mark = NULL, kith_mark = random(),"
	    "kith_seq = iif(kith_seq BETWEEN 0 AND 1e18, kith_seq + 1, 0)",
	    t->db_name, t->name, t->db_name, t->name, t->db_name, t->name);
	int rc = sql != NULL ? sqlite3_exec(t->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
	sqlite3_free(sql);
	return rc == SQLITE_OK ? rc : table_forward(t, rc);
}

int index_rebuild(struct table *t)
{
	int rc = index_load_config(t);
	index_rollback(t);
	t->changed = 1;
	t->changed_part = -1;
	if (rc == SQLITE_OK) {
		rc = clear_indexes(t);
	}
	return rc == SQLITE_OK && t->indexed ? renew_where(t, "true", 1) : rc;
}
