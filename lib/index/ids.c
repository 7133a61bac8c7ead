/* Ids. The hash stores positions only and compares through the list, so it costs 4 bytes a slot at a load
 * of 3/8 to 3/4; linear probing over a mixed id. Removal is by whole passes, which rebuild it, so there
 * are no tombstones. */
#include "lib/index/ids.h"

#include "lib/base/lazy.h"
#include "lib/base/status.h"

#include <string.h>

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint32_t *table_of(const struct ids *ids)
{
	return (uint32_t *)(void *)ids->table.data;
}

/* Slot of id in a table, or the empty slot where it belongs. */
static uint64_t find_in(const int64_t *list, const uint32_t *table, uint64_t slots, int64_t id)
{
	uint64_t slot = mix((uint64_t)id) & (slots - 1);
	while (table[slot] && list[table[slot] - 1] != id)
		slot = (slot + 1) & (slots - 1);
	return slot;
}

static uint64_t find_slot(const struct ids *ids, int64_t id)
{
	return find_in((const int64_t *)(const void *)ids->list.data, table_of(ids), ids->slots, id);
}

/* Prefetch the slot that id belongs to, AHEAD ids before it is used. */
enum { AHEAD = 32 };

static void prefetch_slot(const uint32_t *table, uint64_t slots, int64_t id)
{
	__builtin_prefetch(&table[mix((uint64_t)id) & (slots - 1)]);
}

static uint64_t slots_for(int64_t n)
{
	uint64_t slots = 64;
	while (slots / 4 * 3 < (uint64_t)n)
		slots *= 2;
	return slots;
}

static void rebuild(struct ids *ids)
{
	const int64_t *list = (const int64_t *)(const void *)ids->list.data;
	buffer_clear(&ids->table, ids->slots * sizeof(uint32_t));
	for (int64_t i = 0; i < ids->n; i++)
		table_of(ids)[find_slot(ids, list[i])] = (uint32_t)i + 1;
}

/* Room for n ids in list and table. */
static kith_status make_room(struct ids *ids, int64_t n)
{
	uint64_t slots = slots_for(n);
	if (!buffer_reserve(&ids->list, (size_t)n * sizeof(int64_t), 4))
		return fail_nomem("ids", (size_t)n * sizeof(int64_t));
	if (ids->slots >= slots)
		return KITH_OK;
	if (!buffer_reserve(&ids->table, slots * sizeof(uint32_t), 0))
		return fail_nomem("the table of ids", slots * sizeof(uint32_t));
	ids->slots = slots;
	if (ids->listed)
		rebuild(ids);
	return KITH_OK;
}

/* Make implicit ids listed ones. */
static kith_status make_list(struct ids *ids, int64_t room)
{
	kith_status status = make_room(ids, room > ids->n ? room : ids->n);
	if (status || ids->listed)
		return status;
	int64_t *list = (int64_t *)(void *)ids->list.data;
	for (int64_t i = 0; i < ids->n; i++)
		list[i] = i;
	ids->listed = true;
	rebuild(ids);
	return KITH_OK;
}

static bool continues(const struct ids *ids, int64_t n, const int64_t *added)
{
	if (ids->listed || ids->next != ids->n)
		return false;
	for (int64_t i = 0; added && i < n; i++)
		if (added[i] != ids->n + i)
			return false;
	return true;
}

kith_status ids_prepare_append(struct ids *ids, int64_t n, const int64_t *added)
{
	if (n > IDS_MAX - ids->n)
		return fail(KITH_INVALID, "n is %lld: an index holds at most %lld vectors", (long long)n,
		    (long long)IDS_MAX);
	if (!added && n > INT64_MAX - ids->next)
		return fail(KITH_INVALID, "ids: no free ids above %lld", (long long)ids->next);
	return continues(ids, n, added) ? KITH_OK : make_list(ids, ids->n + n);
}

void ids_unprepare(struct ids *ids)
{
	bool implicit = ids->listed && ids->next == ids->n;
	for (int64_t i = 0; implicit && i < ids->n; i++)
		implicit = ids_list(ids)[i] == i;
	if (!implicit)
		return;
	buffer_free(&ids->list);
	buffer_free(&ids->table);
	ids->slots = 0;
	ids->listed = false;
}

static kith_status check_range(int64_t n, const int64_t *added)
{
	for (int64_t i = 0; added && i < n; i++)
		if (added[i] < 0 || added[i] == INT64_MAX)
			return fail(KITH_INVALID, "ids[%lld] is %lld; ids are 0 … 2^63 − 2", (long long)i,
			    (long long)added[i]);
	return KITH_OK;
}

