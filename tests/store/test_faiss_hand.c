/* FAISS's files made by hand: forms of old versions, and what kith itself never writes, mean what FAISS says
 * they do. */
#include "tests/store/test_faiss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct hand {
	struct bytes bytes;
	struct faiss_writer w;
};

static void hand_begin(struct hand *h)
{
	h->bytes = (struct bytes){0};
	OK(faiss_writer_begin(&h->w, (struct blob_sink){bytes_append, &h->bytes}));
}

static kith_index *hand_end(struct hand *h, kith_search_options *options)
{
	kith_index *index;
	OK(faiss_writer_end(&h->w));
	OK(import_bytes(&index, &h->bytes, options));
	free(h->bytes.data);
	use_index(index);
	OK(kith_index_add(index, 0, NULL, NULL, NULL));
	return index;
}

/* One vector's codes in a scalar quantizer: what each means, from FAISS's definition. */
static void check_scalar(int type, int bits, bool uniform, const uint8_t *code, size_t size)
{
	enum { D = 5 };
	static const float vmin[D] = {-3, 0.25F, 7, -1e3F, 1}, vdiff[D] = {10, 1, 0.125F, 4e3F, 0};
	struct hand h;
	int64_t zero = 0;
	float x[D];
	hand_begin(&h);
	faiss_put_index(&h.w, "IxSQ", D, 1, FAISS_L2);
	faiss_put_i32(&h.w, type);
	faiss_put_i32(&h.w, 2);
	faiss_put_float(&h.w, 0.5F);
	faiss_put_i64(&h.w, D);
	faiss_put_i64(&h.w, (int64_t)size);
	faiss_put_i64(&h.w, uniform ? 2 : 2 * D);
	faiss_put(&h.w, vmin, (uniform ? 1 : D) * sizeof *vmin);
	faiss_put(&h.w, vdiff, (uniform ? 1 : D) * sizeof *vdiff);
	faiss_put_array(&h.w, code, (int64_t)size, 1);
	struct bytes b;
	OK(faiss_writer_end(&h.w));
	b = h.bytes;
	kith_index *index;
	OK(import_bytes(&index, &b, NULL));
	OK(kith_index_get(index, 1, &zero, x));
	for (int i = 0; i < D; i++) {
		int bit = i * bits, c = 0;
		for (int j = 0; j < bits; j++)
			c |= (code[(bit + j) / 8] >> ((bit + j) % 8) & 1) << j;
		double low = (double)vmin[uniform ? 0 : i], diff = (double)vdiff[uniform ? 0 : i];
		double want = low + (c + 0.5) / ((1 << bits) - 1) * diff;
		REQUIRE(fabs((double)x[i] - want) <= 1e-6 * fmax(fabs(want), fabs(low)));
	}
	free(b.data);
	kith_index_free(index);
}

START_TEST(scalars)
{
	static const uint8_t code[] = {0x21, 0x93, 0xf0, 0x0f, 0x7a};
	check_scalar(FAISS_8BIT, 8, false, code, 5);
	check_scalar(FAISS_8BIT_UNIFORM, 8, true, code, 5);
	check_scalar(FAISS_4BIT, 4, false, code, 3);
	check_scalar(FAISS_4BIT_UNIFORM, 4, true, code, 3);
	check_scalar(FAISS_6BIT, 6, false, code, 4);
}
END_TEST

static void put_quantizer(struct hand *h, int64_t d, int64_t nlist, const float *centroids)
{
	faiss_put_index(&h->w, "IxF2", d, nlist, FAISS_L2);
	faiss_put_array(&h->w, centroids, nlist * d, sizeof *centroids);
}

