/* The part of libhdf5 that reading takes, loaded when a first HDF5 file is opened.
 *
 * libhdf5 comes with some forty libraries (curl, Kerberos, LDAP …), which no program should carry for files
 * that it does not read: libkith is not linked to it, and is built without its headers. What is declared here
 * has been the same from HDF5 1.10.5 on; tests/store/test_vecs_hdf5.c compares it with the headers that are
 * installed.
 */
#ifndef KITH_STORE_HDF5_LOAD_H
#define KITH_STORE_HDF5_LOAD_H

#include <stdint.h>
#include <sys/types.h>

#include <kith/status.h>

typedef int64_t h5_id;   /* hid_t, and ssize_t where HDF5 says so */
typedef uint64_t h5_len; /* hsize_t, haddr_t */

/* H5E_error2_t */
struct h5_error {
	h5_id class, major, minor;
	unsigned line;
	const char *function, *file, *text;
};
typedef int (*h5_print)(h5_id stack, void *data);                             /* H5E_auto2_t */
typedef int (*h5_visit)(unsigned depth, const struct h5_error *, void *data); /* H5E_walk2_t */

/* HDF5's constants of these names. */
enum {
	H5_DEFAULT = 0, /* H5P_DEFAULT, H5E_DEFAULT */
	H5_RDONLY = 0,
	H5_UPWARD = 0,
	H5_BY_NAME = 0,
	H5_INCREASING = 0,
	H5_SELECT_SET = 0,
	H5_INTEGER = 0,
	H5_FLOAT = 1,
	H5_SIGNED = 1,
	H5_COMPACT = 0,
	H5_CONTIGUOUS = 1,
	H5_CHUNKED = 2
};
#define H5_NOWHERE  UINT64_MAX /* HADDR_UNDEF */
#define H5_CACHE_W0 (-1.0)     /* H5D_CHUNK_CACHE_W0_DEFAULT */

/* Type of the result, name without the prefix H5, arguments. */
#define H5_FUNCTIONS(F)                                                                                      \
	F(int, open, (void))                                                                                 \
	F(int, get_libversion, (unsigned *major, unsigned *minor, unsigned *release))                        \
	F(int, Eget_auto2, (h5_id stack, h5_print *, void **data))                                           \
	F(int, Eset_auto2, (h5_id stack, h5_print, void *data))                                              \
	F(int, Eclear2, (h5_id stack))                                                                       \
	F(int, Ewalk2, (h5_id stack, int direction, h5_visit, void *data))                                   \
	F(h5_id, Fopen, (const char *path, unsigned flags, h5_id access))                                    \
	F(int, Fis_hdf5, (const char *path))                                                                 \
	F(int, Fclose, (h5_id))                                                                              \
	F(ssize_t, Lget_name_by_idx,                                                                         \
	    (h5_id, const char *group, int index, int order, h5_len n, char *name, size_t, h5_id access))    \
	F(h5_id, Dopen2, (h5_id, const char *name, h5_id access))                                            \
	F(h5_id, Dget_type, (h5_id))                                                                         \
	F(h5_id, Dget_space, (h5_id))                                                                        \
	F(h5_id, Dget_create_plist, (h5_id))                                                                 \
	F(h5_len, Dget_storage_size, (h5_id))                                                                \
	F(h5_len, Dget_offset, (h5_id))                                                                      \
	F(int, Dget_num_chunks, (h5_id, h5_id space, h5_len *))                                              \
	F(int, Dread, (h5_id, h5_id type, h5_id memory, h5_id file, h5_id transfer, void *))                 \
	F(int, Dclose, (h5_id))                                                                              \
	F(int, Tget_class, (h5_id))                                                                          \
	F(int, Tget_sign, (h5_id))                                                                           \
	F(size_t, Tget_size, (h5_id))                                                                        \
	F(int, Tclose, (h5_id))                                                                              \
	F(h5_id, Screate_simple, (int rank, const h5_len *extent, const h5_len *max))                        \
	F(int, Sget_simple_extent_ndims, (h5_id))                                                            \
	F(int, Sget_simple_extent_dims, (h5_id, h5_len * extent, h5_len * max))                              \
	F(int, Sselect_hyperslab,                                                                            \
	    (h5_id, int op, const h5_len *start, const h5_len *stride, const h5_len *count,                  \
	        const h5_len *block))                                                                        \
	F(int, Sclose, (h5_id))                                                                              \
	F(h5_id, Pcreate, (h5_id class))                                                                     \
	F(int, Pset_chunk_cache, (h5_id, size_t slots, size_t bytes, double w0))                             \
	F(int, Pget_external_count, (h5_id))                                                                 \
	F(int, Pget_layout, (h5_id))                                                                         \
	F(int, Pget_chunk, (h5_id, int rank, h5_len *chunk))                                                 \
	F(int, Pclose, (h5_id))

/* Ids that HDF5 keeps in variables: member, variable. They have their values once H5open was called. */
#define H5_VARIABLES(V)                                                                                      \
	V(dataset_access, H5P_CLS_DATASET_ACCESS_ID_g)                                                       \
	V(native_float, H5T_NATIVE_FLOAT_g)                                                                  \
	V(native_double, H5T_NATIVE_DOUBLE_g)                                                                \
	V(native_uint8, H5T_NATIVE_UINT8_g)                                                                  \
	V(native_int8, H5T_NATIVE_INT8_g)                                                                    \
	V(native_int32, H5T_NATIVE_INT32_g)                                                                  \
	V(native_int64, H5T_NATIVE_INT64_g)

struct h5 {
#define H5_FUNCTION(returns, name, arguments) returns(*name) arguments;
#define H5_VARIABLE(member, variable)         const h5_id *member;
	H5_FUNCTIONS(H5_FUNCTION)
	H5_VARIABLES(H5_VARIABLE)
#undef H5_FUNCTION
#undef H5_VARIABLE
};

/* libhdf5: the one that this process has already, that the environment variable KITH_HDF5 names, or that the
 * loader finds. It stays for the life of the process. `path` is the file that needs it, for the message.
 *
 * Errors:  UNSUPPORTED (there is none, or it is older than 1.10.5)
 * Threads: one at a time */
kith_status hdf5_library(const char *path, const struct h5 **out);

#endif
