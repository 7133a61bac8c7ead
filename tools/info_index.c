/* What an index file holds. The library opens and checks it; the size of each part is read from the file's
 * table of sections (docs/file-format.md). */
#include "info_index.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bar.h"
#include "carried.h"
#include "cli.h"
#include "files.h"
#include "report.h"
#include "tree.h"

/* An entry of that table, and the trailer, which says where the table is. */
struct section {
	char tag[4];
	uint32_t node;
	uint64_t offset, length, checksum;
};

struct trailer {
	uint64_t table, sections, size;
	uint64_t others[5];
};

/* Where the header has the size of the file, and META the version of kith that wrote it. */
enum { SIZE_AT = 16, VERSION_AT = 64 + 24 };

/* The sections by what they hold, for users who do not know the format. */
static const struct {
	const char *tags, *part;
} parts[] = {
    {"COD0 COD1", "codes"},
    {"BNDS TERM REAC", "bounds and terms"},
    {"IDS0 IDS1", "ids"},
    {"SLOT SIZE", "lists"},
    {"CENT", "centroids"},
    {"PQCB SQRG", "codec"},
    {"MAP0 MAP1 SHI0 SHI1", "transforms"},
};
enum { PARTS = sizeof parts / sizeof *parts };

enum { NODES = 64 }; /* the largest number of nodes of which the size is shown */

struct index_file {
	const char *path;
	bool faiss;
	struct labels labels;
	kith_index *index;
	kith_file_info state;
	int64_t bytes, appended, part_bytes[PARTS], rest;
	char version[40];
	struct tree_node tree[NODES];
	int64_t nodes, node_bytes[NODES], node_vectors[NODES];
};

enum { MAGIC = 8 };

/* Read the first bytes of a file. False: it has fewer, or cannot be read. */
static bool read_begin(const char *path, char begin[MAGIC])
{
	struct stat st;
	/* Reading a pipe could wait forever. */
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	FILE *file = fopen(path, "rbe");
	bool is = file && fread(begin, 1, MAGIC, file) == MAGIC;
	if (file)
		fclose(file);
	return is;
}

/* The file begins with letters that name one of FAISS's classes. A vector file cannot begin so: as a
 * dimension, "IxF2" would be 843 million. */
bool is_faiss_file(const char *path)
{
	char begin[MAGIC];
	return read_begin(path, begin) && begin[0] == 'I' && strchr("xwvHBNPRVLS", begin[1]) && begin[1] &&
	       isalnum((unsigned char)begin[2]) && isalnum((unsigned char)begin[3]);
}

bool is_index_file(const char *path)
{
	char begin[MAGIC];
	return is_faiss_file(path) ||
	       (read_begin(path, begin) && memcmp(begin, "\x89KITH\r\n\x1a", MAGIC) == 0);
}

static int part_of(const char *tag)
{
	char word[5] = {0};
	memcpy(word, tag, 4);
	for (int i = 0; i < PARTS; i++)
		if (strstr(parts[i].tags, word))
			return i;
	return -1;
}

static void count_section(struct index_file *f, FILE *file, const struct section *section)
{
	int part = part_of(section->tag);
	if (section->length > (uint64_t)f->rest)
		return;
	if (part >= 0) {
		f->part_bytes[part] += (int64_t)section->length;
		f->rest -= (int64_t)section->length;
	}
	if (section->node >= NODES)
		return;
	f->node_bytes[section->node] += (int64_t)section->length;
	long here = ftell(file);
	int64_t n = 0;
	if (memcmp(section->tag, "NODE", 4) == 0 && fseek(file, (long)section->offset, SEEK_SET) == 0 &&
	    fread(&n, sizeof n, 1, file) == 1)
		f->node_vectors[section->node] = n;
	(void)fseek(file, here, SEEK_SET);
}

/* Add up the sizes of the sections. The file was checked when it was opened; if it has changed since, the
 * sums are of what can be read. */
