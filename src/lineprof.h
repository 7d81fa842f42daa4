/* lineprof.h: marks that tell lineprof what to profile.
 *
 *     #include "lineprof.h"
 *
 *     LINEPROF_PROFILE(load);              at file scope, in the file that defines `load`, before or behind it
 *     LINEPROF_PROFILE(ns::Widget::draw);  C++: a full or trailing part of the path; one overload: `area(int, int)`
 *
 *     LINEPROF_REGION("load");             in a function: the rest of the block it stands in has a table of its own
 *     LINEPROF_REGION("load") { ... }      the block that it is given
 *
 * A region is a declaration in C (so in C89 it stands where one may) and an empty `asm` in C++ (so a loop with one in it
 * is not vectorised). Where it ends is read from the source when the program is profiled.
 *
 * `lineprof ./program` then profiles the functions that are marked and no others. A mark is a note in the ELF file: no
 * code, no data that anything writes, no relocation; the program runs as without it. Strip keeps it.
 *
 * For gcc and clang, C89 and C++98 and later. Others, and other formats than ELF, see macros that do nothing.
 * MIT or Apache-2.0, as lineprof is: copy it into your project.
 *
 * The format of a note is told once, in lineprof's dwarf/src/marks.rs.
 */
#ifndef LINEPROF_H
#define LINEPROF_H

#if defined(__GNUC__) && defined(__ELF__)

/* Variadic macros and __COUNTER__ are older than the standards that have them. */
#pragma GCC system_header

#define LINEPROF_JOIN_(one, other) one##other
#define LINEPROF_JOIN(one, other) LINEPROF_JOIN_(one, other)

/* The name of a note has 9 bytes and is padded to 12 (gabi, Note Section). A section of this name is of the type NOTE,
 * which linkers keep when they collect garbage. */
#define LINEPROF_NOTE(kind, what)                                                                                      \
    static const struct {                                                                                              \
        unsigned int name_size, size, type;                                                                            \
        char name[12];                                                                                                 \
        unsigned int version, line, first_line, last_line;                                                             \
        char text[(sizeof(what) + sizeof(__FILE__) + 3) / 4 * 4];                                                      \
    } LINEPROF_JOIN(lineprof_mark_, __COUNTER__)                                                                       \
        __attribute__((__used__, __aligned__(4), __section__(".note.lineprof"))) = {                                   \
            9, 16 + (sizeof(what) + sizeof(__FILE__) + 3) / 4 * 4, (kind), "lineprof", 1, __LINE__, 0, 0,              \
            what "\0" __FILE__}

#define LINEPROF_PROFILE(...) LINEPROF_NOTE(1, #__VA_ARGS__)

#ifdef __cplusplus
/* gcc does not put data of an inline function and of another one into one section (its bug 41091), so the assembler is
 * told. It makes no instruction. */
#define LINEPROF_STRING_(what) #what
#define LINEPROF_STRING(what) LINEPROF_STRING_(what)
#define LINEPROF_REGION(name)                                                                                          \
    __asm__(".pushsection .note.lineprof, \"a\", @note\n\t.balign 4\n\t.long 9, 992f - 991f, 2\n\t"                      \
            ".asciz \"lineprof\"\n\t.balign 4\n991:\n\t.long 1, " LINEPROF_STRING(__LINE__) ", 0, 0\n\t.asciz \"" name     \
            "\"\n\t.asciz \"" __FILE__ "\"\n\t.balign 4\n992:\n\t.popsection");
#else
#define LINEPROF_REGION(name) LINEPROF_NOTE(2, name);
#endif

#else

#define LINEPROF_PROFILE(...) struct lineprof_nothing
#define LINEPROF_REGION(name)

#endif
#endif
