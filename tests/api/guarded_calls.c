/* See guards.h. */
#include "tests/api/guards.h"

#include <string.h>

static int nothing(void *data, const void *bytes, size_t n)
{
	(void)data;
	(void)bytes;
	(void)n;
	return 0;
}

static kith_status call_search(struct scene *s)
{
	float dist[K];
	int64_t ids[K];
	return kith_index_search(s->index, 1, s->x, K, dist, ids, NULL);
}

static kith_status call_search_as(struct scene *s)
{
	float dist[K];
	int64_t ids[K];
	return kith_index_search_as(s->index, KITH_F32, 1, s->x, K, dist, ids, NULL);
}

static kith_status call_range(struct scene *s)
{
	kith_ranges *ranges;
	kith_status status = kith_index_range(s->index, 1, s->x, 3, &ranges, NULL);
	kith_ranges_free(ranges);
	return status;
}

static kith_status call_range_as(struct scene *s)
{
	kith_ranges *ranges;
	kith_status status = kith_index_range_as(s->index, KITH_F32, 1, s->x, 3, &ranges, NULL);
	kith_ranges_free(ranges);
	return status;
}

static kith_status call_get(struct scene *s)
{
	float x[DIM];
	const int64_t id = N - 1;
	return kith_index_get(s->index, 1, &id, x);
}

static kith_status call_ids(struct scene *s)
{
	static int64_t ids[2 * N];
	return kith_index_ids(s->index, ids);
}

static kith_status call_id_range(struct scene *s)
{
	int64_t min, max;
	return kith_index_id_range(s->index, &min, &max);
}

static kith_status call_lists(struct scene *s)
{
	kith_lists_info info = {.size = sizeof info};
	return kith_index_lists(s->index, &info);
}

static kith_status call_stats(struct scene *s)
{
	kith_index_counters counters = {.size = sizeof counters};
	return kith_index_stats(s->index, &counters);
}

static kith_status call_stats_text(struct scene *s)
{
	size_t length;
	char text[20000];
	return kith_index_stats_text(s->index, kith_index_describe(s->index), text, sizeof text, &length);
}

static kith_status call_save(struct scene *s)
{
	return kith_index_save(s->index, s->other);
}

static kith_status call_save_as(struct scene *s)
{
	kith_save_options options = KITH_SAVE_OPTIONS;
	options.overwrite = 1;
	return kith_index_save_as(s->index, s->other, &options);
}

static kith_status call_file(struct scene *s)
{
	kith_file_info info = {.size = sizeof info};
	kith_status status = kith_index_file(s->index, &info);
	return status == KITH_NOTFOUND ? KITH_OK : status; /* it is from no file */
}

static kith_status call_write(struct scene *s)
{
	return kith_index_write(s->index, nothing, NULL);
}

static kith_status call_to_bytes(struct scene *s)
{
	size_t size;
	return kith_index_to_bytes(s->index, NULL, 0, &size);
}

static kith_status call_export(struct scene *s)
{
	return kith_index_export_faiss(s->index, s->other);
}

static kith_status call_clone(struct scene *s)
{
	kith_index *clone;
	kith_status status = kith_index_clone(&clone, s->index);
	kith_index_free(clone);
	return status;
}

static kith_status call_tune(struct scene *s)
{
	int64_t truth[K] = {0, 1, 2, 3, 4};
	kith_search_options search = KITH_SEARCH_OPTIONS;
	kith_tune_options options = KITH_TUNE_OPTIONS;
	options.runs = 1;
	return kith_index_tune(s->index, 1, s->x, K, truth, 0, &search, &options);
}

static kith_status call_train(struct scene *s)
{
	return kith_index_train(s->index, N, s->x, NULL);
}

static kith_status call_add(struct scene *s)
{
	return kith_index_add(s->index, 1, s->x, NULL, NULL);
}

static kith_status call_add_as(struct scene *s)
{
	return kith_index_add_as(s->index, KITH_F32, 1, s->x, NULL, NULL);
}

static kith_status call_update(struct scene *s)
{
	const int64_t id = N - 1;
	return kith_index_update(s->index, 1, s->x, &id);
}

static kith_status call_update_as(struct scene *s)
{
	const int64_t id = N - 1;
	return kith_index_update_as(s->index, KITH_F32, 1, s->x, &id);
}

static kith_status call_remove(struct scene *s)
{
	int64_t removed;
	return kith_index_remove(s->index, s->few, &removed);
}

static kith_status call_merge_into(struct scene *s)
{
	return kith_index_merge(s->index, s->like, 10 * N);
}

static kith_status call_merge_from(struct scene *s)
{
	return kith_index_merge(s->like, s->index, 10 * N);
}

static kith_status call_compact(struct scene *s)
{
	return kith_index_compact(s->index, NULL);
}

