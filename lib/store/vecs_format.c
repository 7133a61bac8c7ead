/* The table of formats, and the names by which files choose one.
 *
 * A format is known by the extension of its path, whatever its case. HDF5 paths may go on with ":set",
 * so its extension is also looked for before a colon.
 */
#include "lib/store/vecs.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#if defined(KITH_HAVE_HDF5)
#define HDF5       &vecs_hdf5
#define HDF5_PLAN  &vecs_hdf5_plan
#define HDF5_NAMES HDF5_FORMATS(NAME)
#else /* known by name, to say what is missing */
static const struct vecs_plan no_hdf5 = {.sets = true};
#define HDF5       NULL
#define HDF5_PLAN  &no_hdf5
#define HDF5_NAMES ""
#endif

/* extension, type, storage, plan */
#define PLAIN_FORMATS(ROW)                                                                                   \
	ROW(fvecs, KITH_F32, &vecs_plain, &vecs_texmex)                                                      \
	ROW(bvecs, KITH_U8, &vecs_plain, &vecs_texmex)                                                       \
	ROW(ivecs, KITH_I32, &vecs_plain, &vecs_texmex)                                                      \
	ROW(fbin, KITH_F32, &vecs_plain, &vecs_bin)                                                          \
	ROW(u8bin, KITH_U8, &vecs_plain, &vecs_bin)                                                          \
	ROW(i8bin, KITH_I8, &vecs_plain, &vecs_bin)                                                          \
	ROW(ibin, KITH_I32, &vecs_plain, &vecs_bin)                                                          \
	ROW(bin, VECS_ANY_TYPE, &vecs_plain, &vecs_truth)                                                    \
	ROW(npy, VECS_ANY_TYPE, &vecs_plain, &vecs_npy)
#define HDF5_FORMATS(ROW)                                                                                    \
	ROW(hdf5, VECS_ANY_TYPE, HDF5, HDF5_PLAN)                                                            \
	ROW(h5, VECS_ANY_TYPE, HDF5, HDF5_PLAN)

#define ENTRY(extension, type, storage, plan) {#extension, type, storage, plan},
#define NAME(extension, type, storage, plan)  " " #extension

static const struct vecs_format formats[] = {PLAIN_FORMATS(ENTRY) HDF5_FORMATS(ENTRY)};
static const char names[] = PLAIN_FORMATS(NAME) HDF5_NAMES;

enum { FORMATS = sizeof formats / sizeof *formats };

const char *kith_vecs_formats(void)
{
	return names + 1;
}

static const struct vecs_format *find(const char *extension, size_t length)
{
	for (int i = 0; i < FORMATS; i++)
		if (strlen(formats[i].extension) == length &&
		    strncasecmp(formats[i].extension, extension, length) == 0)
			return &formats[i];
	return NULL;
}

/* Format of path[0 … length) by what follows the last dot of its last component; NULL: none. */
static const struct vecs_format *find_by_path(const char *path, size_t length)
{
	for (size_t i = length; i > 0 && path[i - 1] != '/'; i--)
		if (path[i - 1] == '.')
			return find(path + i, length - i);
	return NULL;
}

/* ":neighbors" or ":distances" behind a file that may hold both. */
static bool names_part(const struct vecs_format *format, const char *suffix)
{
	return format->plan->parts &&
	       (strcmp(suffix, ":neighbors") == 0 || strcmp(suffix, ":distances") == 0);
}

/* The format and the end of the file's own name; NULL: unknown. */
static const struct vecs_format *find_split(const char *path, size_t *end)
{
	*end = strlen(path);
	const struct vecs_format *format = find_by_path(path, *end);
	for (const char *colon = path; !format && (colon = strchr(colon, ':')) != NULL; colon++) {
		*end = (size_t)(colon - path);
		format = find_by_path(path, *end);
		if (format && !format->plan->sets && !names_part(format, path + *end))
			format = NULL;
	}
	return format;
}

static const struct vecs_format *find_for_device(const char *path, int type)
{
	struct stat st;
	if (type < 0 || stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return NULL;
	for (int i = 0; i < FORMATS; i++)
		if (formats[i].plan == &vecs_texmex && formats[i].type == type)
			return &formats[i];
	return NULL;
}

kith_status vecs_name_parse(struct vecs_name *name, const char *path, int type)
{
	size_t end;
	*name = (struct vecs_name){.format = find_split(path, &end)};
	if (!name->format) {
		end = strlen(path);
		name->format = find_for_device(path, type);
	}
	if (!name->format)
		return vecs_fail(
		    KITH_UNSUPPORTED, path, "unknown extension; known are: %s", kith_vecs_formats());
	if (!name->format->storage)
		return vecs_fail(KITH_UNSUPPORTED, path, "this build of kith lacks HDF5; known are: %s",
		    kith_vecs_formats());
	if (path[end] == ':' && !path[end + 1])
		return vecs_fail(KITH_INVALID, path, "no name after the colon; expected one like ':train'");
	name->path = mem_strdup(path);
	bool named = name->format->plan->sets || path[end] == ':';
	if (named)
		name->set = mem_strdup(path[end] == ':' ? path + end + 1 : "train");
	if (!name->path || (named && !name->set)) {
		vecs_name_free(name);
		return fail_nomem("a path", end);
	}
	name->path[end] = 0;
	return KITH_OK;
}

void vecs_name_free(struct vecs_name *name)
{
	mem_free(name->path);
	mem_free(name->set);
	name->path = name->set = NULL;
}
