/* Proves: a line that touches, one that gives back and one that only reserves are charged to the byte, in every
           kind of executable and every version of the debug information.
   Build: cc -g -O0 -Wl,-z,now
   Build: cc -g -O0 -no-pie -Wl,-z,now
   Build: cc -g -O0 -static
   Build: cc -g -O0 -static-pie
   Build: cc -gdwarf-2 -O0 -Wl,-z,now
   Build: cc -gdwarf-3 -O0 -Wl,-z,now
   Build: cc -gdwarf-4 -O0 -Wl,-z,now
   Build: cc -gdwarf-5 -O0 -Wl,-z,now
   Build: cc -g -gz=zlib -O0 -Wl,-z,now
   Build: cc -g -O0 -Wl,-z,now -ffunction-sections -Wl,--gc-sections
   Profile: work */
#include "../include/settle.h"

static void work(void) //@ function calls=1 increment=8388608
{
    char *block = reserve(32 << 20); //@ hits=1 increment=0
    touch(block, 32 << 20);          //@ hits=1 increment=33554432
    release(block, 24 << 20);        //@ hits=1 increment=-25165824
} //@ hits=1 increment=0

int main(void)
{
    settle();
    work();
    return 0;
}
