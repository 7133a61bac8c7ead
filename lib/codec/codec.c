/* What every codec can do without code of its own. */
#include "lib/codec/codec.h"

#include "lib/base/status.h"

kith_status codec_clone(struct codec **out, const struct codec *codec)
{
	return codec->ops->clone(out, codec);
}

void codec_free(struct codec *codec)
{
	if (codec)
		codec->ops->free(codec);
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
