/* Proves: no breakpoint stands in a restartable sequence (rseq(2)), nor on the instruction in front of one that announces
           it. The kernel restarts a sequence in which a thread stops: one that is stepped through never ends, and one
           that is left for a copy goes on without its protection.
   Build: cc -g -Wl,-z,now
   Build: cc -g -no-pie
   Profile: add_one */

        .macro  function name
        .text
        .globl  \name
        .type   \name, @function
\name:
        .endm

        .macro  done name
        .size   \name, . - \name
        .endm

        .data
counter:
        .quad   0
aborts: .quad   0

/* struct rseq_cs, <linux/rseq.h>: version and flags, start, length, where to go on after an abort. */
        .section __rseq_cs, "aw"
        .balign 32
sequence:
        .long   0, 0
        .quad   start, commit - start, restart

/* Adds one to the counter, by the area that the C library has registered (2.35). */
        function add_one                        //@ function name=add_one calls=1000
        mov     __rseq_offset@GOTPCREL(%rip), %rdx //@ hits=1000
        mov     (%rdx), %rdx                    //@ hits=1000
        add     %fs:0, %rdx                     //@ hits=1000
        lea     sequence(%rip), %rax            //@ hits=1000
        mov     %rax, 8(%rdx)                   //@ refused
start:
        mov     counter(%rip), %rax             //@ refused
        add     $1, %rax                        //@ refused
        mov     %rax, counter(%rip)             //@ refused
commit:
        ret                                     //@ hits=1000
        done    add_one

/* Where a thread goes on that was interrupted in the sequence, in front of it the signature that the kernel asks for: not
   a part of the profiled function, whose counts are the same however often that happens. */
        function interrupted
        ud1     0x53053053(%rip), %edi
restart:
        lock addq $1, aborts(%rip)
        lock addq $1, counter(%rip)
        jmp     commit
        done    interrupted

        function main
        push    %rbx
        mov     $1000, %ebx
1:      call    add_one
        sub     $1, %ebx
        jne     1b
        mov     $1, %eax
        cmpq    $1000, counter(%rip)
        jne     2f
/* Now and then the scheduler interrupts one; a breakpoint would interrupt each. */
        cmpq    $500, aborts(%rip)
        ja      2f
        xor     %eax, %eax
2:
        pop     %rbx
        ret
        done    main

        .section .note.GNU-stack, "", @progbits
