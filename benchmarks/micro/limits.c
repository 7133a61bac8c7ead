/* The machine's limits, measured in the same run as the kernels that are compared with them.
 *
 * Arithmetic: twelve independent chains of the instruction set's multiply-add, on registers only. That is
 * more than latency times throughput of any core so far. Memory: a sum over an array with the widest loads of
 * the CPU; the better of two variants, with and without software prefetch.
 *
 * Functions have their instruction set as an attribute, so this file needs no compiler flags of its own, and
 * a CPU without the instruction set never runs them.
 */
#include <omp.h>
#include <string.h>

#include "bench.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { CHAINS = 12, STEPS = 1024, PREFETCH = 1024 };

static volatile float sink_f32;
static volatile int32_t sink_i32;
static volatile uint64_t sink_u64;

/* A peak loop runs STEPS times over all chains; a step of a chain has `ops` operations. */
struct peak {
	const char *isa;
	void (*f32)(void);
	double f32_ops;
	void (*i8)(void);
	double i8_ops;
};

/* Each chain is a variable of its own, because the compiler may keep an array in memory. The empty assembly
 * statement makes it believe that x changes in every step, so that no part of a step can be moved out of the
 * loop. */
#define CHAIN(c, step)                                                                                       \
	acc##c = step(acc##c, x, y);                                                                         \
	__asm__ volatile("" : KEEP(acc##c), KEEP(x));
// clang-format off
#define PEAK_LOOP(name, target_, vector, zero, one, step, sink, take)                                        \
	target_ static void name(void)                                                                       \
	{                                                                                                    \
		vector x = one, y = one;                                                                     \
		vector acc0 = zero, acc1 = zero, acc2 = zero, acc3 = zero, acc4 = zero, acc5 = zero;         \
		vector acc6 = zero, acc7 = zero, acc8 = zero, acc9 = zero, acc10 = zero, acc11 = zero;       \
		for (int i = 0; i < STEPS; i++) {                                                            \
			CHAIN(0, step) CHAIN(1, step) CHAIN(2, step) CHAIN(3, step)                          \
			CHAIN(4, step) CHAIN(5, step) CHAIN(6, step) CHAIN(7, step)                          \
			CHAIN(8, step) CHAIN(9, step) CHAIN(10, step) CHAIN(11, step)                        \
		}                                                                                            \
		sink = take(acc0);                                                                           \
	}
// clang-format on

#if defined(__x86_64__)
#define TARGET(isa)              __attribute__((target(isa)))
#define KEEP(a)                  "+x"(a)
#define STEP_SSE_F32(a, x, y)    _mm_add_ps(_mm_mul_ps(x, y), a)
#define STEP_SSE_I16(a, x, y)    _mm_add_epi32(a, _mm_madd_epi16(x, y))
#define STEP_AVX2_F32(a, x, y)   _mm256_fmadd_ps(x, y, a)
#define STEP_AVX2_I8(a, x, y)    _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), y))
#define STEP_AVX512_F32(a, x, y) _mm512_fmadd_ps(x, y, a)
#define STEP_AVX512_I8(a, x, y)  _mm512_dpbusd_epi32(a, x, y)
#define TAKE_AVX512_F32(a)       _mm512_cvtss_f32(a)
#define TAKE_AVX512_I8(a)        _mm_cvtsi128_si32(_mm512_castsi512_si128(a))
#define TAKE_AVX2_I8(a)          _mm_cvtsi128_si32(_mm256_castsi256_si128(a))
PEAK_LOOP(sse_f32, , __m128, _mm_setzero_ps(), _mm_set1_ps(1), STEP_SSE_F32, sink_f32, _mm_cvtss_f32)
PEAK_LOOP(
    sse_i16, , __m128i, _mm_setzero_si128(), _mm_set1_epi8(1), STEP_SSE_I16, sink_i32, _mm_cvtsi128_si32)
PEAK_LOOP(avx2_f32, TARGET("avx2,fma"), __m256, _mm256_setzero_ps(), _mm256_set1_ps(1), STEP_AVX2_F32,
    sink_f32, _mm256_cvtss_f32)
PEAK_LOOP(avx2_i8, TARGET("avx2"), __m256i, _mm256_setzero_si256(), _mm256_set1_epi8(1), STEP_AVX2_I8,
    sink_i32, TAKE_AVX2_I8)
#undef KEEP
#define KEEP(a) "+v"(a)
PEAK_LOOP(avx512_f32, TARGET("avx512f"), __m512, _mm512_setzero_ps(), _mm512_set1_ps(1), STEP_AVX512_F32,
    sink_f32, TAKE_AVX512_F32)
PEAK_LOOP(avx512_i8, TARGET("avx512f,avx512vnni"), __m512i, _mm512_setzero_si512(), _mm512_set1_epi8(1),
    STEP_AVX512_I8, sink_i32, TAKE_AVX512_I8)

static const struct peak PEAKS[] = {
    {"ref", sse_f32, 8, sse_i16, 16},
    {"avx2", avx2_f32, 16, avx2_i8, 64},
    {"avx512", avx512_f32, 32, avx512_i8, 128},
};
#elif defined(__aarch64__)
#define KEEP(a)                "+w"(a)
#define STEP_NEON_F32(a, x, y) vfmaq_f32(a, x, y)
#define LOW_S8(a)              vreinterpret_s8_s32(vget_low_s32(a))
#define STEP_NEON_I8(a, x, y)  vpadalq_s16(a, vmull_s8(LOW_S8(x), LOW_S8(y)))
#define TAKE_NEON_F32(a)       vgetq_lane_f32(a, 0)
#define TAKE_NEON_I32(a)       vgetq_lane_s32(a, 0)
PEAK_LOOP(neon_f32, , float32x4_t, vdupq_n_f32(0), vdupq_n_f32(1), STEP_NEON_F32, sink_f32, TAKE_NEON_F32)
PEAK_LOOP(neon_i8, , int32x4_t, vdupq_n_s32(0), vdupq_n_s32(1), STEP_NEON_I8, sink_i32, TAKE_NEON_I32)
static const struct peak PEAKS[] = {
    {"ref", neon_f32, 8, neon_i8, 16},
    {"neon", neon_f32, 8, neon_i8, 16},
};
#else
#define KEEP(a)             "+m"(a)
#define STEP_PLAIN(a, x, y) ((a) + (x) * (y))
#define TAKE_PLAIN(a)       (a)
PEAK_LOOP(plain_f32, , float, 0, 1, STEP_PLAIN, sink_f32, TAKE_PLAIN)
PEAK_LOOP(plain_i32, , int32_t, 0, 1, STEP_PLAIN, sink_i32, TAKE_PLAIN)
static const struct peak PEAKS[] = {{"ref", plain_f32, 2, plain_i32, 2}};
#endif

static void run_peak(void *context, int64_t round)
{
	(void)round;
	(*(void (**)(void))context)();
}

/* An instruction set that is not in the table is compared with the last one in it. */
void measure_peaks(const struct settings *settings, const char *isa, struct limits *limits)
{
	const size_t count = sizeof(PEAKS) / sizeof(PEAKS[0]);
	const struct peak *peak = &PEAKS[count - 1];
	for (size_t i = 0; i < count; i++)
		if (strcmp(PEAKS[i].isa, isa) == 0)
			peak = &PEAKS[i];
	void (*f32)(void) = peak->f32, (*i8)(void) = peak->i8;
	const double groups = (double)CHAINS * STEPS;
	limits->isa = isa;
	limits->rate[LIMIT_F32] = groups * peak->f32_ops / measure_best(settings, run_peak, &f32);
	limits->rate[LIMIT_F64] = limits->rate[LIMIT_F32] / 2;
	limits->rate[LIMIT_I8] = groups * peak->i8_ops / measure_best(settings, run_peak, &i8);
}

/* Sum `bytes` bytes (a multiple of 512) in eight chains, with a prefetch PREFETCH bytes ahead if `ahead` is
 * set. */
#define READ_LOOP(name, target_, vector, zero, width, load, add, take)                                       \
	target_ static void name(const char *p, size_t bytes, int ahead)                                     \
	{                                                                                                    \
		vector acc[8];                                                                               \
		for (int c = 0; c < 8; c++)                                                                  \
			acc[c] = zero;                                                                       \
		for (size_t i = 0; i < bytes; i += 8 * (width)) {                                            \
			if (ahead)                                                                           \
				for (size_t line = 0; line < 8 * (width); line += 64)                        \
					__builtin_prefetch(p + i + PREFETCH + line);                         \
			_Pragma("GCC unroll 8") for (int c = 0; c < 8; c++) acc[c] =                         \
			    add(acc[c], load((const void *)(p + i + c * (width))));                          \
		}                                                                                            \
		for (int c = 0; c < 8; c++)                                                                  \
			sink_u64 = (uint64_t)take(acc[c]);                                                   \
	}

#if defined(__x86_64__)
READ_LOOP(read_base, , __m128i, _mm_setzero_si128(), 16, _mm_loadu_si128, _mm_add_epi64, _mm_cvtsi128_si64)
#define TAKE_AVX2(a) _mm_cvtsi128_si64(_mm256_castsi256_si128(a))
READ_LOOP(read_avx2, TARGET("avx2"), __m256i, _mm256_setzero_si256(), 32, _mm256_loadu_si256,
    _mm256_add_epi64, TAKE_AVX2)
#define TAKE_AVX512(a) _mm_cvtsi128_si64(_mm512_castsi512_si128(a))
READ_LOOP(read_avx512, TARGET("avx512f"), __m512i, _mm512_setzero_si512(), 64, _mm512_loadu_si512,
    _mm512_add_epi64, TAKE_AVX512)
#elif defined(__aarch64__)
#define TAKE_NEON(a) vgetq_lane_u64(a, 0)
READ_LOOP(read_base, , uint64x2_t, vdupq_n_u64(0), 16, vld1q_u64, vaddq_u64, TAKE_NEON)
#else
#define LOAD_PLAIN(p)   (*(const uint64_t *)(p))
#define ADD_PLAIN(a, b) ((a) + (b))
READ_LOOP(read_base, , uint64_t, 0, 8, LOAD_PLAIN, ADD_PLAIN, )
#endif

static void read_widest(const char *p, size_t bytes, int ahead)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512f")) {
		read_avx512(p, bytes, ahead);
		return;
	}
	if (__builtin_cpu_supports("avx2")) {
		read_avx2(p, bytes, ahead);
		return;
	}
#endif
	read_base(p, bytes, ahead);
}

struct reading {
	const char *data;
	size_t bytes, chunk;
	int threads, ahead;
};

static void run_read(void *context, int64_t round)
{
	const struct reading *r = context;
	const size_t chunk = r->chunk;
	const char *p = r->data + (size_t)round % (r->bytes / chunk) * chunk;
	if (r->threads == 1) {
		read_widest(p, chunk, r->ahead);
		return;
	}
	const size_t part = chunk / (size_t)r->threads & ~(size_t)511;
#pragma omp parallel num_threads(r->threads)
	read_widest(p + (size_t)omp_get_thread_num() * part, part, r->ahead);
}

double read_bandwidth(const struct settings *settings, const void *data, size_t bytes, int threads)
{
	struct reading reading = {.data = data, .bytes = bytes, .chunk = bytes, .threads = threads};
	double best = 0;
	/* A call reads enough that the time to synchronise threads at its end does not matter. */
	if (reading.chunk > (size_t)1 << 26)
		reading.chunk = (size_t)1 << 26;
	for (reading.ahead = 0; reading.ahead < 2; reading.ahead++) {
		const double rate = (double)reading.chunk / measure_best(settings, run_read, &reading);
		if (rate > best)
			best = rate;
	}
	return best;
}
