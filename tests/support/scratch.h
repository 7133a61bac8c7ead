/* Folders for the files that tests write. If a test is killed, its folder remains in the folder for temporary
 * files. */
#ifndef KITH_TESTS_SCRATCH_H
#define KITH_TESTS_SCRATCH_H

enum { SCRATCH_FOLDER = 256, SCRATCH_PATH = SCRATCH_FOLDER + 64 };

/* Create a folder below $TMPDIR or /tmp: folder [SCRATCH_FOLDER]. */
void scratch_make(char *folder);

/* The path [SCRATCH_PATH] of a file in it. */
void scratch_path(char *path, const char *folder, const char *name);

/* The number of files in it. */
int scratch_count(const char *folder);

/* Remove the folder and its files. */
void scratch_remove(const char *folder);

#endif
