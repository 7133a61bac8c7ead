/* What the kernel tests share: lengths, random numbers, and the families of tests that kernels.def names. */
#ifndef KITH_TESTS_KERNELS_H
#define KITH_TESTS_KERNELS_H

#include "kernels/kernels.h"
#include "tests/kernels/guard.h"

#include <check.h>

/* Names of instruction sets; not all of them need be available. */
extern const char *const isa_names[];
enum { ISA_COUNT = 5 };

/* The lengths at which every kernel is tried, and numbers of rows. */
extern const int lengths[];
extern const int row_counts[];
enum { LENGTH_COUNT = 68 + 9, ROW_COUNT_COUNT = 8, MAX_ROWS = 65, MAX_LENGTH = 1536 };

uint64_t random_bits(void);
float random_float(void); /* −1 … 1, of widely differing magnitude */
void random_bytes(void *out, size_t bytes);

/* n row numbers below n, in guarded memory and in disorder. */
const uint32_t *put_positions(int n);

/* Fail, with the instruction set in use and the kernel that is tried. */
extern const char *kernel_name;
#define kernel_fail(format, ...) ck_abort_msg("%s %s, " format, kernels()->isa, kernel_name, __VA_ARGS__)

/* The table of plain C. */
extern struct kernels ref_kernels;

/* ---- families ----
 *
 * What a line of kernels.def names as its test, rows(L2SQ, F32) say, becomes TEST_rows(L2SQ, F32): it tries
 * `kernel`, the function of the instruction set in use, and fails if that is wrong anywhere. */
enum op { L2SQ, IP, NORMSQ, L1, LINF, CANBERRA, BRAY_CURTIS, JENSEN_SHANNON, JACCARD, NAN_EUCLIDEAN, LP };
enum elem { F32, BF16, F16, U8, I8 };

/* test_rows.c. A kernel over rows: one of these types. */
struct row_kernel {
	enum op op;
	enum elem elem;
	kernel_f32_fn *f32;
	kernel_f32_gather_fn *f32_gather;
	kernel_split_gather_fn *split;
	kernel_norm_f32_fn *norms;
	kernel_i32_fn *i32;
	kernel_i32_gather_fn *i32_gather;
	kernel_norm_i32_fn *byte_norms;
};
void check_rows(const struct row_kernel *kernel);
#define TEST_rows(op, elem)         check_rows(&(struct row_kernel){op, elem, .f32 = kernel})
#define TEST_gather(op, elem)       check_rows(&(struct row_kernel){op, elem, .f32_gather = kernel})
#define TEST_split_gather(op)       check_rows(&(struct row_kernel){op, F32, .split = kernel})
#define TEST_norms(elem)            check_rows(&(struct row_kernel){NORMSQ, elem, .norms = kernel})
#define TEST_bytes(op, elem)        check_rows(&(struct row_kernel){op, elem, .i32 = kernel})
#define TEST_bytes_gather(op, elem) check_rows(&(struct row_kernel){op, elem, .i32_gather = kernel})
#define TEST_byte_norms(elem)       check_rows(&(struct row_kernel){NORMSQ, elem, .byte_norms = kernel})

void check_exact(kernel_exact_fn *kernel, enum op op);
#define TEST_exact(op) check_exact(kernel, op)

/* test_metrics.c */
void check_metric(kernel_f32_fn *kernel, kernel_lp_fn *lp, enum op op);
void check_metric_exact(kernel_exact_fn *kernel, kernel_lp_exact_fn *lp, enum op op);
#define TEST_metric(op)       check_metric(kernel, NULL, op)
#define TEST_lp()             check_metric(NULL, kernel, LP)
#define TEST_metric_exact(op) check_metric_exact(kernel, NULL, op)
#define TEST_lp_exact()       check_metric_exact(NULL, kernel, LP)

