/* libFuzzer target: vector files of any content. The first byte picks the format and the type to read as, the
 * rest is the file: it is opened, read in small batches, mapped and closed. HDF5 is left out, since libhdf5
 * itself would be what is fuzzed.
 *
 *     clang -fsanitize=fuzzer,address,undefined …
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kith/vecs.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const extensions[] = {
    "fvecs", "bvecs", "ivecs", "fbin", "u8bin", "i8bin", "ibin", "npy", "bin", "ibin:distances"};
enum { EXTENSIONS = sizeof extensions / sizeof *extensions, BATCH = 5, ROWS = 200 };

static void put_file(const char *path, const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd) != 0)
		abort();
}

/* Sums what is read, so that every byte is looked at. */
static unsigned read_rows(kith_vecs *vecs, const kith_vecs_info *info, kith_type type, uint8_t *out)
{
	unsigned sum = 0;
	for (int64_t first = 0, n; first < info->n && first < ROWS; first += n) {
		const void *rows;
		size_t stride;
		n = info->n - first < BATCH ? info->n - first : BATCH;
		if (kith_vecs_read(vecs, first, n, type, out) == KITH_OK)
			sum += out[(size_t)n * (size_t)info->dim - 1];
		if (kith_vecs_map(vecs, first, n, &rows, &stride) != KITH_OK)
			continue;
		const size_t row = (size_t)info->dim * kith_type_size(info->type);
		for (int64_t i = 0; i < n; i++)
			for (size_t j = 0; j < row; j++)
				sum += ((const uint8_t *)rows)[(size_t)i * stride + j];
	}
	kith_vecs_drop(vecs);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[128], name[160];
	kith_vecs *vecs;
	if (size == 0)
		return 0;
	snprintf(name, sizeof name, "%s/fuzz_vecs.%ld.%s", P_tmpdir, (long)getpid(),
	    extensions[data[0] % EXTENSIONS]);
	snprintf(path, sizeof path, "%.*s", (int)strcspn(name, ":"), name);
	put_file(path, data + 1, size - 1);
	if (kith_vecs_open(&vecs, name) == KITH_OK) {
		kith_vecs_info info = {.size = sizeof info};
		if (kith_vecs_info_get(vecs, &info) != KITH_OK || info.n < 1 || info.dim < 1 ||
		    info.dim > KITH_MAX_DIM || info.n > (int64_t)size || info.dim > (int64_t)size)
			abort(); /* more vectors than bytes */
		uint8_t *out = malloc((size_t)info.dim * BATCH * 8);
		if (out) {
			volatile unsigned sum =
			    read_rows(vecs, &info, (kith_type)(data[0] / EXTENSIONS % 5), out);
			(void)sum;
		}
		free(out);
		kith_vecs_close(vecs);
	}
	unlink(path);
	return 0;
}
