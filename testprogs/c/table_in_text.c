/* Proves: no breakpoint stands in data among the code, though rows of the line table point there: a byte of a jump table
           that changes sends the program elsewhere.
   Build: cc -g -O0
   Build: cc -g -O0 -no-pie
   Profile: work */
#define TEXT(line) TEXT_OF(line)
#define TEXT_OF(line) #line

/* Two .loc in a row make the assembler write the first one where it stands, which here is the table. What lies behind
   it belongs to the same line: each call comes by the place where both ways meet. */
#define ROW ".loc 1 " TEXT(__LINE__) " 0\n\t.loc 1 " TEXT(__LINE__) " 0\n\t"

static int work(long n) //@ function calls=6
{
    int value = 0; //@ hits=6
    __asm__ volatile("leaq 9f(%%rip), %%rdx\n\t"
                     "movslq (%%rdx,%1,4), %%rax\n\t"
                     "addq %%rdx, %%rax\n\t"
                     "jmp *%%rax\n"
                     "9:\n\t" ROW ".long 1f - 9b\n\t" ROW ".long 2f - 9b\n" //@ hits=6 refused
                     "1:\n\t"
                     "movl $10, %0\n\t"
                     "jmp 3f\n"
                     "2:\n\t"
                     "movl $20, %0\n"
                     "3:\n\t" : "=r"(value) : "r"(n) : "rax", "rdx");
    return value; //@ hits=6
} //@ hits=6

int main(void)
{
    for (long i = 0; i < 6; i++)
        if (work(i % 2) != (i % 2 ? 20 : 10))
            return 1;
    return 0;
}
