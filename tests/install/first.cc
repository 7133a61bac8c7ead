// The public headers from C++: they compile, link, and work.
#include <kith/kith.h>

#include <cstdio>
#include <vector>

int main()
{
	const int64_t n = 1000, dim = 16;
	std::vector<float> x(static_cast<std::size_t>(n * dim));
	for (std::size_t i = 0; i < x.size(); i++)
		x[i] = static_cast<float>(i * 2654435761U % 1000) / 1000.0F;
	kith_index *index = nullptr;
	if (kith_index_new(&index, dim, KITH_L2, "Flat") != KITH_OK)
		return 1;
	float dist = -1;
	int64_t id = -1;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = 1;
	const bool ok = kith_index_add(index, n, x.data(), nullptr, nullptr) == KITH_OK &&
	                kith_index_search(index, 1, x.data() + 7 * dim, 1, &dist, &id, &options) == KITH_OK &&
	                dist == 0;
	if (!ok)
		std::fprintf(stderr, "kith: %s\n", kith_last_error());
	kith_index_free(index);
	return ok ? 0 : 1;
}