/* Append to a list that has room. INVALID: an id is there already; some of the others may be in the table
 * then. */
static kith_status put_listed(struct ids *ids, int64_t n, const int64_t *added)
{
	int64_t *list = (int64_t *)(void *)ids->list.data, before = ids->n, next = ids->next;
	for (int64_t i = 0; i < n; i++) {
		int64_t id = added ? added[i] : next;
		list[before + i] = id;
		uint64_t slot = find_slot(ids, id);
		if (table_of(ids)[slot])
			return fail(KITH_INVALID,
			    "ids[%lld] is %lld, which is in the index or the list already", (long long)i,
			    (long long)id);
		table_of(ids)[slot] = (uint32_t)(before + i) + 1;
		next = id >= next ? id + 1 : next;
	}
	ids->n += n;
	ids->next = next;
	return KITH_OK;
}

kith_status ids_append(struct ids *ids, int64_t n, const int64_t *added)
{
	kith_status status = check_range(n, added);
	if (status == KITH_OK)
		status = ids_prepare_append(ids, n, added);
	if (status == KITH_OK && continues(ids, n, added)) {
		ids->n += n;
		ids->next = ids->n;
		return KITH_OK;
	}
	if (status == KITH_OK) {
		status = put_listed(ids, n, added);
		if (status)
			rebuild(ids);
	}
	if (status)
		ids_unprepare(ids);
	return status;
}

void ids_truncate(struct ids *ids, int64_t n, int64_t next)
{
	ids->n = n;
	ids->next = next;
	if (ids->listed)
		rebuild(ids);
}

kith_status ids_reserve(struct ids *ids, int64_t n)
{
	return ids->listed ? make_room(ids, n) : KITH_OK;
}

void ids_trim(struct ids *ids)
{
	uint64_t slots = slots_for(ids->n);
	buffer_trim(&ids->list, ids->listed ? (size_t)ids->n * sizeof(int64_t) : 0);
	if (ids->unvalidated || slots >= ids->slots)
		return;
	ids->slots = slots;
	rebuild(ids);
	buffer_trim(&ids->table, slots * sizeof(uint32_t));
}

/* ids_find for unvalidated ids. Without memory for a table it searches the list. */
static int64_t find_unvalidated(const struct ids *ids, int64_t id)
{
	const int64_t *list = ids_list(ids);
	uint64_t slots = slots_for(ids->n);
	uint32_t *table = lazy_get(ids->unvalidated);
	if (!table) {
		uint32_t *made = mem_zalloc(slots, sizeof *made);
		for (int64_t i = 0; made && i < ids->n; i++) {
			if (i + AHEAD < ids->n)
				prefetch_slot(made, slots, list[i + AHEAD]);
			made[find_in(list, made, slots, list[i])] = (uint32_t)i + 1;
		}
		table = made ? lazy_put(ids->unvalidated, made) : NULL;
	}
	if (table)
		return (int64_t)table[find_in(list, table, slots, id)] - 1;
	int64_t i = ids->n - 1;
	while (i >= 0 && list[i] != id)
		i--;
	return i;
}

int64_t ids_find(const struct ids *ids, int64_t id)
{
	if (!ids->listed)
		return id >= 0 && id < ids->n ? id : -1;
	if (ids->unvalidated)
		return find_unvalidated(ids, id);
	return (int64_t)table_of(ids)[find_slot(ids, id)] - 1;
}

kith_status ids_prepare_remove(struct ids *ids)
{
	return make_list(ids, ids->n);
}

void ids_retain(struct ids *ids, const uint64_t *retained)
{
	int64_t *list = (int64_t *)(void *)ids->list.data, kept = 0;
	for (int64_t i = 0; i < ids->n; i++)
		if (retained[i / 64] >> (i % 64) & 1)
			list[kept++] = list[i];
	ids->n = kept;
	rebuild(ids);
}

kith_status ids_replace(struct ids *ids, const int64_t *others)
{
	struct ids made = {.n = ids->n, .next = ids->n};
	if (others) {
		made = (struct ids){0};
		kith_status status = make_list(&made, ids->n);
		if (status == KITH_OK)
			status = ids_append(&made, ids->n, others);
		if (status) {
			ids_free(&made);
			return status;
		}
	}
	ids_free(ids);
	*ids = made;
	return KITH_OK;
}

