/* Index files: an index with everything it holds, kept in one file.
 *
 * docs/file-format.md describes the bytes. A file is read by this and every later version of kith with the
 * same major number of the format; equal indexes give equal bytes.
 */
#ifndef KITH_FILE_H
#define KITH_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <kith/index.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of kith_index_open. */
enum {
	/* With KITH_MMAP: compare all checksums and make all checks that reading the file into memory would
	 * make, in one pass over it. Without KITH_MMAP a file is always verified. */
	KITH_VERIFY = 1,

	/* Map the file instead of reading it. The time to open does not grow with the number of vectors, only
	 * pages that are touched take memory, and processes that map one file share them. Changes stay in
	 * this process: of what is overwritten single pages are copied, arrays that grow are copied whole.
	 * Checks that would read every vector are put off: a list of an inverted file is checked at its first
	 * search, a list of a graph when a search reaches it, the rest before the first change. So a damaged
	 * file opens, may give wrong answers or fail with FORMAT, but is safe. The first look-up of an id in
	 * an index with ids of the caller's builds a table of all ids. The file may be replaced, as
	 * kith_index_save does, or appended to; if it is cut off, the process ends with SIGBUS. */
	KITH_MMAP = 2,

	/* Refuse all changes, with INVALID. */
	KITH_READONLY = 4,

	/* Remember what changes, for kith_index_append. */
	KITH_UPDATE = 8
};

/* Save an index, trained or not, empty or not. The file appears, complete and synced, when the call
 * succeeds; until then, and after a failure, there is what was there before. A symbolic link keeps pointing:
 * the file behind it is replaced, or made. A device or a pipe is written directly.
 *
 * An index that was opened from this very file, or saved to it since, refuses with STALE to replace it if
 * another process has appended to it or saved it anew meanwhile, or a copy was put back: that would be lost.
 * A file counts as the same under every name that it has, and by what is in it, not by its times. An index
 * that never read the file replaces whatever is there, and so does kith_index_save_as with `overwrite`.
 * Saving and appending wait for one another, up to 10 seconds, on every file system that has locks (flock).
 *
 * A killed process may leave a file ".kith-….tmp" beside it, which the next process to save the same file
 * removes once nobody holds its lock (on a network file system: only if it was made on the same machine since
 * that was started).
 *
 * Of an index that was opened with KITH_UPDATE, path is from now on the file that kith_index_append goes to.
 *
 * Errors:  INVALID, IO (the message tells what the system said: no space, no permission), STALE, UNSUPPORTED
 *          (an index that no factory string describes, such as unlike shards), NOMEM
 * Threads: as a const call; two threads may save to one name, one of them wins
 * Cost:    one pass over the data */
KITH_API kith_status kith_index_save(const kith_index *index, const char *path);

/* Begin with KITH_SAVE_OPTIONS. */
typedef struct kith_save_options {
	size_t size;            /* sizeof(kith_save_options) */
	int overwrite;          /* 1: replace the file whatever has become of it since the index was opened;
	                  0: fail with STALE */
	kith_progress progress; /* bytes of the file; NULL: none. CANCELLED leaves the file that there was */
	void *progress_data;
} kith_save_options;
#define KITH_SAVE_OPTIONS                                                                                    \
	{                                                                                                    \
		sizeof(kith_save_options), 0, NULL, NULL                                                     \
	}

/* kith_index_save with options; NULL: defaults. */
KITH_API kith_status kith_index_save_as(
    const kith_index *index, const char *path, const kith_save_options *options);

/* Open a file that kith_index_save wrote, and kith_index_append, if it did, or one of FAISS's (faiss.h): *out
 * is an index like any other, to be freed with kith_index_free. flags: 0, or some of those above, added up.
 *
 * Nothing in the file is trusted: if it is damaged or forged, the result is an error or an index that is safe
 * to use. Memory is allocated only for what the file really holds.
 *
 * Errors:  NOTFOUND, IO, INVALID (unknown flags), FORMAT (not an index file, cut off, damaged: the message
 *          names the section), UNSUPPORTED (a newer version's file), NOMEM
 * Cost:    one pass over the data; with KITH_MMAP only over what does not grow with the number of vectors.
 *          Appended changes are read and made again: vectors of an inverted file are assigned to lists; of a
 *          graph the edges are in the file (except in a log that version 1.0 of kith began: there vectors
 *          are inserted anew) */
KITH_API kith_status kith_index_open(kith_index **out, const char *path, int flags);

