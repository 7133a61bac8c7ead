/* kith convert on index files: opened, whoever wrote them, and written as the output's name says. */
#include "convert_index.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "files.h"
#include "info_index.h"

static bool ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);
	return n > m && strcmp(path + n - m, end) == 0;
}

/* What FAISS would search with, for those who go on with kith. */
static void print_defaults(const kith_search_options *found)
{
	const char *before = "  search it as FAISS would with --set ";
	if (found->nprobe)
		printf("%snprobe=%" PRId64, before, found->nprobe);
	before = found->nprobe ? "," : before;
	if (found->efSearch)
		printf("%sefSearch=%" PRId64, before, found->efSearch);
	before = found->efSearch ? "," : before;
	if (found->k_factor > 0)
		printf("%sk_factor=%g", before, (double)found->k_factor);
	if (found->nprobe || found->efSearch || found->k_factor > 0)
		printf("\n");
}

int convert_index(const char *in, const char *out)
{
	kith_index *index = NULL;
	kith_search_options found = KITH_SEARCH_OPTIONS;
	bool from_faiss = is_faiss_file(in), to_faiss = ends_in(out, ".faiss");
	if (same_file(in, out))
		return cli_error(EXIT_FAILED, "'%s' is read as input; give the output another name", out);
	kith_status status = from_faiss ? kith_index_import_faiss(&index, in, &found)
	                                : kith_index_open(&index, in, KITH_VERIFY);
	if (status != KITH_OK)
		return fail_status(status, in, NULL);
	status = to_faiss ? kith_index_export_faiss(index, out) : kith_index_save(index, out);
	int code = EXIT_OK;
	if (status != KITH_OK)
		code = fail_status(status, out, NOTHING_WRITTEN);
	else
		printf("%s: %s, %s, %" PRId64 " x %" PRId64 "\n", out, kith_index_describe(index),
		    kith_metric_name(kith_index_metric(index)), kith_index_size(index),
		    kith_index_dim(index));
	if (code == EXIT_OK && from_faiss && !to_faiss)
		print_defaults(&found);
	kith_index_free(index);
	return code;
}
