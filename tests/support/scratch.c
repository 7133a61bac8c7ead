/* See scratch.h. */
#include "tests/support/scratch.h"

#include "tests/support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_make(char *folder)
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(folder, SCRATCH_FOLDER, "%s/kith-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	REQUIRE(n < SCRATCH_FOLDER && mkdtemp(folder));
}

void scratch_path(char *path, const char *folder, const char *name)
{
	REQUIRE(snprintf(path, SCRATCH_PATH, "%s/%s", folder, name) < SCRATCH_PATH);
}

/* Count the files in a folder, and remove them if `removing`. */
static int visit_files(const char *folder, bool removing)
{
	int n = 0;
	DIR *d = opendir(folder);
	REQUIRE(d);
	for (struct dirent *entry; (entry = readdir(d));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		n++;
		if (removing)
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	closedir(d);
	return n;
}

int scratch_count(const char *folder)
{
	return visit_files(folder, false);
}

void scratch_remove(const char *folder)
{
	visit_files(folder, true);
	REQUIRE(rmdir(folder) == 0);
}
