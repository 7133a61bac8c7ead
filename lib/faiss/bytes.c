/* Reading FAISS's files, at the bottom: bytes and arrays, and the four letters that say what an object is.
 * Nothing here knows which objects contain which.
 */
#include "lib/faiss/format.h"

#include "lib/base/status.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Objects that kith has no counterpart of, so that messages can say what they are. */
static const struct {
	const char *fourcc, *what;
} others[] = {
    {"IxHE", "a hash (IndexLSH)"},
    {"IxHe", "a hash (IndexLSH)"},
    {"IxRQ", "a residual quantizer"},
    {"IxRq", "a residual quantizer"},
    {"IxLS", "a local search quantizer"},
    {"IxPR", "a product residual quantizer"},
    {"IxPL", "a product local search quantizer"},
    {"ImRQ", "a residual coarse quantizer"},
    {"ILfs", "an additive quantizer, packed for fast scans"},
    {"IRfs", "an additive quantizer, packed for fast scans"},
    {"IPRf", "an additive quantizer, packed for fast scans"},
    {"IPLf", "an additive quantizer, packed for fast scans"},
    {"IVLf", "an inverted file of additive quantizers"},
    {"IVRf", "an inverted file of additive quantizers"},
    {"NPLf", "an inverted file of additive quantizers"},
    {"NPRf", "an inverted file of additive quantizers"},
    {"IwLS", "an inverted file of additive quantizers"},
    {"IwRQ", "an inverted file of additive quantizers"},
    {"IwPL", "an inverted file of additive quantizers"},
    {"IwPR", "an inverted file of additive quantizers"},
    {"IwFd", "an inverted file without duplicates"},
    {"IwPn", "an inverted file in Panorama's order"},
    {"IwP2", "an inverted file in Panorama's order"},
    {"IxFP", "a flat index in Panorama's order"},
    {"IxFp", "a flat index in Panorama's order"},
    {"IHfP", "an HNSW graph in Panorama's order"},
    {"IxRP", "a refinement in Panorama's order"},
    {"IxLa", "a lattice"},
    {"IwSh", "an inverted file of spectral hashes"},
    {"IwQR", "an inverted file of product quantizers with a second one (IVFPQR)"},
    {"IvQR", "an inverted file of product quantizers with a second one (IVFPQR)"},
    {"IwIQ", "an inverted file with a quantizer in another space"},
    {"Imiq", "an inverted multi-index"},
    {"Ix2L", "an index of two layers"},
    {"IHN2", "an HNSW graph over an index of two layers"},
    {"INSf", "an NSG graph"},
    {"INSp", "an NSG graph"},
    {"INSs", "an NSG graph"},
    {"INNf", "an NN-descent graph"},
    {"IRMf", "a row-wise normaliser"},
    {"IRMh", "a row-wise normaliser"},
    {"Irfn", "RaBitQ, packed for fast scans"},
    {"Irfs", "RaBitQ, packed for fast scans"},
    {"Iwrn", "an inverted file of RaBitQ codes, packed for fast scans"},
    {"Iwrf", "an inverted file of RaBitQ codes, packed for fast scans"},
    {"IxEd", "an EDEN quantizer"},
    {"IxEe", "an EDEN quantizer"},
    {"IwEd", "an inverted file of EDEN codes"},
    {"IwEe", "an inverted file of EDEN codes"},
    {"null", "an index without its vectors"},
    {"Viqm", "a transform by ITQ"},
    {"Viqt", "a transform by ITQ"},
    {"HRot", "a Hadamard rotation"},
    {"VCnt", "a transform that only subtracts a mean"},
    {"il00", "an inverted file without its lists"},
    {"ilod", "an inverted file whose lists are in another file; read and write it with FAISS first"},
    {"ilbl", "an inverted file with lists in blocks"},
    {"ilpn", "an inverted file in Panorama's order"},
    {"ilp2", "an inverted file in Panorama's order"},
};

/* What kith reads. */
static const char *const known[] = {"IxFI", "IxF2", "IxFl", "IxPQ", "IxPo", "IxPq", "IxSQ", "IvFl", "IvFL",
    "IvPQ", "IvSQ", "IwFl", "IwPQ", "IwSQ", "IwSq", "IHNf", "IHNp", "IHNs", "IHNc", "IHc2", "IH00", "IxMp",
    "IxM2", "IxPT", "IxRF", "IPfs", "IwPf", "Ixrq", "Ixrr", "Iwrq", "Iwrr"};

/* In parentheses: the analyzer sees a macro of this name. */
kith_status(faiss_fail)(const struct blob_source *source, const char *format, ...)
{
	char text[240];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return fail(KITH_FORMAT, "%s: %s", source->name, text);
}

static const char *what_is(const char *fourcc)
{
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (memcmp(others[i].fourcc, fourcc, 4) == 0)
			return others[i].what;
	return NULL;
}

bool faiss_knows(const char *fourcc)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (memcmp(known[i], fourcc, 4) == 0)
			return true;
	return false;
}

bool faiss_begins(const char *bytes)
{
	/* An index, or an index of bits, but not a part of one. */
	return faiss_knows(bytes) || memcmp(bytes, "IB", 2) == 0 ||
	       (bytes[0] == 'I' && what_is(bytes) != NULL);
}

kith_status faiss_refuse(const struct faiss_reader *r, const char *fourcc)
{
	char name[5] = {0};
	for (int i = 0; i < 4; i++)
		name[i] = isprint((unsigned char)fourcc[i]) ? fourcc[i] : '?';
	const char *what = what_is(fourcc);
	if (!what && memcmp(fourcc, "IB", 2) == 0)
		what = "an index of bits";
	if (what)
		return fail(KITH_UNSUPPORTED, "%s: holds '%s', %s; kith has nothing for it", r->source->name,
		    name, what);
	return faiss_fail(r->source, "byte %llu: '%s' is nothing that FAISS writes there",
	    (unsigned long long)r->at - 4, name);
}

/* ---- bytes ---- */

kith_status faiss_take(struct faiss_reader *r, void *out, size_t bytes)
{
	if (bytes > r->source->size - r->at)
		return faiss_fail(r->source, "ends where more should follow; was it cut off?");
	kith_status status = r->source->read(r->source->owner, r->at, out, bytes);
	r->at += bytes;
	return status;
}

kith_status faiss_take_bool(struct faiss_reader *r, bool *out)
{
	uint8_t byte = 0;
	kith_status status = faiss_take(r, &byte, 1);
	if (status == KITH_OK && byte > 1)
		return faiss_fail(
		    r->source, "byte %llu is %u instead of yes or no", (unsigned long long)r->at - 1, byte);
	*out = byte;
	return status;
}

kith_status faiss_take_array(struct faiss_reader *r, size_t size, struct faiss_array *array)
{
	uint64_t n = 0;
	kith_status status = faiss_take(r, &n, sizeof n);
	if (status)
		return status;
	if (n > (r->source->size - r->at) / size)
		return faiss_fail(r->source, "byte %llu: counts %llu element%s, more than there are",
		    (unsigned long long)r->at - 8, (unsigned long long)n, PLURAL(n));
	*array = (struct faiss_array){r->at, (int64_t)n};
	r->at += n * size;
	return KITH_OK;
}

kith_status faiss_load(
    const struct blob_source *source, uint64_t offset, int64_t first, int64_t count, size_t size, void *out)
{
	return source->read(source->owner, offset + (uint64_t)first * size, out, (size_t)count * size);
}