static void measure(struct index_file *f, FILE *file)
{
	struct trailer trailer;
	struct section section;
	int64_t size = 0;
	if (fseek(file, 0, SEEK_END) != 0)
		return;
	f->bytes = f->rest = ftell(file);
	if (fseek(file, SIZE_AT, SEEK_SET) != 0 || fread(&size, sizeof size, 1, file) != 1 || size < 0 ||
	    size > f->bytes || fseek(file, VERSION_AT, SEEK_SET) != 0 ||
	    fread(f->version, sizeof f->version - 1, 1, file) != 1)
		return;
	f->appended = size ? f->bytes - size : 0;
	if (fseek(file, (long)(f->bytes - f->appended) - (long)sizeof trailer, SEEK_SET) != 0 ||
	    fread(&trailer, sizeof trailer, 1, file) != 1 || trailer.size > INT64_MAX ||
	    trailer.table > trailer.size || fseek(file, (long)trailer.table, SEEK_SET) != 0)
		return;
	for (uint64_t i = 0; i < trailer.sections && fread(&section, sizeof section, 1, file) == 1; i++)
		count_section(f, file, &section);
	f->nodes = tree_of(kith_index_describe(f->index), f->tree, NODES);
}

static void print_tree(const struct index_file *f)
{
	printf("\n%-40s %12s %16s\n", "structure", "vectors", "bytes");
	for (int64_t i = 0; i < f->nodes && i < NODES; i++)
		printf("%*s%-*s %12" PRId64 " %16" PRId64 "\n", 2 * f->tree[i].depth, "",
		    40 - 2 * f->tree[i].depth, f->tree[i].name, f->node_vectors[i], f->node_bytes[i]);
	if (f->nodes > NODES)
		printf("... and %" PRId64 " more\n", f->nodes - NODES);
}

/* Print what the file holds for programs written for FAISS: labels and search parameters. */
static void print_carried(const struct index_file *f)
{
	char text[200];
	if (f->labels.given)
		printf("%-12s %" PRId64 " ... %" PRId64 ", %s\n", f->labels.values ? "labels" : "ids",
		    f->labels.min, f->labels.max,
		    f->labels.values ? "of FAISS's IndexIDMap; 'kith search' gives them as ids"
		                     : "as they were given");
	preset_print(f->index);
	preset_text(f->index, text, sizeof text);
	if (*text)
		printf(
		    "             as FAISS searches; 'kith search' takes its defaults, or --set %s\n", text);
}

static void print_text(const struct index_file *f)
{
	int64_t n = kith_index_size(f->index);
	char size[40], memory[40];
	format_si((double)f->bytes, size, sizeof size);
	format_si((double)kith_index_memory(f->index), memory, sizeof memory);
	printf("file         %s\n", f->path);
	printf("format       %s index\n", f->faiss ? "FAISS" : "kith");
	printf("index        %s\n", kith_index_describe(f->index));
	printf("metric       %s\n", kith_metric_name(kith_index_metric(f->index)));
	printf("vectors      %" PRId64 "\n", n);
	printf("dimension    %" PRId64 "\n", kith_index_dim(f->index));
	printf("type         %s\n", kith_type_name(kith_index_type(f->index)));
	printf("trained      %s\n", kith_index_trained(f->index) ? "yes" : "no");
	printf("size         %sB (%" PRId64 " bytes)\n", size, f->bytes);
	if (f->appended)
		printf("appended     %" PRId64 " bytes of them, in %" PRId64 " %s\n", f->appended,
		    CLI_COUNT(f->state.appends, "append"));
	printf("memory       %sB\n", memory);
	print_carried(f);
	if (f->faiss)
		return;
	printf("written by   kith %s\n", f->version);
	if (f->state.generation)
		printf("generation   %016" PRIx64 "\n", f->state.generation);
	if (*kith_index_note(f->index))
		printf("note         %s\n", kith_index_note(f->index));
	const char *key;
	for (int64_t i = 0; (key = kith_index_tag_at(f->index, i)); i++)
		printf("tag          %s = %s\n", key, kith_index_tag(f->index, key));
	print_tree(f);
	printf("\n%-16s %16s %16s\n", "part", "bytes", "per vector");
	for (int i = 0; i <= PARTS; i++) {
		int64_t bytes = i < PARTS ? f->part_bytes[i] : f->rest;
		if (bytes > 0)
			printf("%-16s %16" PRId64 " %16.3f\n", i < PARTS ? parts[i].part : "the rest", bytes,
			    n ? (double)bytes / (double)n : 0.0);
	}
}

