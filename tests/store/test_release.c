/* Files of the first release, and files that it has to understand, or to refuse.
 *
 * Its files (golden/) open with all that is in them, and what is appended to a log that it began goes on in
 * frames that it knows. New files without a log are blobs as it wrote them. Of a new log it may do but one
 * thing: refuse it. What it must not do is to take frames that were completed for an append that was not, and
 * overwrite them. Its reader of logs is written here once more, from its documentation. */
#include "lib/base/blob_parts.h"
#include "tests/store/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/log.h"

static char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];

static void setup(void)
{
	scratch_make(folder);
	scratch_path(path, folder, "a.kith");
}

static void teardown(void)
{
	scratch_remove(folder);
}

/* ---- the first release's reader ---- */

struct old_frame {
	char magic[8];
	uint64_t number, offset, length, identity, records, zero, checksum;
};

struct old_mark {
	char magic[8];
	uint64_t number, offset, frame, zeros[3], checksum;
};

struct old_log {
	uint64_t frames, end; /* complete ones, and where they end: what follows it would overwrite */
	bool damaged;         /* it refuses the file */
	bool unknown;         /* there is a record that it does not know */
};

static uint64_t checksum(const void *bytes)
{
	return XXH3_64bits(bytes, 56);
}

static bool old_mark_is_good(const char *at)
{
	struct old_mark mark;
	memcpy(&mark, at, sizeof mark);
	return !memcmp(mark.magic, "KITHDONE", 8) && mark.checksum == checksum(&mark);
}

/* Kinds 1 … 4 are all that it knows. */
static bool records_are_old(const char *at, uint64_t length, size_t dim)
{
	for (uint64_t done = 0; done < length;) {
		uint32_t kind, type, listed;
		int64_t n;
		memcpy(&kind, at + done, 4);
		memcpy(&type, at + done + 4, 4);
		memcpy(&n, at + done + 8, 8);
		memcpy(&listed, at + done + 16, 4);
		if (kind < 1 || kind > 4)
			return false;
		uint64_t x = kind == 3 ? 0 : kind == 4 ? (uint64_t)n : (uint64_t)n * dim * (type ? 1 : 4);
		done += (32 + (listed ? 8 * (uint64_t)n : 0) + x + 7) / 8 * 8;
	}
	return true;
}

static struct old_log read_old(const struct bytes *b, size_t dim)
{
	struct blob_header header;
	struct blob_trailer trailer;
	memcpy(&header, b->data, sizeof header);
	REQUIRE(header.major_version == 1 && header.minor_version == 0 && header.size <= b->n);
	memcpy(&trailer, b->data + header.size - sizeof trailer, sizeof trailer);
	struct old_log log = {.end = header.size};
	while (log.end < b->n) {
		struct old_frame head;
		struct old_mark mark, want = {"", 0, 0, 0, {0}, 0};
		uint64_t room = b->n - log.end;
		bool marked = room >= 64 && old_mark_is_good(b->data + b->n - 64);
		if (room < 128)
			return log;
		memcpy(&head, b->data + log.end, sizeof head);
		room -= 128;
		if (memcmp(head.magic, "KITHLOG\n", 8) != 0 || head.checksum != checksum(&head) ||
		    head.number != log.frames || head.offset != log.end ||
		    head.identity != trailer.checksum || head.length % 8 || head.length > room) {
			log.damaged = marked;
			return log;
		}
		memcpy(&mark, b->data + log.end + 64 + head.length, sizeof mark);
		memcpy(want.magic, "KITHDONE", 8);
		want.number = head.number;
		want.offset = head.offset;
		want.frame = head.checksum;
		want.checksum = checksum(&want);
		if (memcmp(&mark, &want, sizeof mark) != 0) {
			log.damaged = marked || head.length < room;
			return log;
		}
		const char *records = b->data + log.end + 64;
		log.damaged = head.records != XXH3_64bits(records, head.length);
		log.unknown |= !log.damaged && !records_are_old(records, head.length, dim);
		if (log.damaged)
			return log;
		log.end += 128 + head.length;
		log.frames++;
	}
	return log;
}

/* ---- its files ---- */

enum { GOLD_DIM = 4, GOLD = 24 };

static const struct {
	const char *name;
	bool logged, lossy;
} golden[] = {{"flat", true, false}, {"hnsw", true, false}, {"ivf", true, true}, {"refine", false, false}};

static struct bytes gold(int i)
{
	char name[1024];
	const char *root = getenv("KITH_SOURCE_ROOT");
	snprintf(name, sizeof name, "%s/tests/store/golden/%s.kith", root ? root : ".", golden[i].name);
	struct bytes b = read_file(name);
	write_file(path, b.data, b.n);
	return b;
}

static void gold_vector(int64_t id, bool logged, float x[GOLD_DIM])
{
	for (int j = 0; j < GOLD_DIM; j++)
		x[j] = logged && id == 7 ? (float)(j + 1) : (float)((id * 7 + j * 3) % 23);
}