static kith_status call_reorder(struct scene *s)
{
	return kith_index_reorder(s->index, NULL);
}

static kith_status call_reserve(struct scene *s)
{
	return kith_index_reserve(s->index, 2 * N);
}

static kith_status call_tag_set(struct scene *s)
{
	return kith_index_tag_set(s->index, "refused", "never");
}

static kith_status call_append(struct scene *s)
{
	return kith_index_append(s->index, s->file);
}

static kith_status call_wrap_transform(struct scene *s)
{
	kith_index *out;
	kith_status status = kith_index_wrap_transform(&out, s->index, DIM, KITH_L2, "RR");
	REQUIRE(!out);
	return status;
}

static kith_status call_wrap_refine(struct scene *s)
{
	kith_index *out;
	kith_status status = kith_index_wrap_refine(&out, s->index, "Flat");
	REQUIRE(!out);
	return status;
}

static kith_status call_wrap_shards(struct scene *s)
{
	kith_index *out, *both[2] = {s->like, s->index};
	kith_status status = kith_index_wrap_shards(&out, 2, both);
	REQUIRE(!out);
	return status;
}

static kith_status call_wrap_like(struct scene *s)
{
	kith_index *out;
	kith_status status = kith_index_wrap_like(&out, s->index, KITH_L2, s->like);
	REQUIRE(!out);
	return status;
}

static kith_status call_wrap_fine(struct scene *s)
{
	kith_index *out;
	kith_status status = kith_index_wrap_fine(&out, s->index, s->like);
	REQUIRE(!out);
	return status;
}

static kith_status call_wrap_around_fine(struct scene *s)
{
	kith_index *out;
	kith_status status = kith_index_wrap_fine(&out, s->like, s->index);
	REQUIRE(!out);
	return status;
}

static kith_status call_set_centroids(struct scene *s)
{
	return kith_index_set_centroids(s->index, 4, s->x);
}

static kith_status call_encode(struct scene *s)
{
	uint8_t code[4 * DIM];
	return kith_index_encode(s->index, 1, s->x, code);
}

static kith_status call_decode(struct scene *s)
{
	const uint8_t code[4 * DIM] = {0};
	float x[DIM];
	return kith_index_decode(s->index, 1, code, x);
}

static kith_status call_renumber(struct scene *s)
{
	return kith_index_renumber(s->index);
}

static kith_status call_preset(struct scene *s)
{
	kith_preset preset = KITH_PRESET;
	return kith_index_preset(s->index, &preset);
}

static kith_status call_set_preset(struct scene *s)
{
	kith_preset preset = KITH_PRESET;
	preset.nprobe = 3;
	return kith_index_set_preset(s->index, &preset);
}

static kith_status call_set_labels(struct scene *s)
{
	const int64_t label = -3;
	return kith_index_set_labels(s->index, 1, &label);
}

const struct call calls[] = {
    {"search", call_search, true},
    {"search_as", call_search_as, true},
    {"range", call_range, true},
    {"range_as", call_range_as, true},
    {"get", call_get, true},
    {"ids", call_ids, true},
    {"id_range", call_id_range, true},
    {"lists", call_lists, true},
    {"stats", call_stats, true},
    {"stats_text", call_stats_text, true},
    {"save", call_save, true},
    {"save_as", call_save_as, true},
    {"file", call_file, true},
    {"write", call_write, true},
    {"to_bytes", call_to_bytes, true},
    {"export_faiss", call_export, true},
    {"clone", call_clone, true},
    {"tune", call_tune, true},
    {"encode", call_encode, true},
    {"decode", call_decode, true},
    {"train", call_train, false},
    {"add", call_add, false},
    {"add_as", call_add_as, false},
    {"update", call_update, false},
    {"update_as", call_update_as, false},
    {"remove", call_remove, false},
    {"merge into", call_merge_into, false},
    {"merge from", call_merge_from, false},
    {"compact", call_compact, false},
    {"reorder", call_reorder, false},
    {"reserve", call_reserve, false},
    {"tag_set", call_tag_set, false},
    {"append", call_append, false},
    {"wrap_transform", call_wrap_transform, false},
    {"wrap_refine", call_wrap_refine, false},
    {"wrap_shards", call_wrap_shards, false},
    {"wrap_like", call_wrap_like, false},
    {"wrap_fine", call_wrap_fine, false},
    {"wrap_fine of", call_wrap_around_fine, false},
    {"set_centroids", call_set_centroids, false},
    {"renumber", call_renumber, false},
    {"preset", call_preset, true},
    {"set_preset", call_set_preset, false},
    {"set_labels", call_set_labels, false},
};
_Static_assert(sizeof calls / sizeof *calls == CALLS, "all of them");
