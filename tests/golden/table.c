/* See table.h.
 *
 * The file has one line for each row: the instruction set, the case, and words `column=digest`, separated by
 * blanks. Digests are the low 32 bits of XXH3, which is enough to find changes.
 */
#include "tests/golden/table.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/support/support.h"

static unsigned digest(const void *x, size_t bytes)
{
	return (unsigned)XXH3_64bits(x, bytes);
}

void row_add_word(struct row *row, const char *name, const char *word)
{
	REQUIRE(row->n < MAX_COLUMNS);
	struct column *column = &row->column[row->n++];
	REQUIRE(strlen(name) < sizeof column->name && strlen(word) < sizeof column->digest);
	snprintf(column->name, sizeof column->name, "%s", name);
	snprintf(column->digest, sizeof column->digest, "%s", word);
}

void row_add(struct row *row, const char *name, const void *x, size_t bytes)
{
	char text[24];
	snprintf(text, sizeof text, "%08x", digest(x, bytes));
	row_add_word(row, name, text);
}

void row_add_found(struct row *row, const char *name, int64_t n, const int64_t *ids, const float *dist)
{
	char text[24];
	snprintf(text, sizeof text, "%08x/%08x", digest(ids, (size_t)n * sizeof *ids),
	    digest(dist, (size_t)n * sizeof *dist));
	row_add_word(row, name, text);
}

void table_append(struct table *table, const struct row *row)
{
	table->row = realloc(table->row, (size_t)(table->n + 1) * sizeof *row);
	REQUIRE(table->row);
	table->row[table->n++] = *row;
}

/* ---- files ---- */

static bool parse(char *line, struct row *row)
{
	char *isa = strtok(line, " \n"), *name = strtok(NULL, " \n"), *word;
	*row = (struct row){.n = 0};
	if (!isa || !name || strlen(isa) >= sizeof row->isa || strlen(name) >= sizeof row->name)
		return false;
	snprintf(row->isa, sizeof row->isa, "%s", isa);
	snprintf(row->name, sizeof row->name, "%s", name);
	while ((word = strtok(NULL, " \n"))) {
		char *equals = strchr(word, '=');
		if (!equals || row->n == MAX_COLUMNS)
			return false;
		*equals = '\0';
		row_add_word(row, word, equals + 1);
	}
	return true;
}

bool table_read(struct table *table, const char *path)
{
	char line[1024];
	struct row row;
	bool fine = true;
	FILE *file = fopen(path, "r");
	*table = (struct table){NULL, 0};
	if (!file)
		return false;
	while (fine && fgets(line, sizeof line, file)) {
		if (line[0] == '#')
			continue;
		fine = parse(line, &row);
		if (fine)
			table_append(table, &row);
	}
	fine = fine && !ferror(file);
	fclose(file);
	return fine;
}

bool table_write(const struct table *table, const char *path)
{
	FILE *file = fopen(path, "w");
	if (!file)
		return false;
	fprintf(
	    file, "# Written by tests/golden; CONTRIBUTING.md says how, and when it may be written anew.\n");
	for (int i = 0; i < table->n; i++) {
		const struct row *row = &table->row[i];
		fprintf(file, "%s %s", row->isa, row->name);
		for (int j = 0; j < row->n; j++)
			fprintf(file, " %s=%s", row->column[j].name, row->column[j].digest);
		fprintf(file, "\n");
	}
	return fclose(file) == 0;
}

/* ---- comparing ---- */

static const struct row *find(const struct table *table, const char *isa, const char *name)
{
	for (int i = 0; i < table->n; i++) {
		const struct row *row = &table->row[i];
		if (strcmp(row->name, name) == 0 &&
		    (strcmp(row->isa, isa) == 0 || strcmp(row->isa, "any") == 0))
			return row;
	}
	return NULL;
}

static const char *find_column(const struct row *row, const char *name)
{
	for (int i = 0; i < row->n; i++)
		if (strcmp(row->column[i].name, name) == 0)
			return row->column[i].digest;
	return NULL;
}

/* Which parts of two digests "ids/distances" differ. */
static const char *what_differs(const char *a, const char *b)
{
	const char *slash = strchr(a, '/');
	size_t ids = slash ? (size_t)(slash - a) : 0;
	if (!slash || !strchr(b, '/'))
		return "";
	if (strncmp(a, b, ids) == 0)
		return " (distances only)";
	return strcmp(a + ids, b + ids) == 0 ? " (ids only)" : " (ids and distances)";
}

int row_compare(const struct row *row, const struct table *golden)
{
	const struct row *want = find(golden, row->isa, row->name);
	int differences = 0;
	if (!want) {
		fprintf(stderr, "%s, %s: the table has no such case\n", row->name, row->isa);
		return 1;
	}
	for (int i = 0; i < row->n; i++) {
		const char *got = row->column[i].digest, *column = row->column[i].name;
		const char *digest = find_column(want, column);
		if (digest && (strcmp(digest, got) == 0 || strcmp(digest, "differs") == 0))
			continue;
		differences++;
		fprintf(stderr, "%s, %s: %s is %s, in the table %s%s\n", row->name, row->isa, column, got,
		    digest ? digest : "nothing", digest ? what_differs(got, digest) : "");
	}
	for (int i = 0; i < want->n; i++)
		if (!find_column(row, want->column[i].name)) {
			differences++;
			fprintf(stderr, "%s, %s: only the table has a column %s\n", row->name, row->isa,
			    want->column[i].name);
		}
	return differences;
}

int table_missing(const struct table *table, const struct table *golden)
{
	int missing = 0;
	for (int i = 0; i < golden->n; i++) {
		const struct row *row = &golden->row[i];
		bool known = strcmp(row->isa, "any") == 0, there = false;
		for (int j = 0; j < table->n; j++) {
			bool same_isa = strcmp(row->isa, table->row[j].isa) == 0;
			known = known || same_isa;
			there = there || ((same_isa || strcmp(row->isa, "any") == 0) &&
			                     strcmp(row->name, table->row[j].name) == 0);
		}
		if (known && !there) {
			missing++;
			fprintf(stderr, "%s, %s: the table has a case that the program lacks\n", row->name,
			    row->isa);
		}
	}
	return missing;
}

void table_unite(struct table *table)
{
	int n = 0;
	for (int i = 0; i < table->n; i++) {
		struct row row = table->row[i];
		int first = 0;
		while (first < n && strcmp(table->row[first].name, row.name) != 0)
			first++;
		if (first == n) {
			snprintf(row.isa, sizeof row.isa, "any");
			table->row[n++] = row;
			continue;
		}
		struct row *united = &table->row[first];
		for (int j = 0; j < united->n; j++)
			if (strcmp(find_column(&row, united->column[j].name), united->column[j].digest) != 0)
				snprintf(
				    united->column[j].digest, sizeof united->column[j].digest, "differs");
	}
	table->n = n;
}