/* The same for a caller who knows what must be in the file: STALE unless all is there that was there when
 * kith_index_file gave this generation. Appends since then are fine; after a save there is a new generation.
 * generation 0: anything will do. A file that ends where an append ends looks whole, whatever followed it
 * once: that is noticed this way only. */
KITH_API kith_status kith_index_open_at(kith_index **out, const char *path, int flags, uint64_t generation);

/* What an index knows of its file, which is the one that it was opened from or, with KITH_UPDATE, was last
 * saved to. */
typedef struct kith_file_info {
	size_t size;         /* sizeof(kith_file_info), set by the caller */
	uint64_t generation; /* what is in it: a checksum of all that was saved and appended, never 0. To be
	                        kept after a save or an append, elsewhere, for kith_index_open_at */
	int64_t saved_bytes; /* the index as it was saved */
	int64_t appended_bytes; /* what was appended since */
	int64_t appends;        /* in how many calls */
	int64_t dropped_bytes;  /* of an append that was not completed, when it was opened */
	int worth_saving;       /* 1: so much was appended that opening is slow for it: save the index */
} kith_file_info;

/* Errors: INVALID, NOTFOUND (not opened from a file). */
KITH_API kith_status kith_index_file(const kith_index *index, kith_file_info *info);

/* A remark about the file that an index was opened from: that an append was not completed, and so is not in
 * it; that so much was appended that it should be saved; "" where there is none. Whether the file was cut
 * off at the end of an append, or appends were taken away by putting back an older copy, cannot be seen in
 * the file: see kith_index_open_at. Belongs to the index. */
KITH_API const char *kith_index_note(const kith_index *index);

/* Write what was added, updated, removed or tagged since an index was opened, saved or appended last to the
 * end of its file, without writing the rest of it again.
 *
 *   index  opened with KITH_UPDATE
 *   path   the file that it was opened from, or saved to since
 *
 * When the call succeeds the changes are on the disk; if the process or the machine stops before, the file is
 * what it was, and opens so. Each append makes opening a little slower, until kith_index_save takes it all
 * together. Each is bound to those before it: after somebody else's, or when an older copy of the file was
 * put back, it is refused with STALE, and the index should be opened again.
 *
 * Errors:  INVALID (no KITH_UPDATE; another file; something that must be saved as a whole, such as training),
 *          STALE (the file has changed since this index knew it), NOTFOUND, IO (nothing was appended; also:
 *          another process is appending to it or saving it), NOMEM
 * Cost:    writing and syncing what changed: a vector as it was given and its id; of a graph also the lists
 *          of new nodes and those that changed, some 2 M lists of up to 2 M numbers for one vector, each list
 *          once for all vectors of an append */
KITH_API kith_status kith_index_append(kith_index *index, const char *path);

/* Functions of the caller's: one takes the next n bytes, the other reads n bytes from `offset` on. A result
 * other than 0 stops the call with IO. */
typedef int (*kith_write_fn)(void *data, const void *bytes, size_t n);
typedef int (*kith_read_fn)(void *data, int64_t offset, void *bytes, size_t n);

/* What kith_index_save writes, given to a function of the caller's. Errors: INVALID, IO, UNSUPPORTED, NOMEM.
 * Threads: as a const call */
KITH_API kith_status kith_index_write(const kith_index *index, kith_write_fn write, void *data);

/* An index out of `size` such bytes, which a function of the caller's reads in any order. flags: of
 * KITH_VERIFY, KITH_READONLY. Errors: as kith_index_open. */
KITH_API kith_status kith_index_read(
    kith_index **out, kith_read_fn read, void *data, int64_t size, int flags);

/* The same to and from memory. *size gets the bytes that there are; with bytes = NULL nothing else happens.
 * The index that is read is independent of the memory. INVALID: capacity is less than *size. */
KITH_API kith_status kith_index_to_bytes(const kith_index *index, void *bytes, size_t capacity, size_t *size);
KITH_API kith_status kith_index_from_bytes(kith_index **out, const void *bytes, size_t size, int flags);

/* Strings of the caller's that are saved with an index: a value for a key, neither of which means anything to
 * kith. value NULL: forget the key. All of them may take 1 MiB. key and value may be strings of this index
 * itself. Errors: INVALID, NOMEM. */
KITH_API kith_status kith_index_tag_set(kith_index *index, const char *key, const char *value);

/* The value of a key; NULL: none. Key number i, in the order of strcmp; NULL: there are not so many. They
 * belong to the index and last until the next kith_index_tag_set. */
KITH_API const char *kith_index_tag(const kith_index *index, const char *key);
KITH_API const char *kith_index_tag_at(const kith_index *index, int64_t i);

#ifdef __cplusplus
}
#endif
#endif
