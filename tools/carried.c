/* Labels and search parameters in index files that come from FAISS.
 *
 * The library uses neither in a search: it knows vectors by ids, and takes parameters with each call. The ids
 * of a FAISS IndexIDMap that kith does not allow (repeated or negative ones) are kept as labels of the ids
 * 0 … n − 1. The user of such a file knows the vectors by their labels, so that the commands print and write
 * labels instead of ids. Parameters are only printed: 'kith search' has defaults of its own, and says which
 * parameters are in use.
 */
#include "carried.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "files.h"
#include "hint.h"
#include "stream.h"

int labels_of(const kith_index *index, const char *path, struct labels *labels)
{
	int64_t n = kith_index_size(index), bare = 0;
	*labels = (struct labels){.max = -1};
	labels->values = kith_index_labels(index, &labels->n);
	if (n == 0)
		return EXIT_OK;
	if (!labels->values) {
		kith_status found = kith_index_id_range(index, &labels->min, &labels->max);
		labels->given = labels->min != 0 || labels->max != n - 1;
		return found == KITH_OK ? EXIT_OK : fail_status(found, path, NULL);
	}
	labels->given = true;
	labels->min = INT64_MAX;
	labels->max = INT64_MIN;
	int64_t *ids = malloc((size_t)n * sizeof *ids);
	if (!ids)
		return fail_memory(n * 8, "ids");
	kith_status status = kith_index_ids(index, ids);
	for (int64_t i = 0; status == KITH_OK && i < n; i++) {
		int64_t label = label_of(labels, ids[i]);
		bare += ids[i] >= labels->n;
		labels->min = label < labels->min ? label : labels->min;
		labels->max = label > labels->max ? label : labels->max;
	}
	free(ids);
	if (status != KITH_OK)
		return fail_status(status, path, NULL);
	if (bare)
		return cli_error(EXIT_FAILED,
		    "'%s': %" PRId64 " of its vectors %s no label, since they were added without the FAISS "
		    "layer that wrote the others; open it with kith.open in Python, and write it anew",
		    path, CLI_COUNT_AS(bare, "has", "have"));
	return EXIT_OK;
}

int64_t label_of(const struct labels *labels, int64_t id)
{
	return labels->values && id >= 0 && id < labels->n ? labels->values[id] : id;
}

const char *labels_text(const struct labels *labels, char *out, size_t size)
{
	snprintf(out, size, "%s %" PRId64 " ... %" PRId64, labels->values ? "labels" : "ids", labels->min,
	    labels->max);
	return out;
}

json_t *labels_json(const struct labels *labels)
{
	return json_pack("{s:I, s:I}", "min", (json_int_t)labels->min, "max", (json_int_t)labels->max);
}

/* The kind of file that holds ids of 64 bits, for messages. */
#define WIDE(path) (is_stream(path) ? "npy:-" : "an .npy file")

int labels_type(
    const struct labels *labels, const char *index, const char *option, const char *path, kith_type *type)
{
	bool fits = labels->min >= 0 && labels->max <= INT32_MAX;
	*type = !fits && names_wide(path) ? KITH_I64 : KITH_I32;
	if (labels->min >= 0 || *type == KITH_I64)
		return EXIT_OK;
	return cli_error(EXIT_FAILED,
	    "'%s' has labels below 0 (the least is %" PRId64
	    "), and %s '%s' has none but -1, for no neighbour; give it the name of %s, or leave it out",
	    index, labels->min, option, path, WIDE(path));
}

int labels_narrow(int64_t n, const int64_t *ids, const char *option, const char *path, int32_t *out)
{
	for (int64_t i = 0; i < n; i++) {
		if (ids[i] > INT32_MAX)
			return cli_error(EXIT_FAILED,
			    "id %" PRId64
			    " does not fit the 32 bits of %s '%s'; give it the name of %s, or leave it out",
			    ids[i], option, path, WIDE(path));
		out[i] = (int32_t)ids[i];
	}
	return EXIT_OK;
}

int labels_check_truth(const struct labels *labels, const char *index, const struct input *truth)
{
	if (!labels->values || labels->min >= 0 || truth->info.type == KITH_I64)
		return EXIT_OK;
	return cli_error(EXIT_FAILED,
	    "'%s' has labels below 0 (the least is %" PRId64
	    "), and --truth '%s' holds ids of 32 bits, where those mean no neighbour; give an npy of int64, "
	    "or leave it out",
	    index, labels->min, truth->path);
}

/* ---- parameters ---- */

static const struct {
	const char *name;
	size_t offset;
	bool real, searches;
} members[] = {
    {"nprobe", offsetof(kith_preset, nprobe), false, true},
    {"max_codes", offsetof(kith_preset, max_codes), false, true},
    {"k_factor", offsetof(kith_preset, k_factor), true, true},
    {"efSearch", offsetof(kith_preset, efSearch), false, true},
    {"efConstruction", offsetof(kith_preset, efConstruction), false, false},
};
enum { MEMBERS = sizeof members / sizeof *members };

/* The value of a member; 0: the file does not set it. */
static double value_of(const kith_preset *preset, int i)
{
	const char *at = (const char *)preset + members[i].offset;
	if (members[i].real)
		return (double)*(const float *)(const void *)at;
	return (double)*(const int64_t *)(const void *)at;
}

static kith_preset preset_of(const kith_index *index)
{
	kith_preset preset = KITH_PRESET;
	if (kith_index_preset(index, &preset) != KITH_OK)
		preset = (kith_preset)KITH_PRESET;
	return preset;
}

void preset_text(const kith_index *index, char *out, size_t size)
{
	kith_preset preset = preset_of(index);
	size_t used = 0;
	*out = '\0';
	for (int i = 0; i < MEMBERS && used < size; i++)
		if (members[i].searches && value_of(&preset, i) > 0)
			used += (size_t)snprintf(out + used, size - used, "%s%s=%.9g", used ? "," : "",
			    members[i].name, value_of(&preset, i));
}

void preset_print(const kith_index *index)
{
	kith_preset preset = preset_of(index);
	for (int i = 0; i < MEMBERS; i++)
		if (value_of(&preset, i) > 0)
			printf("%-12s %.9g\n", members[i].name, value_of(&preset, i));
}

json_t *preset_json(const kith_index *index)
{
	kith_preset preset = preset_of(index);
	json_t *object = json_object();
	for (int i = 0; i < MEMBERS; i++)
		if (value_of(&preset, i) > 0)
			json_object_set_new(object, members[i].name,
			    members[i].real ? json_real(value_of(&preset, i))
			                    : json_integer((json_int_t)value_of(&preset, i)));
	return object;
}
