/* Appending to an index file, so that it costs what is appended.
 *
 *   blob | frame | records | mark | frame | records | mark …
 *
 * A frame says how many bytes of records follow it and has their checksum. It is synced before its mark is
 * written, and that is synced before the append counts. So a frame with a good mark was completed, and it is
 * an error if it is damaged. A frame without a mark, at the end, was not completed: it counts for nothing,
 * and the next append overwrites it.
 *
 * Both are bound to the blob by its identity, to their place by their offset, and each frame to the one
 * before by that one's checksum, its link; so a log is one history, and a part of another one cannot follow.
 * Version 1.0 had no links, and a log that it began is continued without them. It must not take a frame with
 * a link for an append that was not completed, and overwrite it: it accepts the head, and finds a valid mark
 * that is not the one it expects, and so reports a damaged file.
 *
 * Appending holds the file's lock (lock.h), as replacing it does.
 */
#include "lib/store/log.h"

#include "lib/base/blob_parts.h"
#include "lib/base/status.h"
#include "lib/store/vecs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct frame_head) == 64 && sizeof(struct frame_mark) == 64, "no padding");

static const char head_magic[8] = "KITHLOG\n", mark_magic[8] = "KITHDONE";

/* Never 0, which stands for "not chained". */
static uint64_t link_of(uint64_t checksum)
{
	return checksum ? checksum : 1;
}

struct log_end log_begin(uint64_t size, uint64_t identity)
{
	return (struct log_end){
	    .size = size, .identity = identity, .at = size, .link = link_of(identity), .chained = true};
}

static bool head_is_good(const struct frame_head *head, const struct log_end *end)
{
	bool chained = head->link != 0, begins = end->frames == 0;
	return memcmp(head->magic, head_magic, sizeof head_magic) == 0 &&
	       head->checksum == XXH3_64bits(head, offsetof(struct frame_head, checksum)) &&
	       head->number == end->frames && head->offset == end->at && head->identity == end->identity &&
	       head->length % 8 == 0 && (begins || chained == end->chained) &&
	       (!chained || head->link == end->link);
}

static bool mark_is_good(const struct frame_mark *mark)
{
	return memcmp(mark->magic, mark_magic, sizeof mark_magic) == 0 &&
	       mark->checksum == XXH3_64bits(mark, offsetof(struct frame_mark, checksum));
}

struct frame_head log_head(const struct log_end *end, uint64_t length, uint64_t records)
{
	struct frame_head head = {.number = end->frames,
	    .offset = end->at,
	    .length = length,
	    .identity = end->identity,
	    .records = records,
	    .link = end->chained ? end->link : 0};
	memcpy(head.magic, head_magic, sizeof head_magic);
	head.checksum = XXH3_64bits(&head, offsetof(struct frame_head, checksum));
	return head;
}

struct frame_mark log_mark(const struct frame_head *head)
{
	struct frame_mark mark = {.number = head->number,
	    .offset = head->offset,
	    .frame = head->checksum,
	    .kind = head->link ? MARK_CHAINED : 0};
	memcpy(mark.magic, mark_magic, sizeof mark_magic);
	mark.checksum = XXH3_64bits(&mark, offsetof(struct frame_mark, checksum));
	return mark;
}

/* Move *end behind a frame. */
static void pass(struct log_end *end, const struct frame_head *head)
{
	end->at += sizeof *head + head->length + sizeof(struct frame_mark);
	end->frames++;
	end->chained = head->link != 0;
	end->link = link_of(head->checksum);
	end->found |= end->link == end->expected;
}

/* ---- reading ---- */

static kith_status fail_log(const struct blob_source *source, const struct log_end *end)
{
	return fail(KITH_FORMAT, "%s: append %llu, at byte %llu, is damaged", source->name,
	    (unsigned long long)end->frames + 1, (unsigned long long)end->at);
}

/* Whether the last bytes are the mark of any frame of this log: then everything before it was completed. */
static kith_status ends_with_mark(
    const struct blob_source *source, uint64_t all, const struct log_end *end, bool *marked)
{
	struct frame_mark mark;
	*marked = false;
	if (all - end->at < sizeof mark)
		return KITH_OK;
	kith_status status = source->read(source->owner, all - sizeof mark, &mark, sizeof mark);
	*marked = status == KITH_OK && mark_is_good(&mark) && mark.number >= end->frames;
	return status;
}

static kith_status hash_records(
    const struct blob_source *source, uint64_t offset, uint64_t length, uint64_t *hash)
{
	enum { PIECE = 1 << 16 };
	char *piece = mem_alloc(PIECE, 1);
	XXH3_state_t *state = blob_hash_new();
	kith_status status = piece && state ? KITH_OK : fail_nomem("reading", PIECE);
	if (status == KITH_OK)
		XXH3_64bits_reset(state);
	for (uint64_t done = 0, n; status == KITH_OK && done < length; done += n) {
		n = length - done < PIECE ? length - done : PIECE;
		status = source->read(source->owner, offset + done, piece, n);
		if (status == KITH_OK)
			hash_update(state, piece, n);
	}
	if (status == KITH_OK)
		*hash = XXH3_64bits_digest(state);
	mem_free(piece);
	mem_free(state);
	return status;
}

