/* The library as a whole. */
#include <kith/library.h>

#include "kernels/kernels.h"
#include "lib/base/status.h"
#include "lib/metric/metric.h"
#include "lib/tile/blas.h"

const char *kith_version(void)
{
	return KITH_VERSION;
}

const char *kith_metric_name(kith_metric metric)
{
	const struct metric *found = metric_of(metric);
	return found ? found->name : "?";
}

const char *kith_type_name(kith_type type)
{
	return type == KITH_F32   ? "f32"
	       : type == KITH_U8  ? "u8"
	       : type == KITH_I8  ? "i8"
	       : type == KITH_I32 ? "i32"
	       : type == KITH_I64 ? "i64"
	                          : "?";
}

size_t kith_type_size(kith_type type)
{
	switch (type) {
	case KITH_F32:
	case KITH_I32:
		return 4;
	case KITH_U8:
	case KITH_I8:
		return 1;
	case KITH_I64:
		return 8;
	}
	return 0;
}

const char *kith_isa(void)
{
	return kernels()->isa;
}

const char *kith_isa_available(void)
{
	return kernels_available();
}

kith_status kith_set_isa(const char *name)
{
	int failed = kernels_force(name && name[0] ? name : NULL);
	if (failed == -1)
		return fail(KITH_INVALID, "unknown instruction set '%s'; this build and CPU have: %s", name,
		    kernels_available());
	if (failed)
		return fail(KITH_UNSUPPORTED, "instruction set '%s' is not available here; there are: %s",
		    name, kernels_available());
	return KITH_OK;
}

const char *kith_tiles(void)
{
	bool blas = kernels()->blas_is_faster && blas_load();
	return blas ? "BLAS" : kernels()->i8_is_fast ? "int8" : "float";
}

const char *kith_blas(void)
{
	static _Thread_local char text[200];
	if (!kernels()->blas_is_faster)
		return "none (not needed on this instruction set)";
	blas_describe(text, sizeof text);
	return text;
}
