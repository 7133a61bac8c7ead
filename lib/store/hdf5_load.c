/* Finding libhdf5 at run time.
 *
 * A process that has one already, such as a program that is linked to it, must not get a second: two would
 * share symbols and confuse each other. Otherwise the library that the user names is taken, or the first of
 * the names under which distributions install it: the number behind it counts incompatible versions, none of
 * which changed what hdf5_load.h declares.
 */
#include "lib/store/hdf5_load.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/vecs.h"

/* Newest first: 2.0, 1.14, 1.12, 1.10; Debian's serial build has a name of its own. */
static const char *const names[] = {"libhdf5_serial.so.320", "libhdf5.so.320", "libhdf5_serial.so.310",
    "libhdf5.so.310", "libhdf5.so.200", "libhdf5_serial.so.103", "libhdf5.so.103", "libhdf5_serial.so",
    "libhdf5.so"};

/* ISO C has no conversion from an object's address to a function's; POSIX says that the bytes are the
 * same. */
static bool look_up(void *library, const char *name, void *address)
{
	void *found = dlsym(library, name);
	memcpy(address, &found, sizeof found);
	return found != NULL;
}

/* Look up all functions and variables; false if one is missing or the version is older than 1.10.5. */
static bool bind(void *library, struct h5 *h5)
{
	unsigned version[3] = {0};
	bool ok = true;
#define BIND_FUNCTION(returns, name, arguments) ok = ok && look_up(library, "H5" #name, (void *)&h5->name);
#define BIND_VARIABLE(member, variable)         ok = ok && look_up(library, #variable, (void *)&h5->member);
	H5_FUNCTIONS(BIND_FUNCTION)
	H5_VARIABLES(BIND_VARIABLE)
	if (!ok || h5->open() < 0 || h5->get_libversion(&version[0], &version[1], &version[2]) < 0)
		return false;
	return version[0] > 1 || version[1] > 10 || (version[1] == 10 && version[2] >= 5);
}

static kith_status load_named(const char *path, const char *name, struct h5 *h5)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		const char *reason = dlerror();
		return vecs_fail(KITH_UNSUPPORTED, path, "HDF5 cannot be loaded as KITH_HDF5 says: %s",
		    reason ? reason : name);
	}
	if (!bind(library, h5))
		return vecs_fail(KITH_UNSUPPORTED, path,
		    "KITH_HDF5 names '%.80s', which is no libhdf5 of version 1.10.5 or newer", name);
	return KITH_OK;
}

static kith_status load_any(const char *path, struct h5 *h5)
{
	const char *named = getenv("KITH_HDF5");
	if (dlsym(RTLD_DEFAULT, "H5get_libversion") && bind(RTLD_DEFAULT, h5))
		return KITH_OK;
	if (named && *named)
		return load_named(path, named, h5);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		if (library && bind(library, h5))
			return KITH_OK;
		if (library)
			dlclose(library);
	}
	return vecs_fail(KITH_UNSUPPORTED, path,
	    "reading HDF5 takes libhdf5 1.10.5 or newer, which is not installed (Debian, Ubuntu: apt install "
	    "libhdf5-dev; Fedora: hdf5), or set KITH_HDF5 to the library's path");
}

kith_status hdf5_library(const char *path, const struct h5 **out)
{
	static struct h5 loaded;
	static bool ready;
	kith_status status = ready ? KITH_OK : load_any(path, &loaded);
	ready = status == KITH_OK;
	if (ready)
		*out = &loaded;
	return status;
}
