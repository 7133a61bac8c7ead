/* Each snapshot must be readable, and together with the changes since then it must contain all rows of its
 * part and no others. */
#include "check.h"

#include "chunks.h"
#include "refresh.h"
#include "snapshot.h"

/* Check that every row of the part is in the index or has changed. *changed counts the rows that have. */
static int check_rows(struct table *t, const struct part_state *p, const struct live *l,
    const struct delta *d, int64_t *changed)
{
	struct chunk_blob b = {0};
	int rc = SQLITE_OK;
	for (int64_t i = 0; i < p->n && rc == SQLITE_OK; i++) {
		int64_t rowid;
		rc = chunk_read(t, &b, CHUNK_IDS, position_at(t, p->part, i), 1, &rowid);
		if (rc != SQLITE_OK) {
			break;
		}
		int has = delta_has(d, rowid);
		*changed += has;
		if (!has && live_find(l, rowid) < 0) {
			rc = table_corrupt(t, "an index lacks row %lld", (long long)rowid);
		}
	}
	chunk_close(&b);
	return rc;
}

static int check_index(
    struct table *t, const struct column *c, const struct part_state *p, const struct delta *d)
{
	struct live *l;
	int64_t changed = 0;
	int rc = snapshot_read(t, p->part, c, &l);
	if (rc != SQLITE_OK || l == NULL) { /* no snapshot: there were too few rows to train an index */
		return rc;
	}
	rc = check_rows(t, p, l, d, &changed);
	for (int64_t i = 0; i < d->n && rc == SQLITE_OK; i++) {
		live_remove(l, d->rowids[i]);
	}
	if (rc == SQLITE_OK && l->n - l->dead_count != p->n - changed) {
		rc =
		    table_corrupt(t, "the index of part %lld has rows that do not exist", (long long)p->part);
	}
	live_free(l);
	return rc;
}

static int check_part(struct table *t, int64_t part, int64_t *changes, int *snapshots)
{
	struct part_state p;
	struct delta d;
	int rc = part_state(t, part, &p);
	if (rc != SQLITE_OK || p.base < 0) {
		return rc;
	}
	*snapshots = 1;
	*changes += p.seq - p.base;
	rc = delta_read(t, part, p.base, p.seq - p.base, &d, NULL);
	for (int i = 0; i < t->schema.n && rc == SQLITE_OK; i++) {
		char *spec = NULL;
		if (t->schema.columns[i].kind == COLUMN_VECTOR) {
			rc = index_spec(t, &t->schema.columns[i], &spec);
		}
		if (rc == SQLITE_OK && spec != NULL) {
			rc = check_index(t, &t->schema.columns[i], &p, &d);
		}
		sqlite3_free(spec);
	}
	delta_free(&d);
	return rc;
}

int check_indexes(struct table *t)
{
	sqlite3_stmt *s;
	int64_t changes = 0;
	int snapshots = 0;
	char *sql = sqlite3_mprintf("SELECT kith_part FROM \"%w\".\"%w_parts\"", t->db_name, t->name);
	int rc = table_prepare(t, sql, &s);
	sqlite3_free(sql);
	while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		rc = check_part(t, sqlite3_column_int64(s, 0), &changes, &snapshots);
	}
	int end = sqlite3_finalize(s);
	if (rc == SQLITE_OK && end != SQLITE_OK) {
		rc = table_forward(t, end);
	}
	if (rc == SQLITE_OK && !snapshots) {
		rc = check_number(t,
		    sqlite3_mprintf("SELECT count(piece) FROM \"%w\".\"%w_idx\"", t->db_name, t->name), 0,
		    "pieces of indexes");
	}
	if (rc == SQLITE_OK) {
		rc = check_number(t,
		    sqlite3_mprintf("SELECT count(seq) FROM \"%w\".\"%w_changes\"", t->db_name, t->name),
		    changes, "noted changes");
	}
	return rc;
}
