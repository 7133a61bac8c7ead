/* Appending to an index file, so that it costs what is appended.
 *
 *   blob | frame | records | mark | frame | records | mark …
 *
 * A frame says how many bytes of records follow it and has their checksum. It is synced before its mark is
 * written, and that is synced before the append counts. So a frame with a good mark was completed, and must
 * be in order; one without it, at the end, was not, and is as if it had never been: whoever appends next
 * overwrites it. Both are bound to the blob by its identity and to their place by their offset, so that
 * nothing left over from elsewhere passes for one.
 */
#include "lib/store/log.h"

#include "lib/base/blob_parts.h"
#include "lib/base/status.h"
#include "lib/store/vecs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct frame_head) == 64 && sizeof(struct frame_mark) == 64, "no padding");

static const char head_magic[8] = "KITHLOG\n", mark_magic[8] = "KITHDONE";

static bool head_is_good(const struct frame_head *head, const struct log_end *end)
{
	return memcmp(head->magic, head_magic, sizeof head_magic) == 0 &&
	       head->checksum == XXH3_64bits(head, offsetof(struct frame_head, checksum)) &&
	       head->number == end->frames && head->offset == end->at && head->identity == end->identity &&
	       head->length % 8 == 0;
}

static bool mark_is_good(const struct frame_mark *mark)
{
	return memcmp(mark->magic, mark_magic, sizeof mark_magic) == 0 &&
	       mark->checksum == XXH3_64bits(mark, offsetof(struct frame_mark, checksum));
}

struct frame_head log_head(const struct log_end *end, const void *records, size_t n)
{
	struct frame_head head = {.number = end->frames,
	    .offset = end->at,
	    .length = n,
	    .identity = end->identity,
	    .records = XXH3_64bits(records, n)};
	memcpy(head.magic, head_magic, sizeof head_magic);
	head.checksum = XXH3_64bits(&head, offsetof(struct frame_head, checksum));
	return head;
}

struct frame_mark log_mark(const struct frame_head *head)
{
	struct frame_mark mark = {.number = head->number, .offset = head->offset, .frame = head->checksum};
	memcpy(mark.magic, mark_magic, sizeof mark_magic);
	mark.checksum = XXH3_64bits(&mark, offsetof(struct frame_mark, checksum));
	return mark;
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
	end->at = frame->offset + frame->length + sizeof mark;
	end->frames++;
	return KITH_OK;
}

/* ---- appending ---- */

struct log_file {
	const char *path;
	int fd;
};

static kith_status read_bytes(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct log_file *file = owner;
	int64_t got = vecs_file_take(file->fd, (int64_t)offset, out, n);
	if (got < 0 || (size_t)got < n)
		return vecs_fail(
		    KITH_IO, file->path, "cannot be read: %s", got < 0 ? strerror(errno) : "it shrinks");
	return KITH_OK;
}

static kith_status write_bytes(const struct log_file *file, uint64_t offset, const void *bytes, size_t n)
{
	for (const char *from = bytes; n > 0;) {
		ssize_t done = pwrite(file->fd, from, n, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return vecs_fail(
			    KITH_IO, file->path, "cannot be written: %s", strerror(done ? errno : ENOSPC));
		from += done;
		offset += (uint64_t)done;
		n -= (size_t)done;
	}
	return KITH_OK;
}

static kith_status sync_file(const struct log_file *file)
{
	return fsync(file->fd) == 0
	           ? KITH_OK
	           : vecs_fail(KITH_IO, file->path, "cannot be written: %s", strerror(errno));
}

static kith_status open_log(struct log_file *file, const char *path, uint64_t *all)
{
	struct stat st;
	*file = (struct log_file){path, -1};
	do
		file->fd = open(path, O_RDWR | O_CLOEXEC);
	while (file->fd < 0 && errno == EINTR);
	if (file->fd < 0)
		return vecs_fail(
		    errno == ENOENT ? KITH_NOTFOUND : KITH_IO, path, "cannot be opened: %s", strerror(errno));
	/* Advice among those who append; a file system without locks has to do without. */
	if (flock(file->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return vecs_fail(KITH_IO, path, "another process is appending to it");
	if (fstat(file->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return vecs_fail(KITH_IO, path, "is no regular file");
	*all = (uint64_t)st.st_size;
	return KITH_OK;
}

/* The blob is the one that was read, and so is the log. */
static kith_status check_end(struct log_file *file, uint64_t all, const struct log_end *end)
{
	struct blob_source source = {.read = read_bytes, .owner = file, .size = all, .name = file->path};
	struct blob_header header = {0};
	struct blob_trailer trailer = {0};
	struct log_frame frame;
	bool found = false;
	kith_status status = KITH_OK;
	if (all >= end->at) {
		status = read_bytes(file, 0, &header, sizeof header);
		if (status == KITH_OK)
			status = read_bytes(file, end->size - sizeof trailer, &trailer, sizeof trailer);
	}
	if (status)
		return status;
	if (memcmp(header.magic, blob_magic, sizeof blob_magic) != 0 || header.size != end->size ||
	    trailer.checksum != end->identity)
		return vecs_fail(KITH_INVALID, file->path,
		    "is not the file that this index was opened from or last saved to");
	struct log_end next = *end;
	status = log_next(&source, all, &next, &frame, &found);
	if (status == KITH_OK && found)
		status = vecs_fail(
		    KITH_INVALID, file->path, "has been appended to by somebody else; open it again");
	return status;
}

static kith_status write_frame(
    const struct log_file *file, const struct log_end *end, const void *records, size_t n)
{
	const struct frame_head head = log_head(end, records, n);
	const struct frame_mark mark = log_mark(&head);
	kith_status status = write_bytes(file, end->at, &head, sizeof head);
	if (status == KITH_OK)
		status = write_bytes(file, end->at + sizeof head, records, n);
	if (status == KITH_OK)
		status = sync_file(file);
	if (status == KITH_OK)
		status = write_bytes(file, end->at + sizeof head + n, &mark, sizeof mark);
	return status ? status : sync_file(file);
}

kith_status log_append(const char *path, struct log_end *end, const void *records, size_t n)
{
	struct log_file file;
	uint64_t all = 0;
	kith_status status = open_log(&file, path, &all);
	if (status == KITH_OK)
		status = check_end(&file, all, end);
	if (status == KITH_OK && all > end->at && ftruncate(file.fd, (off_t)end->at) != 0)
		status = vecs_fail(KITH_IO, path, "cannot be cut: %s", strerror(errno));
	if (status == KITH_OK) {
		status = write_frame(&file, end, records, n);
		/* The message is that of the failure; a tail that stays is one without a mark. */
		if (status && ftruncate(file.fd, (off_t)end->at) != 0)
			errno = 0;
	}
	if (status == KITH_OK) {
		end->at += sizeof(struct frame_head) + n + sizeof(struct frame_mark);
		end->frames++;
	}
	if (file.fd >= 0)
		close(file.fd);
	return status;
}
