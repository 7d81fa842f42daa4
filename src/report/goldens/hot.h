/* shared */
#define RELEASE(block) \
	free(block)