/* The oldest inverted files: ids come before the codes, list by list; codes are floats or bytes. */
START_TEST(old_lists)
{
	static const float centroids[4] = {0, 0, 10, 10}, first[2] = {1, 2}, second[4] = {9, 8, 11, 12};
	static const int64_t ids[3] = {70, 5, 6};
	kith_search_options found = KITH_SEARCH_OPTIONS;
	struct hand h;
	hand_begin(&h);
	faiss_put_index(&h.w, _i ? "IvFL" : "IvFl", 2, 3, FAISS_L2);
	faiss_put_i64(&h.w, 2);
	faiss_put_i64(&h.w, 1);
	put_quantizer(&h, 2, 2, centroids);
	faiss_put_array(&h.w, ids, 1, sizeof *ids);
	faiss_put_array(&h.w, ids + 1, 2, sizeof *ids);
	faiss_put(&h.w, "\2", 1); /* a hash of where they are */
	faiss_put_i64(&h.w, 0);
	faiss_put_i64(&h.w, 1);
	faiss_put_i64(&h.w, 70);
	faiss_put_i64(&h.w, 0);
	faiss_put_i64(&h.w, _i ? 8 : 2);
	faiss_put(&h.w, first, sizeof first);
	faiss_put_i64(&h.w, _i ? 16 : 4);
	faiss_put(&h.w, second, sizeof second);
	kith_index *index;
	OK(faiss_writer_end(&h.w));
	OK(import_bytes(&index, &h.bytes, &found));
	float x[2], dist[3];
	int64_t got[3];
	REQUIRE(found.nprobe == 1 && !strcmp(kith_index_describe(index), "IVF2,Flat"));
	OK(kith_index_search(index, 1, first, 3, dist, got, &found));
	REQUIRE(got[0] == 70 && got[1] == -1 && dist[0] == 0);
	OK(kith_index_get(index, 1, &ids[2], x));
	REQUIRE(x[0] == 11 && x[1] == 12);
	free(h.bytes.data);
	use_index(index);
	kith_index_free(index);
}
END_TEST

static void put_product(struct hand *h, const float *centroids)
{
	faiss_put_i64(&h->w, 2);
	faiss_put_i64(&h->w, 1);
	faiss_put_i64(&h->w, 4);
	faiss_put_array(&h->w, centroids, 32, sizeof *centroids);
}

/* IndexPQ of old says inner product and means L2. */
START_TEST(old_product)
{
	static const char *const letters[] = {"IxPQ", "IxPo", "IxPq"};
	float centroids[32];
	struct hand h;
	for (int i = 0; i < 32; i++)
		centroids[i] = (float)i;
	hand_begin(&h);
	faiss_put_index(&h.w, letters[_i], 2, 2, FAISS_IP);
	put_product(&h, centroids);
	faiss_put_array(&h.w, "\3\17", 2, 1);
	if (_i > 0) {
		faiss_put_i32(&h.w, 1);
		faiss_put_bool(&h.w, true);
		faiss_put_i32(&h.w, 9);
	}
	kith_index *index = hand_end(&h, NULL);
	REQUIRE(kith_index_metric(index) == (_i < 2 ? KITH_L2 : KITH_IP));
	kith_index_free(index);
}
END_TEST

/* A map that is not orthonormal, with a bias: the way back is its pseudo-inverse. */
static void check_linear(const char *fourcc, int64_t in, int64_t out, const float *a, const float *b,
    const char *spec, bool invertible)
{
	struct hand h;
	kith_index *index;
	float x[3] = {1, -2, 5}, y[4], back[3];
	int64_t zero = 0;
	for (int64_t i = 0; i < out; i++) {
		y[i] = b ? b[i] : 0;
		for (int64_t j = 0; j < in; j++)
			y[i] += a[i * in + j] * x[j];
	}
	hand_begin(&h);
	faiss_put_index(&h.w, "IxPT", in, 1, FAISS_L2);
	faiss_put_i32(&h.w, 1);
	faiss_put_fourcc(&h.w, fourcc);
	if (fourcc[0] == 'P') {
		faiss_put_float(&h.w, -0.5F);
		if (!strcmp(fourcc, "Pcam"))
			faiss_put_float(&h.w, 0);
		faiss_put_bool(&h.w, true);
		if (strcmp(fourcc, "PCAm") != 0)
			faiss_put_i32(&h.w, 0);
		faiss_put_array(&h.w, a, in, sizeof *a); /* a mean, which the bias need not agree with */
		faiss_put_i64(&h.w, 0);
		faiss_put_i64(&h.w, 0);
	}
	faiss_put_bool(&h.w, b != NULL);
	faiss_put_array(&h.w, a, in * out, sizeof *a);
	faiss_put_array(&h.w, b, b ? out : 0, sizeof *a);
	faiss_put_i32(&h.w, in);
	faiss_put_i32(&h.w, out);
	faiss_put_bool(&h.w, true);
	faiss_put_index(&h.w, "IxF2", out, 1, FAISS_L2);
	faiss_put_array(&h.w, y, out, sizeof *y);
	OK(faiss_writer_end(&h.w));
	OK(import_bytes(&index, &h.bytes, NULL));
	REQUIRE(!strcmp(kith_index_describe(index), spec));
	OK(kith_index_get(index, 1, &zero, back));
	REQUIRE(!invertible || near(back, x, in, 1e-5));
	float dist;
	OK(kith_index_search(index, 1, x, 1, &dist, &zero, NULL));
	REQUIRE(dist < 1e-8F);
	/* What cannot be learnt says so. */
	if (strstr(spec, "Linear")) {
		kith_index *empty;
		OK(kith_index_new(&empty, in, KITH_L2, spec));
		FAILS(kith_index_train(empty, 1, x, NULL), KITH_UNSUPPORTED, "Linear");
		kith_index_free(empty);
	}
	free(h.bytes.data);
	kith_index_free(index);
}

