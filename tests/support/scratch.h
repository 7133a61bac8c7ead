/* Folders for the files that tests write. Those of a test that is killed stay where the system cleans up. */
#ifndef KITH_TESTS_SCRATCH_H
#define KITH_TESTS_SCRATCH_H

enum { SCRATCH_FOLDER = 256, SCRATCH_PATH = SCRATCH_FOLDER + 64 };

/* A new one below $TMPDIR or /tmp: folder [SCRATCH_FOLDER]. */
void scratch_make(char *folder);

/* Path [SCRATCH_PATH] of a file in it. */
void scratch_path(char *path, const char *folder, const char *name);

/* How many files are in it. */
int scratch_count(const char *folder);

/* Remove it with its files. */
void scratch_remove(const char *folder);

#endif
