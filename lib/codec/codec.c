/* What every codec can do without code of its own. */
#include "lib/codec/codec.h"

#include "lib/base/status.h"

#include <string.h>

kith_status codec_clone(struct codec **out, const struct codec *codec)
{
	return codec->ops->clone(out, codec);
}

void codec_free(struct codec *codec)
{
	if (codec)
		codec->ops->free(codec);
}

bool codec_same(const struct codec *a, const struct codec *b)
{
	if (a->ops != b->ops || a->dim != b->dim || a->cosine != b->cosine || a->trained != b->trained)
		return false;
	char word_a[32], word_b[32];
	a->ops->word(a, word_a);
	b->ops->word(b, word_b);
	return strcmp(word_a, word_b) == 0 && (!a->ops->same || !a->trained || a->ops->same(a, b));
}

void codec_save(const struct codec *codec, struct blob_writer *w)
{
	if (w->status || !codec->trained || !codec->ops->train)
		return;
	if (codec->ops->save) {
		codec->ops->save(codec, w);
		return;
	}
	char word[32];
	codec->ops->word(codec, word);
	w->status = fail(KITH_UNSUPPORTED, "a trained '%s' cannot be saved yet", word);
}

kith_status codec_load(struct codec *codec, bool trained, struct blob_reader *r)
{
	if (!trained || codec->trained)
		return KITH_OK;
	if (codec->ops->load)
		return codec->ops->load(codec, r);
	char word[32];
	codec->ops->word(codec, word);
	return fail(KITH_UNSUPPORTED, "a trained '%s' cannot be read yet", word);
}

kith_status codec_new_plain(struct codec **out, const struct codec_ops *ops, int64_t dim, bool cosine)
{
	struct codec *codec = mem_zalloc(1, sizeof *codec);
	if (!codec)
		return fail_nomem("a codec", sizeof *codec);
	*codec = (struct codec){.ops = ops, .dim = dim, .cosine = cosine, .trained = !ops->train};
	*out = codec;
	return KITH_OK;
}

kith_status codec_clone_plain(struct codec **out, const struct codec *codec)
{
	return codec_new_plain(out, codec->ops, codec->dim, codec->cosine);
}

void codec_free_plain(struct codec *codec)
{
	mem_free(codec);
}

size_t codec_memory_plain(const struct codec *codec)
{
	return sizeof *codec;
}

kith_status codec_check_metric(const struct codec *codec, const struct metric *metric)
{
	char word[32];
	if (metric->product != PRODUCT_NONE || codec->ops->any_metric)
		return KITH_OK;
	codec->ops->word(codec, word);
	return fail(KITH_UNSUPPORTED,
	    "'%s' compares vectors by l2, ip and cosine; for metric %s keep them as 'Flat' does", word,
	    metric->name);
}

const struct codec_walk *codec_walk(const struct codec *codec, enum key_precision precision)
{
	if (precision == KEYS_WIDE)
		return &walk_wide;
	if (precision == KEYS_FLOAT && codec->ops->walk_float)
		return codec->ops->walk_float;
	return codec->ops->walk ? codec->ops->walk : &walk_decoding;
}