kith_status log_next(
    const struct blob_source *source, uint64_t all, struct log_end *end, struct log_frame *frame, bool *found)
{
	struct frame_head head;
	struct frame_mark mark;
	bool marked;
	uint64_t hash = 0, room = all - end->at;
	*found = false;
	if (room == 0)
		return KITH_OK;
	kith_status status = ends_with_mark(source, all, end, &marked);
	if (status)
		return status;
	if (room < sizeof head + sizeof mark)
		return KITH_OK;
	status = source->read(source->owner, end->at, &head, sizeof head);
	if (status)
		return status;
	room -= sizeof head + sizeof mark;
	if (!head_is_good(&head, end) || head.length > room)
		return marked ? fail_log(source, end) : KITH_OK;
	frame->offset = end->at + sizeof head;
	frame->length = head.length;
	status = source->read(source->owner, frame->offset + frame->length, &mark, sizeof mark);
	if (status)
		return status;
	struct frame_mark want = log_mark(&head);
	if (memcmp(&mark, &want, sizeof mark) != 0)
		return marked || head.length < room ? fail_log(source, end) : KITH_OK;
	status = hash_records(source, frame->offset, frame->length, &hash);
	if (status == KITH_OK && hash != head.records)
		status = fail_log(source, end);
	if (status)
		return status;
	*found = true;
	pass(end, &head);
	return KITH_OK;
}

/* ---- comparing ---- */

struct log_file {
	const char *name;
	int fd;
};

static kith_status read_bytes(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct log_file *file = owner;
	int64_t got = vecs_file_take(file->fd, (int64_t)offset, out, n);
	if (got < 0 || (size_t)got < n)
		return vecs_fail(
		    KITH_IO, file->name, "cannot be read: %s", got < 0 ? strerror(errno) : "it shrinks");
	return KITH_OK;
}

static kith_status blob_is_same(struct log_file *file, uint64_t all, const struct log_end *end, bool *same)
{
	struct blob_header header;
	struct blob_trailer trailer;
	*same = false;
	if (all < end->size || end->size < sizeof header + sizeof trailer)
		return KITH_OK;
	kith_status status = read_bytes(file, 0, &header, sizeof header);
	if (status == KITH_OK)
		status = read_bytes(file, end->size - sizeof trailer, &trailer, sizeof trailer);
	*same = status == KITH_OK && memcmp(header.magic, blob_magic, sizeof blob_magic) == 0 &&
	        (header.size == end->size || (header.size == 0 && all == end->size)) &&
	        trailer.checksum == end->identity;
	return status;
}

/* Whether the last frame is still the same, at the same place. */
static kith_status log_is_same(struct log_file *file, uint64_t all, const struct log_end *end, bool *same)
{
	struct frame_mark mark;
	*same = all >= end->at;
	if (!*same || end->frames == 0)
		return KITH_OK;
	kith_status status = read_bytes(file, end->at - sizeof mark, &mark, sizeof mark);
	*same = status == KITH_OK && mark_is_good(&mark) && mark.number == end->frames - 1 &&
	        link_of(mark.frame) == end->link;
	return status;
}

static kith_status compare(
    struct log_file *file, uint64_t all, const struct log_end *end, enum log_state *state)
{
	struct blob_source source = {.read = read_bytes, .owner = file, .size = all, .name = file->name};
	struct log_frame frame;
	struct log_end next = *end;
	bool same = false;
	*state = LOG_NO_FILE;
	kith_status status = blob_is_same(file, all, end, &same);
	if (status || !same)
		return status;
	*state = LOG_OTHER;
	status = log_is_same(file, all, end, &same);
	if (status || !same)
		return status;
	status = log_next(&source, all, &next, &frame, &same);
	*state = same ? LOG_GROWN : LOG_SAME;
	return status;
}

kith_status log_compare(int fd, const char *name, const struct log_end *end, enum log_state *state)
{
	struct log_file file = {name, fd};
	struct stat st;
	if (fstat(fd, &st) != 0)
		return vecs_fail(KITH_IO, name, "cannot be read: %s", strerror(errno));
	*state = LOG_NO_FILE;
	return S_ISREG(st.st_mode) ? compare(&file, (uint64_t)st.st_size, end, state) : KITH_OK;
}

/* ---- appending ---- */

static kith_status write_bytes(const struct log_file *file, uint64_t offset, const void *bytes, size_t n)
{
	return vecs_file_write(file->fd, file->name, bytes, n, (int64_t)offset);
}

static kith_status sync_file(const struct log_file *file)
{
	return fsync(file->fd) == 0
	           ? KITH_OK
	           : vecs_fail(KITH_IO, file->name, "cannot be written: %s", strerror(errno));
}

enum { PENDING = 1 << 16 };

