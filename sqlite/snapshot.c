/* The number of a piece consists of its part, its column and its position, so the pieces of a part are
 * consecutive rows. */
#include "snapshot.h"

#include <string.h>

enum { PIECE_BYTES = 1 << 20, PIECE_BITS = 22, COLUMN_BITS = 9 };

int table_status(struct table *t, kith_status status)
{
	switch (status) {
	case KITH_OK:
		return SQLITE_OK;
	case KITH_NOMEM:
		return SQLITE_NOMEM;
	case KITH_FORMAT:
		return table_corrupt(t, "index: %s", kith_last_error());
	default:
		return table_error(t, SQLITE_ERROR, "%s: index: %s", t->name, kith_last_error());
	}
}

static int64_t first_piece(int64_t part, int column)
{
	return (int64_t)(((uint64_t)part << COLUMN_BITS | (uint64_t)column) << PIECE_BITS);
}

static int remove_pieces(struct table *t, int64_t from, int64_t to)
{
	return table_run(
	    t, sqlite3_mprintf("DELETE FROM \"%w\".\"%w_idx\" WHERE piece >= %lld AND piece < %lld",
	           t->db_name, t->name, from, to));
}

int snapshot_remove(struct table *t, int64_t part, const struct column *c)
{
	return remove_pieces(t, first_piece(part, c->number), first_piece(part, c->number + 1));
}

int changes_drop(struct table *t, int64_t part)
{
	return table_run(t, sqlite3_mprintf("DELETE FROM \"%w\".\"%w_changes\" WHERE part = %lld", t->db_name,
	                        t->name, part));
}

int snapshot_drop(struct table *t, int64_t part)
{
	int rc = remove_pieces(t, first_piece(part, 0), first_piece(part + 1, 0));
	return rc == SQLITE_OK ? changes_drop(t, part) : rc;
}

/* ---- writing ---- */

struct piece_writer {
	struct table *table;
	sqlite3_stmt *insert;
	int64_t piece;
	size_t n;
	unsigned char *bytes; /* [PIECE_BYTES] */
	int rc;
};

static int write_piece(struct piece_writer *w)
{
	sqlite3_bind_int64(w->insert, 1, w->piece++);
	sqlite3_bind_blob64(w->insert, 2, w->bytes, w->n, SQLITE_STATIC);
	w->n = 0;
	w->rc = statement_run(w->table, w->insert);
	return w->rc;
}

static int write_bytes(void *data, const void *bytes, size_t n)
{
	struct piece_writer *w = data;
	const unsigned char *from = bytes;
	while (n > 0) {
		size_t some = PIECE_BYTES - w->n < n ? PIECE_BYTES - w->n : n;
		memcpy(w->bytes + w->n, from, some);
		w->n += some;
		from += some;
		n -= some;
		if (w->n == PIECE_BYTES && write_piece(w) != SQLITE_OK) {
			return 1;
		}
	}
	return 0;
}

int snapshot_write(struct table *t, int64_t part, const struct column *c, const struct live *l)
{
	struct piece_writer w = {.table = t, .piece = first_piece(part, c->number)};
	char *sql =
	    sqlite3_mprintf("INSERT INTO \"%w\".\"%w_idx\"(piece, data) VALUES(?1, ?2)", t->db_name, t->name);
	int rc = snapshot_remove(t, part, c);
	if (rc == SQLITE_OK) {
		rc = table_prepare(t, sql, &w.insert);
	}
	sqlite3_free(sql);
	if (rc != SQLITE_OK) {
		return rc;
	}
	w.bytes = sqlite3_malloc64(PIECE_BYTES);
	if (w.bytes == NULL) {
		sqlite3_finalize(w.insert);
		return SQLITE_NOMEM;
	}
	kith_status status = live_write(l, write_bytes, &w);
	rc = w.rc != SQLITE_OK ? w.rc : table_status(t, status);
	if (rc == SQLITE_OK && w.n > 0) {
		rc = write_piece(&w);
	}
	sqlite3_free(w.bytes);
	sqlite3_finalize(w.insert);
	return rc;
}

