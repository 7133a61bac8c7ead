/* The metrics that are compared in whole floats only, for every instruction set with vectors: its metrics.c
 * defines the operations below and includes this file, which makes the kernels of them.
 *
 *   vec, mask                       WIDTH floats, and a truth value for each
 *   load(p), load_part(p, n)        WIDTH or n < WIDTH floats from any address; the rest is 0
 *   set(x) add sub mul div fma(a, b, c) absolute max root
 *   equals(a, b), below(a, b), either_nan(a, b)   masks; choose(m, a, b): a where m, else b
 *   sum(v)                          of the elements
 *   exponent(x), fraction(x)        x = fraction · 2^exponent for positive normal x, 1 <= fraction < 2
 *   scale(x, n)                     x · 2^n for integral n, −126 … 127
 *   nearest(x)                      the nearest integer
 *
 * Sums are kept in two vectors for each of two totals, so that additions do not wait for one another. Where
 * |x| + |y| overflows, 0 · ∞ makes the result NaN.
 */
enum measure { CANBERRA, BRAY_CURTIS, JENSEN_SHANNON, JACCARD, NAN_EUCLIDEAN, LP };

/* What is added up over a row. den is for ratios, and for the number of missing pairs of NAN_EUCLIDEAN. */
struct totals {
	vec num, den;
};

/* ln x for positive normal x, within 2^-22 of itself and 2^-24; of 0 some −88. With z = (m − 1) / (m + 1) it
 * is e ln 2 + 2 artanh z, for m from 0.7 to 1.4. */
ALWAYS_INLINE vec logarithm(vec x, vec *power)
{
	vec e = exponent(x), m = fraction(x);
	mask high = below(set(1.41421356f), m);
	e = choose(high, add(e, set(1)), e);
	m = choose(high, mul(m, set(0.5f)), m);
	vec z = div(sub(m, set(1)), add(m, set(1))), s = mul(z, z);
	vec tail = fma(s, set(1.0f / 9), set(1.0f / 7));
	tail = fma(tail, s, set(1.0f / 5));
	tail = fma(tail, s, set(1.0f / 3));
	vec twice = add(z, z);
	*power = e;
	return fma(mul(tail, s), twice, twice);
}

static const float LN2 = 0.693147181f;

/* (1 + r) ln (1 + r) + (1 − r) ln (1 − r), 0 <= r <= 1. */
ALWAYS_INLINE vec entropy(vec r)
{
	vec s = mul(r, r), h = set(1.0f / 190);
	static const float factor[] = {
	    1.0f / 153, 1.0f / 120, 1.0f / 91, 1.0f / 66, 1.0f / 45, 1.0f / 28, 1.0f / 15, 1.0f / 6, 1};
	for (int k = 0; k < 9; k++)
		h = fma(h, s, set(factor[k]));
	vec e, f, up = add(set(1), r), down = sub(set(1), r);
	vec log_up = logarithm(up, &e), log_down = logarithm(down, &f);
	log_up = fma(e, set(LN2), log_up);
	log_down = fma(f, set(LN2), log_down);
	return choose(below(set(0.5f), r), fma(up, log_up, mul(down, log_down)), mul(h, s));
}

/* How t^p is computed: by multiplications and a root if 2p is a small integer, else by 2^(p log2 t). */
struct power {
	float p;
	int twice; /* 2p; 0: it is not such a number */
};

ALWAYS_INLINE struct power power_of(float p)
{
	enum { MOST = 16 };
	float twice = 2 * p;
	return (struct power){p, twice <= MOST && twice == floorf(twice) ? (int)twice : 0};
}

ALWAYS_INLINE vec whole_power(vec t, int twice)
{
	vec result = twice % 2 ? root(t) : set(1);
	for (int n = twice / 2; n > 0; n /= 2) {
		if (n % 2)
			result = mul(result, t);
		t = mul(t, t);
	}
	return result;
}

