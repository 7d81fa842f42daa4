#include <stdlib.h>
#include <string.h>
#include "hot.h"

static void work(int rounds)
{
	for (int round = 0; round < rounds; round++) {
		char *block = malloc(32 << 20);
		memset(block, 1, 32 << 20);	/* touched here */

		/* ]0;an escape sequence */
		RELEASE(block);
	}
}

int main(void)
{
	work(2);
	return 0;
}
