/* Proves: nothing by itself: the smallest program around the Lua that the crate lua-src carries. It runs the script
           that its argument names, and gives all memory from one block at a fixed address, never twice: Lua hashes
           pointers, and counts are the same in every run only when these are. */
#include "lua.h"
#include "lauxlib.h"
#include "lualib.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { ARENA = 64 << 20 };

static char *next;
static char *end;

static void *allocate(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    if (new_size == 0)
        return NULL;
    if (block != NULL && new_size <= old_size)
        return block;
    size_t wanted = (new_size + 15) & ~(size_t)15;
    if (wanted > (size_t)(end - next))
        return NULL;
    char *given = next;
    next += wanted;
    if (block != NULL)
        memcpy(given, block, old_size);
    return given;
}

int main(int argc, char **argv)
{
    void *at = (void *)0x200000000000;
    next = mmap(at, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (argc != 2 || next != at)
        return 2;
    end = next + ARENA;
    lua_State *L = lua_newstate(allocate, NULL);
    if (L == NULL)
        return 2;
    luaL_openlibs(L);
    if (luaL_dofile(L, argv[1]) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        return 1;
    }
    lua_close(L);
    return 0;
}
