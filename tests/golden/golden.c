/* Golden results: digests of the results and files of every structure × codec × metric, to the bit.
 *
 * A refactoring must not change any of them. Each case builds an index of small seeded data, runs batches,
 * single queries, filtered and range searches, saves it, changes it and searches again. k-means, the product
 * quantizer and exact search without an index have cases of their own. Results that are equal on all
 * instruction sets, which most are, are stored in table.txt beside this file, with which the suite compares.
 * The others ("differs" in the table) are only compared between numbers of threads, and with tables that an
 * earlier build wrote on the same machine:
 *
 *   golden                  the suite
 *   golden --write FILE     all digests, of every instruction set
 *   golden --compare FILE   with a table that --write wrote
 *   golden --renew FILE     write table.txt anew, after intended changes of results
 */
#include <stdlib.h>
#include <string.h>

#include "tests/golden/golden.h"
#include "tests/support/support.h"

static enum { CHECK, WRITE, COMPARE, RENEW } mode;
static const char *path;
static struct table all;

/* Run every case on one instruction set with two threads and, if `also_alone`, with one. Builds with a
 * sanitizer run only some of them. */
static void run_isa(struct table *table, const char *isa, bool also_alone)
{
	enum { SKIP = 9 };
	OK(kith_set_isa(isa));
	for (int i = 0; i < golden_cases(); i += sanitized ? SKIP : 1) {
		struct row row = {.n = 0}, alone = {.n = 0};
		golden_run(&row, i, 2);
		snprintf(row.isa, sizeof row.isa, "%s", isa);
		table_append(table, &row);
		if (!also_alone)
			continue;
		golden_run(&alone, i, 1);
		snprintf(alone.isa, sizeof alone.isa, "%s", isa);
		if (row_compare(&alone, &(struct table){&row, 1}))
			ck_abort_msg("%s, %s: one thread gives another answer than two (the \"table\" above)",
			    row.name, isa);
	}
	OK(kith_set_isa(NULL));
}

static void check_table(const struct table *table, const char *file)
{
	struct table golden;
	int differences = 0;
	if (!table_read(&golden, file))
		ck_abort_msg("%s cannot be read as a table of digests", file);
	for (int i = 0; i < table->n; i++)
		differences += row_compare(&table->row[i], &golden);
	differences += sanitized ? 0 : table_missing(table, &golden);
	if (differences)
		ck_abort_msg("%d differences from %s, see above", differences, file);
	free(golden.row);
}

START_TEST(same_as_table)
{
	char file[4096];
	const char *root = getenv("KITH_SOURCE_ROOT");
	struct isa_list isas = isa_list();
	struct table table = {NULL, 0};
	snprintf(file, sizeof file, "%s/tests/golden/table.txt", root ? root : ".");
	run_isa(&table, isas.name[_i], _i == isas.n - 1);
	check_table(&table, file);
	free(table.row);
}
END_TEST

START_TEST(whole_table)
{
	struct isa_list isas = isa_list();
	for (int i = 0; i < isas.n; i++)
		run_isa(&all, isas.name[i], true);
	if (mode == RENEW)
		table_unite(&all);
	if (mode == COMPARE)
		check_table(&all, path);
	else if (!table_write(&all, path))
		ck_abort_msg("%s cannot be written", path);
	free(all.row);
}
END_TEST

static bool parse_arguments(int argc, char **argv)
{
	static const char *const options[] = {"", "--write", "--compare", "--renew"};
	if (argc == 1)
		return true;
	for (int i = WRITE; i <= RENEW && argc == 3; i++)
		if (strcmp(argv[1], options[i]) == 0) {
			mode = i;
			path = argv[2];
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	if (!parse_arguments(argc, argv)) {
		fprintf(stderr, "usage: %s [--write FILE | --compare FILE | --renew FILE]\n", argv[0]);
		return 2;
	}
	Suite *suite = suite_create("golden");
	TCase *tests = tcase_create("golden");
	tcase_set_timeout(tests, mode == CHECK ? 600 : 3600);
	if (mode == CHECK)
		tcase_add_loop_test(tests, same_as_table, 0, isa_list().n);
	else
		tcase_add_test(tests, whole_table);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