START_TEST(linear)
{
	static const float skew[9] = {2, 1, 0, 0, 3, 1, 1, 0, 1}, bias[4] = {5, -6, 7, 0.5F};
	static const float tall[12] = {1, 0, 2, 0, 1, 0, 3, 1, 0, 1, 1, 1},
	                   turn[9] = {0, 1, 0, 0, 0, -1, 1, 0, 0};
	static const float flat[9] = {1, 1, 0, 2, 2, 0, 0, 0, 1};
	check_linear("LTra", 3, 3, skew, bias, "Linear3,Flat", true);
	check_linear("LTra", 3, 4, tall, bias, "Linear4,Flat", true);
	check_linear("LTra", 3, 2, skew, bias, "Linear2,Flat", false);
	check_linear("LTra", 3, 3, flat, NULL, "Linear3,Flat", false);
	check_linear("LTra", 3, 3, turn, NULL, "Linear3,Flat", true);
	check_linear("rrot", 3, 3, turn, NULL, "RR3,Flat", true);
	check_linear("PCAm", 3, 3, skew, bias, "PCAWR3,Flat", true);
	check_linear("PcAm", 3, 3, turn, bias, "PCAWR3,Flat", true);
	check_linear("Pcam", 3, 3, turn, bias, "PCAWR3,Flat", true);
	check_linear("Pcam", 3, 4, tall, bias, "Linear4,Flat", true);
}
END_TEST

/* Ids around ids, and around the lists of an inverted file. */
START_TEST(maps)
{
	static const float x[6] = {0, 0, 1, 1, 2, 2};
	static const int64_t inner[3] = {2, 0, 1}, outer[3] = {100, 200, 300};
	struct hand h;
	float got[2];
	hand_begin(&h);
	faiss_put_index(&h.w, "IxMp", 2, 3, FAISS_L2);
	faiss_put_index(&h.w, "IxM2", 2, 3, FAISS_L2);
	faiss_put_index(&h.w, "IxFl", 2, 3, FAISS_L2);
	faiss_put_array(&h.w, x, 6, sizeof *x);
	faiss_put_array(&h.w, inner, 3, sizeof *inner);
	faiss_put_array(&h.w, outer, 3, sizeof *outer);
	kith_index *index;
	OK(faiss_writer_end(&h.w));
	OK(import_bytes(&index, &h.bytes, NULL));
	for (int i = 0; i < 3; i++) {
		OK(kith_index_get(index, 1, &outer[inner[i]], got));
		REQUIRE(got[0] == x[2 * i]);
	}
	free(h.bytes.data);
	kith_index_free(index);
}
END_TEST

/* RaBitQ, three vectors of nine components. A code's numbers are c, of `bits` bits, less half their
 * range: u. Of inner product the file has a, and a u is what the code stands for; of L2 ‖r‖² and −2
 * a, and ‖r‖² / (a ‖u‖²) u is. */
enum { RD = 9, RN = 3 };

static unsigned rabitq_number(int bits, int v, int i)
{
	return (unsigned)(v * 5 + i * 3 + 1) & ((1u << bits) - 1);
}

static void put_rabitq_row(struct hand *h, int bits, bool ip, int v)
{
	uint8_t sign[2] = {0}, more[RD] = {0};
	float estimate = 0.5F + (float)v, square = 7 + (float)v;
	for (int i = 0; i < RD; i++) {
		unsigned c = rabitq_number(bits, v, i);
		sign[i / 8] |= (uint8_t)((c >> (bits - 1) & 1) << i % 8);
		for (int b = 0; b < bits - 1; b++) {
			int at = i * (bits - 1) + b;
			more[at / 8] |= (uint8_t)((c >> b & 1) << at % 8);
		}
	}
	faiss_put(&h->w, sign, sizeof sign);
	faiss_put_float(&h->w, square);
	faiss_put_float(&h->w, bits == 1 ? estimate * 3 / 2 : 99); /* a √d / 2 */
	if (bits == 1)
		return;
	faiss_put_float(&h->w, 99);
	faiss_put(&h->w, more, (size_t)(RD * (bits - 1) + 7) / 8);
	faiss_put_float(&h->w, square);
	faiss_put_float(&h->w, ip ? estimate : -2 * estimate);
}

