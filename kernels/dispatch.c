/* Choosing the kernels.
 *
 * There is one table per instruction set. Each begins as a copy of the one before it, so that kernels that an
 * instruction set lacks come from the next slower one. All tables are filled once; afterwards only `active`
 * changes, atomically, so that a table that was handed out stays valid.
 */
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(KITH_HAVE_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static bool always(void)
{
	return true;
}

#if defined(KITH_HAVE_AVX2)
/* Some compilers' __builtin_cpu_supports does not know F16C. */
static bool has_f16c(void)
{
	unsigned eax, ebx, ecx, edx;
	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
	       __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
	       __builtin_cpu_supports("popcnt") && has_f16c();
}
#endif

#if defined(KITH_HAVE_AVX512)
static bool has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512vnni");
}
#endif

#if defined(KITH_HAVE_AMX)
/* Ask for the use of tiles: Linux saves and restores their 8 KB of registers only for programs that ask. It
 * refuses if they would not fit on a thread's alternate signal stack. */
static bool may_use_tiles(void)
{
	enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
	return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* Whether the operating system saves the configuration and data of tiles. */
static bool os_saves_tiles(void)
{
	unsigned eax, ebx, ecx, edx, low, high;
	const unsigned config = 1u << 17, data = 1u << 18;
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
		return false;
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & config) && (low & data);
}

/* The __builtin_cpu_supports of gcc 12 does not know AMX. */
static bool has_amx(void)
{
	unsigned eax, ebx, ecx, edx;
	const unsigned tile = 1u << 24, int8 = 1u << 25;
	return has_avx512() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & tile) &&
	       (edx & int8) && os_saves_tiles() && may_use_tiles() && kernels_amx_agree();
}
#endif

/* All instruction sets, slowest first; fill is NULL for those that this build lacks. */
static const struct isa {
	const char *name;
	bool (*supported)(void);
	void (*fill)(struct kernels *);
} isas[] = {
    {"ref", always, kernels_ref},
#if defined(KITH_HAVE_AVX2)
    {"avx2", has_avx2, kernels_avx2},
#else
    {"avx2", always, NULL},
#endif
#if defined(KITH_HAVE_AVX512)
    {"avx512", has_avx512, kernels_avx512},
#else
    {"avx512", always, NULL},
#endif
#if defined(KITH_HAVE_AMX)
    {"amx", has_amx, kernels_amx},
#else
    {"amx", always, NULL},
#endif
#if defined(KITH_HAVE_NEON)
    {"neon", always, kernels_neon},
#else
    {"neon", always, NULL},
#endif
};
enum { ISAS = sizeof isas / sizeof *isas };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct kernels tables[ISAS]; /* a table whose isa is NULL is not available */
static const struct kernels *automatic;
static _Atomic(const struct kernels *) active;
static char available[64];
static const char *env_problem;

/* The table of that name; NULL with *status −1 (unknown name) or −2 (not available). */
static const struct kernels *find(const char *name, int *status)
{
	*status = -1;
	for (int i = 0; i < ISAS; i++) {
		if (strcmp(name, isas[i].name))
			continue;
		*status = tables[i].isa ? 0 : -2;
		return tables[i].isa ? &tables[i] : NULL;
	}
	return NULL;
}

static void fill_tables(void)
{
	for (int i = 0; i < ISAS; i++) {
		if (!isas[i].fill || !isas[i].supported())
			continue;
		if (automatic) {
			tables[i] = *automatic;
			strcat(available, " ");
		}
		isas[i].fill(&tables[i]);
		strcat(available, isas[i].name);
		automatic = &tables[i];
	}
}

static void start(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
#endif
	fill_tables();
	const char *wish = getenv("KITH_ISA");
	if (wish && *wish) {
		int status;
		const struct kernels *wished = find(wish, &status);
		if (wished)
			automatic = wished;
		else if (status == -1)
			env_problem = "KITH_ISA is not one of ref, avx2, avx512, amx, neon; ignored";
		else
			env_problem =
			    "KITH_ISA names an instruction set that this CPU or build lacks; ignored";
	}
	atomic_store(&active, automatic);
}

const struct kernels *kernels(void)
{
	const struct kernels *table = atomic_load_explicit(&active, memory_order_acquire);
	if (table)
		return table;
	pthread_once(&once, start);
	return atomic_load(&active);
}

int kernels_force(const char *isa)
{
	pthread_once(&once, start);
	int status = 0;
	const struct kernels *table = isa ? find(isa, &status) : automatic;
	if (table)
		atomic_store(&active, table);
	return status;
}

const char *kernels_available(void)
{
	pthread_once(&once, start);
	return available;
}

const char *kernels_env_problem(void)
{
	pthread_once(&once, start);
	return env_problem;
}
