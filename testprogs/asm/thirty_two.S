/* Proves: a program for 32-bit x86 is refused before anything is written to it.
   Build: cc -g -m32 -nostdlib -static
   Role: attach (says "ready" and sleeps) */
        .globl  _start
_start: mov     $4, %eax                /* write */
        mov     $1, %ebx
        mov     $ready, %ecx
        mov     $6, %edx
        int     $0x80
1:      mov     $29, %eax               /* pause */
        int     $0x80
        jmp     1b
        .data
ready:  .ascii  "ready\n"
        .section .note.GNU-stack, "", @progbits
