/* Proves: a row of the line table that points into the middle of an instruction is refused and reported; the
           instruction does what it did.
   Build: cc -g -O0
   Profile: work */
#define TEXT(line) TEXT_OF(line)
#define TEXT_OF(line) #line

/* The rows are written by hand: two .loc in a row make the assembler write the first one where it stands, which
   here is behind the opcode of add $0x00c30011, %ebx (81 c3 11 00 c3 00). */
#define ROW_IN_THE_MIDDLE                                \
    "xorl %%ebx, %%ebx\n\t"                              \
    ".byte 0x81\n\t"                                     \
    ".loc 1 " TEXT(__LINE__) " 0\n\t"                    \
    ".loc 1 " TEXT(__LINE__) " 0\n\t"                    \
    ".byte 0xc3, 0x11, 0x00, 0xc3, 0x00\n\t"

static int work(void) //@ function calls=5
{
    int sum = 0; //@ hits=5
    __asm__ volatile(ROW_IN_THE_MIDDLE "movl %%ebx, %0\n\t" : "=r"(sum) : : "ebx"); //@ hits=5 refused
    return sum; //@ hits=5
} //@ hits=5

int main(void)
{
    for (int i = 0; i < 5; i++)
        if (work() != 0x00c30011)
            return 1;
    return 0;
}