/* The generation as text, since some JSON programs read numbers as doubles. */
static json_t *json_generation(const kith_file_info *state)
{
	char text[17];
	snprintf(text, sizeof text, "%016" PRIx64, state->generation);
	return json_text(text);
}

static int print_object(const struct index_file *f)
{
	json_t *sizes = json_object();
	for (int i = 0; i < PARTS; i++)
		if (f->part_bytes[i] > 0)
			json_object_set_new(sizes, parts[i].part, json_integer((json_int_t)f->part_bytes[i]));
	json_object_set_new(sizes, "the rest", json_integer((json_int_t)f->rest));
	json_t *nodes = json_array(), *tags = json_object();
	for (int64_t i = 0; i < f->nodes && i < NODES; i++)
		json_array_append_new(nodes,
		    json_pack("{s:i, s:s, s:I, s:I}", "depth", f->tree[i].depth, "what", f->tree[i].name, "n",
		        (json_int_t)f->node_vectors[i], "bytes", (json_int_t)f->node_bytes[i]));
	const char *key;
	for (int64_t i = 0; (key = kith_index_tag_at(f->index, i)); i++)
		json_object_set_new(tags, key, json_text(kith_index_tag(f->index, key)));
	if (f->faiss)
		json_object_clear(sizes);
	json_t *object = json_pack("{s:o, s:s, s:s, s:s, s:I, s:I, s:s, s:b, s:I, s:I, s:o}", "file",
	    json_text(f->path), "format", f->faiss ? "faiss" : "kith", "index", kith_index_describe(f->index),
	    "metric", kith_metric_name(kith_index_metric(f->index)), "n",
	    (json_int_t)kith_index_size(f->index), "dim", (json_int_t)kith_index_dim(f->index), "type",
	    kith_type_name(kith_index_type(f->index)), "trained", kith_index_trained(f->index), "bytes",
	    (json_int_t)f->bytes, "memory_bytes", (json_int_t)kith_index_memory(f->index), "parts", sizes);
	json_object_set_new(object, "structure", nodes);
	json_object_set_new(object, "tags", tags);
	json_object_set_new(object, "appended_bytes", json_integer((json_int_t)f->appended));
	json_object_set_new(object, "appends", json_integer((json_int_t)f->state.appends));
	json_object_set_new(object, "dropped_bytes", json_integer((json_int_t)f->state.dropped_bytes));
	json_object_set_new(object, "worth_saving", json_boolean(f->state.worth_saving));
	json_object_set_new(
	    object, "generation", f->state.generation ? json_generation(&f->state) : json_null());
	json_object_set_new(object, "preset", preset_json(f->index));
	json_object_set_new(object, "labels", f->labels.values ? labels_json(&f->labels) : json_null());
	json_object_set_new(object, "ids", labels_json(&f->labels));
	json_object_set_new(object, "written_by", json_text(f->version));
	json_object_set_new(object, "note", json_text(kith_index_note(f->index)));
	return print_json(object);
}

int info_index(const char *path, const char *name, bool quick, bool json)
{
	struct index_file f = {.path = path, .faiss = is_faiss_file(name)};
	kith_status status = index_read(&f.index, name, quick ? 0 : KITH_VERIFY);
	if (status != KITH_OK)
		return fail_status(status, path, NULL);
	int code = labels_of(f.index, path, &f.labels);
	if (code != EXIT_OK) {
		kith_index_free(f.index);
		return code;
	}
	f.state.size = sizeof f.state;
	if (!f.faiss)
		kith_index_file(f.index, &f.state);
	FILE *file = stop_signal() ? NULL : fopen(name, "rbe");
	if (stop_signal())
		code = fail_stopped(NULL);
	if (file && f.faiss && fseek(file, 0, SEEK_END) == 0)
		f.bytes = ftell(file);
	else if (file)
		measure(&f, file);
	if (file)
		fclose(file);
	if (code == EXIT_OK && json)
		code = print_object(&f);
	else if (code == EXIT_OK)
		print_text(&f);
	kith_index_free(f.index);
	return code;
}
