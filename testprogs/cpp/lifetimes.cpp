/* Proves: constructors and destructors are profiled by their names, though the compiler keeps several variants of
           each, and a line that only closes a scope is charged what its destructors free.
   Build: g++ -g -O0 -Wl,-z,now
   Profile: Block::Block
   Profile: Block::~Block
   Profile: work */
#include "../include/settle.h"

class Block {
public:
    explicit Block(size_t wanted) //@ function calls=10 increment=819200
    {
        size = wanted;      //@ hits=10 increment=0
        start = grow(size); //@ hits=10 increment=819200
    } //@ hits=10 increment=0

    ~Block() //@ function calls=10 increment=-819200
    {
        release(start, size); //@ hits=10 increment=-819200
    } //@ hits=10 increment=0

    size_t size;
    char *start;
};

static size_t work(size_t size) //@ function calls=10 increment=0
{
    Block block(size);          //@ hits=10 increment=819200
    return block.size;          //@ hits=10 increment=0
} //@ increment=-819200

int main()
{
    settle();
    size_t sum = 0;
    for (size_t i = 0; i < 10; i++)
        sum += work(20 * PAGE);
    return sum == 819200 ? 0 : 1;
}