kith_status ids_copy(struct ids *to, const struct ids *from)
{
	*to = (struct ids){.n = from->n, .next = from->next};
	if (!from->listed)
		return KITH_OK;
	kith_status status = make_room(to, from->n);
	if (status == KITH_OK && from->unvalidated &&
	    !(to->unvalidated = mem_zalloc(1, sizeof *to->unvalidated)))
		status = fail_nomem("ids", sizeof *to->unvalidated);
	if (status) {
		ids_free(to);
		return status;
	}
	if (from->n)
		memcpy(to->list.data, from->list.data, (size_t)from->n * sizeof(int64_t));
	to->listed = true;
	if (!to->unvalidated)
		rebuild(to);
	return KITH_OK;
}

void ids_save(const struct ids *ids, struct blob_writer *w)
{
	int64_t head[2] = {ids->next, ids->listed};
	blob_write(w, "IDS0", head, sizeof head);
	if (ids->listed)
		blob_write(w, "IDS1", ids->list.data, (size_t)ids->n * sizeof(int64_t));
}

/* Fill the table, which has room, with the listed ids. Returns NULL, or what is wrong with id *bad. */
static const char *enter_all(struct ids *ids, int64_t n, int64_t *bad)
{
	const int64_t *list = (const int64_t *)(const void *)ids->list.data;
	buffer_clear(&ids->table, ids->slots * sizeof(uint32_t));
	for (int64_t i = 0; i < n; i++) {
		*bad = list[i];
		if (i + AHEAD < n)
			prefetch_slot(table_of(ids), ids->slots, list[i + AHEAD]);
		if (list[i] < 0 || list[i] >= ids->next)
			return "holds an id out of range";
		uint64_t slot = find_slot(ids, list[i]);
		if (table_of(ids)[slot])
			return "holds an id twice";
		table_of(ids)[slot] = (uint32_t)i + 1;
	}
	return NULL;
}

/* Read the ids of an open section. */
static kith_status load_list(struct ids *ids, int64_t n, struct blob_reader *r)
{
	int64_t bad = 0;
	kith_status status = blob_take(r, &ids->list, (size_t)n * sizeof(int64_t));
	if (status == KITH_OK)
		status = blob_close(r);
	if (status)
		return status;
	if (r->lazy) {
		ids->unvalidated = mem_zalloc(1, sizeof *ids->unvalidated);
		if (!ids->unvalidated)
			return fail_nomem("ids", sizeof *ids->unvalidated);
	} else {
		status = make_room(ids, n);
		const char *wrong = status ? NULL : enter_all(ids, n, &bad);
		if (wrong)
			status = blob_fail(r, "IDS1", "%s: %lld", wrong, (long long)bad);
	}
	ids->n = n;
	ids->listed = true;
	return status;
}

kith_status ids_load(struct ids *ids, int64_t n, struct blob_reader *r)
{
	int64_t head[2];
	kith_status status = blob_read(r, "IDS0", head, sizeof head);
	if (status)
		return status;
	bool listed = head[1] == 1;
	if ((head[1] != 0 && !listed) || head[0] < n || (!listed && head[0] != n))
		return blob_fail(r, "IDS0", "contradicts itself");
	*ids = (struct ids){.n = listed ? 0 : n, .next = head[0]};
	if (!listed)
		return KITH_OK;
	status = blob_open(r, "IDS1", (size_t)n * sizeof(int64_t));
	return status ? status : load_list(ids, n, r);
}

kith_status ids_validate(struct ids *ids)
{
	int64_t bad = 0;
	if (!ids->unvalidated)
		return KITH_OK;
	uint64_t slots = slots_for(ids->n);
	if (!buffer_reserve(&ids->table, slots * sizeof(uint32_t), 0))
		return fail_nomem("the table of ids", slots * sizeof(uint32_t));
	ids->slots = slots;
	const char *wrong = enter_all(ids, ids->n, &bad);
	if (wrong)
		return fail(
		    KITH_FORMAT, "the index file is damaged: section IDS1 %s: %lld", wrong, (long long)bad);
	lazy_free(ids->unvalidated);
	ids->unvalidated = NULL;
	return KITH_OK;
}

size_t ids_memory(const struct ids *ids)
{
	return buffer_memory(&ids->list) + buffer_memory(&ids->table);
}

void ids_free(struct ids *ids)
{
	buffer_free(&ids->list);
	buffer_free(&ids->table);
	lazy_free(ids->unvalidated);
	*ids = (struct ids){0};
}