static void check_gold(const kith_index *index, int i)
{
	bool logged = golden[i].logged;
	int64_t n = logged ? GOLD + 3 : GOLD;
	float x[GOLD_DIM], want[GOLD_DIM], dist[3];
	int64_t ids[3];
	for (int64_t id = 0; id < n; id++) {
		bool removed = logged && id >= 2 && id < 5;
		REQUIRE(kith_index_has(index, id) == !removed);
		/* The updated vector is outside of what the codes of residuals reach. */
		if (removed || (golden[i].lossy && id == 7))
			continue;
		gold_vector(id, logged, want);
		OK(kith_index_get(index, 1, &id, x));
		for (int j = 0; j < GOLD_DIM; j++)
			REQUIRE(golden[i].lossy ? x[j] - want[j] < 1 && want[j] - x[j] < 1 : x[j] == want[j]);
		OK(kith_index_search(index, 1, want, 3, dist, ids, NULL));
		REQUIRE(dist[0] < 1);
	}
	REQUIRE(!strcmp(kith_index_tag(index, "made"), "by the first release"));
	REQUIRE(!logged || !strcmp(kith_index_tag(index, "log"), "2"));
	REQUIRE(!*kith_index_note(index));
}

START_TEST(opens_old_files)
{
	static const int flags[] = {0, KITH_MMAP, KITH_VERIFY, KITH_UPDATE, KITH_MMAP | KITH_UPDATE};
	struct bytes b = gold(_i);
	for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
		kith_index *index;
		OK(kith_index_open(&index, path, flags[f]));
		check_gold(index, _i);
		kith_index_free(index);
	}
	struct old_log log = read_old(&b, GOLD_DIM);
	REQUIRE(log.frames == (golden[_i].logged ? 2 : 0) && log.end == b.n && !log.damaged && !log.unknown);
	free(b.data);
}
END_TEST

/* A log that it began goes on as it began; a file without one may get a new one. */
START_TEST(continues_old_files)
{
	struct bytes b = gold(_i);
	kith_index *index, *opened;
	float x[3 * GOLD_DIM] = {1, 2, 3};
	int64_t id = 10;
	OK(kith_index_open(&index, path, KITH_UPDATE));
	for (int step = 0; step < 3; step++) {
		OK(kith_index_add(index, 3, x, NULL, NULL));
		OK(kith_index_update(index, 1, x, &id));
		OK(kith_index_append(index, path));
		OK(kith_index_open(&opened, path, KITH_VERIFY));
		same_bytes(index, opened);
		kith_index_free(opened);
	}
	struct bytes after = read_file(path);
	struct old_log log = read_old(&after, GOLD_DIM);
	REQUIRE(!memcmp(b.data, after.data, b.n));
	if (golden[_i].logged)
		REQUIRE(log.frames == 5 && log.end == after.n && !log.damaged && !log.unknown);
	else
		REQUIRE(log.damaged && log.frames == 0);
	/* Saved, it is a new one. */
	OK(kith_index_save(index, path));
	free(after.data);
	after = read_file(path);
	log = read_old(&after, GOLD_DIM);
	REQUIRE(log.end == after.n && !log.damaged);
	OK(kith_index_add(index, 3, x, NULL, NULL));
	OK(kith_index_append(index, path));
	free(after.data);
	after = read_file(path);
	REQUIRE(read_old(&after, GOLD_DIM).damaged);
	free(after.data);
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* An append to an old log that another process appended to, or that is another one. */
START_TEST(old_log_is_another)
{
	struct bytes b = gold(0);
	kith_index *index, *second;
	float x[GOLD_DIM] = {1, 2, 3};
	OK(kith_index_open(&index, path, KITH_UPDATE));
	OK(kith_index_open(&second, path, KITH_UPDATE));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	OK(kith_index_append(index, path));
	write_file(path, b.data, b.n);
	x[0] = 7;
	OK(kith_index_add(second, 1, x, NULL, NULL));
	OK(kith_index_append(second, path));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	FAILS(kith_index_append(index, path), KITH_STALE, "another log");
	kith_index_free(index);
	kith_index_free(second);
	free(b.data);
}
END_TEST

/* ---- files for it ---- */

/* Wherever a new log is cut off: if a frame was completed, it refuses the file; never does it take less for
 * all there is. */
START_TEST(new_logs)
{
	enum { STEPS = 3 };
	size_t size[STEPS + 1];
	kith_index *index = build(small_specs[_i], KITH_L2, 40, false);
	OK(kith_index_save(index, path));
	kith_index_free(index);
	OK(kith_index_open(&index, path, KITH_UPDATE));
	float *x = make_data(5, STEPS);
	for (int step = 0; step <= STEPS; step++) {
		struct bytes b = read_file(path);
		size[step] = b.n;
		free(b.data);
		if (step < STEPS) {
			OK(kith_index_add(index, 1, x + step * DIM, NULL, NULL));
			OK(kith_index_append(index, path));
		}
	}
	struct bytes b = read_file(path);
	for (b.n = size[STEPS]; b.n >= size[0]; b.n--) {
		struct old_log log = read_old(&b, DIM);
		REQUIRE(log.frames == 0 && log.damaged == (b.n >= size[1]));
	}
	free(b.data);
	free(x);
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("release");
	TCase *t = tcase_create("release");
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, opens_old_files, 0, 4);
	tcase_add_loop_test(t, continues_old_files, 0, 4);
	tcase_add_test(t, old_log_is_another);
	tcase_add_loop_test(t, new_logs, 0, SMALL);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