/* ---- reading ---- */

struct piece_reader {
	sqlite3_blob *blob;
	int64_t first, open, size;
	int rc;
};

static int read_bytes(void *data, int64_t offset, void *bytes, size_t n)
{
	struct piece_reader *r = data;
	unsigned char *to = bytes;
	while (n > 0) {
		int64_t piece = r->first + offset / PIECE_BYTES;
		int at = (int)(offset % PIECE_BYTES);
		size_t some = (size_t)(PIECE_BYTES - at) < n ? (size_t)(PIECE_BYTES - at) : n;
		if (piece != r->open) {
			r->open = -1;
			r->rc = sqlite3_blob_reopen(r->blob, piece);
			if (r->rc != SQLITE_OK) {
				return 1;
			}
			r->open = piece;
		}
		if (at + (int64_t)some > sqlite3_blob_bytes(r->blob)) {
			r->rc = SQLITE_ERROR;
			return 1;
		}
		r->rc = sqlite3_blob_read(r->blob, to, (int)some, at);
		if (r->rc != SQLITE_OK) {
			return 1;
		}
		to += some;
		offset += (int64_t)some;
		n -= some;
	}
	return 0;
}

/* The total size of the pieces; checks that none is missing and that all but the last are full. */
static int measure(struct table *t, int64_t first, int64_t end, int64_t *size)
{
	sqlite3_stmt *s;
	char *sql = sqlite3_mprintf(
	    "SELECT count(*), coalesce(sum(length(data)), 0), coalesce(max(piece), 0) FROM \"%w\".\"%w_idx\" "
	    "WHERE piece >= %lld AND piece < %lld",
	    t->db_name, t->name, first, end);
	int rc = table_prepare(t, sql, &s);
	sqlite3_free(sql);
	if (rc != SQLITE_OK) {
		return rc;
	}
	int64_t n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	*size = n > 0 ? sqlite3_column_int64(s, 1) : 0;
	int64_t last = n > 0 ? sqlite3_column_int64(s, 2) : 0;
	rc = sqlite3_finalize(s);
	if (rc != SQLITE_OK) {
		return table_forward(t, rc);
	}
	if (n > 0 && (last != first + n - 1 || (*size + PIECE_BYTES - 1) / PIECE_BYTES != n)) {
		return table_corrupt(t, "a piece of an index is missing");
	}
	return SQLITE_OK;
}

int snapshot_read(struct table *t, int64_t part, const struct column *c, struct live **out)
{
	struct piece_reader r = {.first = first_piece(part, c->number)};
	*out = NULL;
	int rc = measure(t, r.first, first_piece(part, c->number + 1), &r.size);
	if (rc != SQLITE_OK || r.size == 0) {
		return rc;
	}
	char *name = sqlite3_mprintf("%s_idx", t->name);
	if (name == NULL) {
		return SQLITE_NOMEM;
	}
	rc = sqlite3_blob_open(t->db, t->db_name, name, "data", r.first, 0, &r.blob);
	sqlite3_free(name);
	r.open = r.first;
	if (rc != SQLITE_OK) {
		sqlite3_blob_close(r.blob);
		return rc == SQLITE_ERROR ? table_corrupt(t, "a piece of an index is not a blob")
		                          : table_forward(t, rc);
	}
	kith_status status = live_read(out, c->dim, c->metric, read_bytes, &r, r.size);
	sqlite3_blob_close(r.blob);
	if (status != KITH_OK && r.rc != SQLITE_OK && r.rc != SQLITE_ERROR) {
		return table_forward(t, r.rc);
	}
	return status == KITH_OK || status == KITH_NOMEM
	           ? table_status(t, status)
	           : table_corrupt(t, "the index of part %lld cannot be read", (long long)part);
}