struct log_sink {
	const struct log_file *file;
	kith_status status;
	uint64_t offset; /* of what is pending */
	uint64_t put;    /* bytes in all */
	size_t pending_bytes;
	char *pending; /* [PENDING] */
	XXH3_state_t *hash;
};

static void flush(struct log_sink *sink)
{
	if (!sink->status && sink->pending_bytes)
		sink->status = write_bytes(sink->file, sink->offset, sink->pending, sink->pending_bytes);
	sink->offset += sink->pending_bytes;
	sink->pending_bytes = 0;
}

void log_put(struct log_sink *sink, const void *bytes, size_t n)
{
	if (n == 0 || sink->status)
		return;
	hash_update(sink->hash, bytes, n);
	sink->put += n;
	if (n > PENDING - sink->pending_bytes)
		flush(sink);
	if (n >= PENDING) {
		if (!sink->status)
			sink->status = write_bytes(sink->file, sink->offset, bytes, n);
		sink->offset += n;
		return;
	}
	memcpy(sink->pending + sink->pending_bytes, bytes, n);
	sink->pending_bytes += n;
}

/* Records from `offset` on, and their checksum. */
static kith_status write_records(
    const struct log_file *file, uint64_t offset, const struct log_records *records, uint64_t *hash)
{
	struct log_sink sink = {.file = file, .offset = offset};
	sink.pending = mem_alloc(PENDING, 1);
	sink.hash = blob_hash_new();
	if (!sink.pending || !sink.hash)
		sink.status = fail_nomem("appending", PENDING);
	if (!sink.status) {
		XXH3_64bits_reset(sink.hash);
		kith_status status = records->write(records->owner, &sink);
		flush(&sink);
		sink.status = sink.status ? sink.status : status;
		*hash = XXH3_64bits_digest(sink.hash);
	}
	if (!sink.status && sink.put != records->length)
		sink.status = fail(KITH_INTERNAL, "an append of %llu bytes was to take %llu",
		    (unsigned long long)sink.put, (unsigned long long)records->length);
	mem_free(sink.pending);
	mem_free(sink.hash);
	return sink.status;
}

/* The records come first, since the head has their checksum; both are synced before the mark is written. */
static kith_status write_frame(
    const struct log_file *file, struct log_end *end, const struct log_records *records)
{
	uint64_t hash = 0;
	struct frame_head head;
	kith_status status = write_records(file, end->at + sizeof head, records, &hash);
	if (status)
		return status;
	head = log_head(end, records->length, hash);
	const struct frame_mark mark = log_mark(&head);
	status = write_bytes(file, end->at, &head, sizeof head);
	if (status == KITH_OK)
		status = sync_file(file);
	if (status == KITH_OK)
		status = write_bytes(file, end->at + sizeof head + head.length, &mark, sizeof mark);
	if (status == KITH_OK)
		status = sync_file(file);
	if (status == KITH_OK)
		pass(end, &head);
	return status;
}

static kith_status check_state(
    const struct log_file *file, const struct log_end *end, bool ours, struct stat *st)
{
	enum log_state state = LOG_OTHER; /* until it is known */
	if (fstat(file->fd, st) != 0 || !S_ISREG(st->st_mode))
		return vecs_fail(KITH_IO, file->name, "is no regular file");
	kith_status status = log_compare(file->fd, file->name, end, &state);
	if (status || state == LOG_SAME)
		return status;
	if (state == LOG_GROWN)
		return vecs_fail(KITH_STALE, file->name,
		    "has been appended to by somebody else since; open it again and make the changes anew");
	if (state == LOG_OTHER)
		return vecs_fail(KITH_STALE, file->name,
		    "holds another log than it did (was a copy put back?); open it again and make the "
		    "changes anew");
	if (ours)
		return vecs_fail(KITH_STALE, file->name,
		    "is not the file that it was: somebody has saved it anew; open it again and make the "
		    "changes anew");
	return vecs_fail(
	    KITH_INVALID, file->name, "is not the file that this index was opened from or last saved to");
}

kith_status log_append(
    const char *path, struct log_end *end, bool ours, const struct log_records *records, struct file_id *id)
{
	struct log_file file = {path, -1};
	struct stat st = {0};
	kith_status status = lock_file(path, path, false, &file.fd);
	if (status == KITH_OK)
		status = check_state(&file, end, ours, &st);
	if (status == KITH_OK && (uint64_t)st.st_size > end->at && ftruncate(file.fd, (off_t)end->at) != 0)
		status = vecs_fail(KITH_IO, path, "cannot be cut: %s", strerror(errno));
	if (status == KITH_OK) {
		const struct log_end before = *end;
		status = write_frame(&file, end, records);
		/* If cutting fails, too, what stays is a frame without a mark; the first failure is
		 * reported. */
		if (status && ftruncate(file.fd, (off_t)before.at) != 0)
			errno = 0;
		*id = file_id_of(&st);
	}
	if (file.fd >= 0)
		close(file.fd);
	return status;
}
