/* Proves: the examples of README.md, which profile it as `./app`.
   Build: cc -g -O0 */
#include <stdlib.h>
#include <string.h>

struct order { char text[4096]; };

static struct order **load(int count)
{
    struct order **orders = malloc(count * sizeof *orders);
    for (int i = 0; i < count; i++) {
        orders[i] = malloc(sizeof **orders);
        memset(orders[i], 'x', sizeof **orders);
    }
    return orders;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    return load(count) == NULL;
}
