/* What every call of a fragment is put into: main ends where one fails. */
#define OK(call)                                                                                             \
	do {                                                                                                 \
		if (call) {                                                                                  \
			fprintf(stderr, "%s: %s\n", #call, kith_last_error());                               \
			return 1;                                                                            \
		}                                                                                            \
	} while (0)