/* test_plane.c */
void check_find_nonfinite(kernel_find_fn *kernel);
void check_good_list(kernel_list_fn *kernel);
void check_select_le(kernel_select_fn *kernel);
void check_split(kernel_split_fn *kernel);
void check_join(kernel_join_fn *kernel);
void check_widen_byte(kernel_widen_u8_fn *u8, kernel_widen_i8_fn *i8);
#define TEST_find_nonfinite() check_find_nonfinite(kernel)
#define TEST_good_list()      check_good_list(kernel)
#define TEST_select_le()      check_select_le(kernel)
#define TEST_split()          check_split(kernel)
#define TEST_join()           check_join(kernel)
#define TEST_widen_u8()       check_widen_byte(kernel, NULL)
#define TEST_widen_i8()       check_widen_byte(NULL, kernel)

/* test_half.c, test_quantize.c */
void check_narrow(kernel_narrow_fn *kernel, enum elem elem);
void check_widen_half(kernel_widen_fn *kernel, enum elem elem);
void check_quantize(kernel_quantize_fn *kernel);
#define TEST_narrow(elem)     check_narrow(kernel, elem)
#define TEST_widen_half(elem) check_widen_half(kernel, elem)
#define TEST_quantize()       check_quantize(kernel)

/* test_sq.c. A scan of codes: one of these types. */
struct sq_scan {
	int bits;
	kernel_sq_l2sq_fn *l2sq;
	kernel_sq_ip_fn *ip;
	kernel_sq_l2sq_gather_fn *l2sq_gather;
	kernel_sq_ip_gather_fn *ip_gather;
};
void check_sq_encode(kernel_sq_encode_fn *kernel, int bits);
void check_sq_decode(kernel_sq_decode_fn *kernel, int bits);
void check_sq_scan(const struct sq_scan *kernel);
#define TEST_sq_encode(bits)      check_sq_encode(kernel, bits)
#define TEST_sq_decode(bits)      check_sq_decode(kernel, bits)
#define TEST_sq_l2sq(bits)        check_sq_scan(&(struct sq_scan){bits, .l2sq = kernel})
#define TEST_sq_ip(bits)          check_sq_scan(&(struct sq_scan){bits, .ip = kernel})
#define TEST_sq_l2sq_gather(bits) check_sq_scan(&(struct sq_scan){bits, .l2sq_gather = kernel})
#define TEST_sq_ip_gather(bits)   check_sq_scan(&(struct sq_scan){bits, .ip_gather = kernel})

/* test_pq.c */
void check_pq_table(kernel_pq_table_fn *kernel, enum op op);
void check_pq_range(kernel_pq_range_fn *kernel);
void check_pq_bytes(kernel_pq_bytes_fn *kernel);
void check_pq_nearest(kernel_pq_nearest_fn *kernel);
void check_pq_find(kernel_pq_find_fn *kernel, int bits);
void check_hadamard(kernel_hadamard_fn *kernel);
void check_rabitq_find(kernel_rabitq_find_fn *kernel);
#define TEST_pq_table(op)  check_pq_table(kernel, op)
#define TEST_pq_range()    check_pq_range(kernel)
#define TEST_pq_bytes()    check_pq_bytes(kernel)
#define TEST_pq_nearest()  check_pq_nearest(kernel)
#define TEST_pq_find(bits) check_pq_find(kernel, bits)
#define TEST_hadamard()    check_hadamard(kernel)
#define TEST_rabitq_find() check_rabitq_find(kernel)

/* test_tile.c */
void check_pack(kernel_pack_fn *kernel);
void check_tile_f32(kernel_tile_f32_fn *kernel);
void check_tile_i8(kernel_tile_i8_fn *kernel);
#define TEST_pack()     check_pack(kernel)
#define TEST_tile_f32() check_tile_f32(kernel)
#define TEST_tile_i8()  check_tile_i8(kernel)

/* Not of a kernel: the places of codes in a scan's operands (test_sq.c). */
TCase *sq_lane_tests(void);

#endif
