/* Labels and parameters that travel in index files.
 *
 * The library searches by neither: it knows vectors by ids, and takes parameters with each call. A file of
 * FAISS's IndexIDMap whose ids kith cannot have (repeated, negative) keeps them as labels over the ids
 * 0 … n − 1. Its user knows vectors by labels, so the commands print and write labels in the place of ids.
 * Parameters are only told: 'kith search' has defaults of its own, and says which are in use.
 */
#include "carried.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "files.h"

int labels_of(const kith_index *index, const char *path, struct labels *labels)
{
	int64_t n = kith_index_size(index), bare = 0;
	*labels = (struct labels){.min = INT64_MAX, .max = INT64_MIN};
	labels->values = kith_index_labels(index, &labels->n);
	if (!labels->values || n == 0)
		return EXIT_OK;
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

int labels_check_output(const struct labels *labels, const char *path, const char *option)
{
	if (!labels->values || labels->min >= 0)
		return EXIT_OK;
	return cli_error(EXIT_FAILED,
	    "'%s' has labels below 0 (the least is %" PRId64
	    "), and a file of ids has none but -1, for no neighbour; leave %s out",
	    path, labels->min, option);
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

/* Value of a member; 0: not chosen. */
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