/* 2^(p log2 t); 0 below the range of normal numbers, ∞ beyond. */
ALWAYS_INLINE vec any_power(vec t, float p)
{
	vec e, m = logarithm(t, &e), y = mul(fma(m, set(1.44269504f), e), set(p));
	vec inside = max(set(-126), choose(below(y, set(127)), y, set(127))), n = nearest(inside);
	vec x = mul(sub(inside, n), set(LN2)), v = set(1.0f / 5040);
	static const float factor[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 1.0f / 2, 1, 1};
	for (int k = 0; k < 7; k++)
		v = fma(v, x, set(factor[k]));
	v = scale(v, n);
	v = choose(below(y, set(-126)), set(0), v);
	v = choose(below(set(127), y), set(INFINITY), v);
	return choose(below(t, set(FLT_MIN)), set(0), v);
}

ALWAYS_INLINE struct totals term(enum measure m, struct power p, vec x, vec y, struct totals t)
{
	vec zero = set(0), apart = absolute(sub(x, y));
	if (m == NAN_EUCLIDEAN) {
		mask missing = either_nan(x, y);
		apart = choose(missing, zero, apart);
		t.num = fma(apart, apart, t.num);
		t.den = add(t.den, choose(missing, set(1), zero));
	} else if (m == LP) {
		t.num = add(t.num, p.twice ? whole_power(apart, p.twice) : any_power(apart, p.p));
	} else if (m == BRAY_CURTIS || m == JACCARD) {
		t.num = add(t.num, apart);
		t.den = add(t.den, m == JACCARD ? max(x, y) : absolute(add(x, y)));
	} else {
		vec size = m == CANBERRA ? add(absolute(x), absolute(y)) : add(x, y);
		vec part = div(apart, choose(equals(size, zero), set(1), size));
		if (m == JENSEN_SHANNON)
			part = mul(entropy(part), size);
		t.num = add(t.num, fma(size, zero, part));
	}
	return t;
}

ALWAYS_INLINE float finish(enum measure m, float num, float den, int64_t d)
{
	if (m == NAN_EUCLIDEAN)
		return den < (float)d ? num * ((float)d / ((float)d - den)) : INFINITY;
	if (m == JENSEN_SHANNON)
		return 0.25f * num;
	if (m == BRAY_CURTIS || m == JACCARD)
		return !(num <= FLT_MAX && den <= FLT_MAX) ? NAN : num == 0 ? 0 : num / den;
	return num;
}

ALWAYS_INLINE float measure(enum measure m, struct power p, const float *q, const char *row, int64_t d)
{
	struct totals a = {set(0), set(0)}, b = a;
	int64_t i = 0;
	for (; i + 2 * WIDTH <= d; i += 2 * WIDTH) {
		a = term(m, p, load(q + i), load(row + 4 * i), a);
		b = term(m, p, load(q + i + WIDTH), load(row + 4 * (i + WIDTH)), b);
	}
	if (i + WIDTH <= d) {
		a = term(m, p, load(q + i), load(row + 4 * i), a);
		i += WIDTH;
	}
	if (i < d)
		b = term(m, p, load_part(q + i, d - i), load_part(row + 4 * i, d - i), b);
	return finish(m, sum(add(a.num, b.num)), sum(add(a.den, b.den)), d);
}

ALWAYS_INLINE void measure_rows(enum measure m, struct power p, const float *q, const void *rows,
    size_t stride, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = measure(m, p, q, (const char *)rows + (size_t)i * stride, d);
}

#define MEASURE(op, m)                                                                                       \
	void NAMED(op)(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out)    \
	{                                                                                                    \
		measure_rows(m, (struct power){0}, q, rows, stride, n, d, out);                              \
	}

MEASURE(canberra_f32, CANBERRA)
MEASURE(bray_curtis_f32, BRAY_CURTIS)
MEASURE(jensen_shannon_f32, JENSEN_SHANNON)
MEASURE(jaccard_f32, JACCARD)
MEASURE(nan_euclidean_f32, NAN_EUCLIDEAN)

void NAMED(lp_f32)(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float p, float *out)
{
	measure_rows(LP, power_of(p), q, rows, stride, n, d, out);
}
