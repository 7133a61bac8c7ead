/* Runs files through a fuzz target without a fuzzer: the regression corpus under any compiler.
 *
 * Arguments are files and folders; a folder stands for the files in it. Each file goes once through
 * LLVMFuzzerTestOneInput, in memory of exactly its size, so that sanitizers see every read beyond it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(size > 0 ? size : 1);
	const int ok = file != NULL && data != NULL && fread(data, 1, size, file) == size;
	if (ok)
		LLVMFuzzerTestOneInput(data, size);
	else
		fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(errno));
	if (file != NULL)
		fclose(file);
	free(data);
	return ok ? 1 : -1;
}

/* Returns how many files were run; −1: something could not be read. */
static int run_path(const char *path)
{
	struct stat info;
	if (stat(path, &info) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	if (!S_ISDIR(info.st_mode))
		return run_file(path, (size_t)info.st_size);

	int count = 0;
	DIR *folder = opendir(path);
	for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
		char name[4096];
		if (entry->d_name[0] == '.')
			continue;
		const int length = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (length < 0 || (size_t)length >= sizeof(name) || stat(name, &info) != 0 ||
		    !S_ISREG(info.st_mode) || run_file(name, (size_t)info.st_size) < 0) {
			count = -1;
			break;
		}
		count++;
	}
	if (folder == NULL)
		return -1;
	closedir(folder);
	return count;
}

int main(int argc, char **argv)
{
	int total = 0;
	for (int i = 1; i < argc; i++) {
		const int count = run_path(argv[i]);
		if (count < 0)
			return 1;
		total += count;
	}
	printf("%d inputs\n", total);
	return total > 0 ? 0 : 1;
}