static void check_rabitq(const kith_index *index, int bits, bool ip, const float *mean)
{
	float x[RD];
	for (int64_t v = 0; v < RN; v++) {
		double square = 0, estimate = 0.5 + (double)v, half = ((1 << bits) - 1) / 2.0;
		OK(kith_index_get(index, 1, &v, x));
		for (int i = 0; i < RD; i++)
			square += pow(rabitq_number(bits, (int)v, i) - half, 2);
		double factor = ip ? estimate : (7 + (double)v) / (estimate * square);
		for (int i = 0; i < RD; i++) {
			double want = (double)mean[i] + factor * (rabitq_number(bits, (int)v, i) - half);
			REQUIRE(fabs((double)x[i] - want) < 1e-5 * (1 + fabs(want)));
		}
	}
}

static void put_rabitq_head(struct hand *h, int bits, bool ip)
{
	int64_t size = 2 + (bits > 1 ? 12 + (RD * (bits - 1) + 7) / 8 + 8 : 8);
	faiss_put_i64(&h->w, RD);
	faiss_put_i64(&h->w, size);
	faiss_put_i32(&h->w, ip ? FAISS_IP : FAISS_L2);
	if (bits > 1)
		faiss_put_i64(&h->w, bits);
}

/* A flat one, then the same codes in one list; 1, 2, 4, 8 bits, of L2 and inner product. */
START_TEST(rabitq)
{
	static const float mean[RD] = {1, -2, 3, -4, 5, -6, 7, -8, 9};
	static const int64_t ids[RN] = {0, 1, 2};
	int bits = 1 << _i / 2;
	bool ip = _i % 2;
	int metric = ip ? FAISS_IP : FAISS_L2;
	int64_t size = 2 + (bits > 1 ? 12 + (RD * (bits - 1) + 7) / 8 + 8 : 8);
	struct hand h;
	hand_begin(&h);
	faiss_put_index(&h.w, bits == 1 ? "Ixrq" : "Ixrr", RD, RN, metric);
	put_rabitq_head(&h, bits, ip);
	faiss_put_i64(&h.w, RN * size);
	for (int v = 0; v < RN; v++)
		put_rabitq_row(&h, bits, ip, v);
	faiss_put_array(&h.w, mean, RD, sizeof *mean);
	faiss_put(&h.w, "\4", 1);
	kith_index *index;
	OK(faiss_writer_end(&h.w));
	OK(import_bytes(&index, &h.bytes, NULL));
	check_rabitq(index, bits, ip, mean);
	kith_index_free(index);
	free(h.bytes.data);
	hand_begin(&h);
	faiss_put_index(&h.w, bits == 1 ? "Iwrq" : "Iwrr", RD, RN, metric);
	faiss_put_i64(&h.w, 1); /* lists, of which one is probed */
	faiss_put_i64(&h.w, 1);
	faiss_put_index(&h.w, ip ? "IxFI" : "IxF2", RD, 1, metric);
	faiss_put_array(&h.w, mean, RD, sizeof *mean);
	faiss_put(&h.w, "\0", 1); /* no map of ids */
	faiss_put_i64(&h.w, 0);
	put_rabitq_head(&h, bits, ip);
	faiss_put_i64(&h.w, size);
	faiss_put_bool(&h.w, true);
	faiss_put(&h.w, "\0", 1);
	faiss_put_fourcc(&h.w, "ilar");
	faiss_put_i64(&h.w, 1);
	faiss_put_i64(&h.w, size);
	faiss_put_fourcc(&h.w, "full");
	faiss_put_i64(&h.w, 1);
	faiss_put_i64(&h.w, RN);
	for (int v = 0; v < RN; v++)
		put_rabitq_row(&h, bits, ip, v);
	faiss_put(&h.w, ids, sizeof ids);
	OK(faiss_writer_end(&h.w));
	OK(import_bytes(&index, &h.bytes, NULL));
	check_rabitq(index, bits, ip, mean);
	free(h.bytes.data);
	use_index(index);
	kith_index_free(index);
}
END_TEST

void add_hand(Suite *suite)
{
	TCase *t = tcase_create("hand");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, scalars);
	tcase_add_loop_test(t, old_lists, 0, 2);
	tcase_add_loop_test(t, old_product, 0, 3);
	tcase_add_test(t, linear);
	tcase_add_test(t, maps);
	tcase_add_loop_test(t, rabitq, 0, 8);
	suite_add_tcase(suite, t);
}
