/* Proves: a site may lie on any kind of instruction: those that read or change the pc, the stack or the flags do under
           the profiler what they do without. Each function returns 0 when every result is right.
   Build: cc -g -Wl,-z,now
   Build: cc -g -no-pie
   Profile: rip_relative
   Profile: branches
   Profile: calls
   Profile: indirect
   Profile: strings
   Profile: flags
   Profile: system_call
   Profile: stack
   Profile: returns_inside
   Profile: vectors
   Profile: second_byte_ret
   Profile: leaf */

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
number: .quad   0x1122334455667788
other:  .quad   0
source: .fill   4096, 1, 0x5a
copy:   .fill   4096, 1, 0
        .balign 16
vector: .quad   1, 2
table:  .quad   first_case, second_case
pointer:
        .quad   leaf

/* Operands that are relative to the pc. */
        function rip_relative                   //@ function name=rip_relative calls=3
        lea     number(%rip), %rax              //@ hits=3
        mov     number(%rip), %rcx              //@ hits=3
        cmp     %rcx, (%rax)                    //@ hits=3
        jne     1f                              //@ hits=3
        cmpl    $0x55667788, number(%rip)       //@ hits=3
        jne     1f                              //@ hits=3
        movq    $-5, other(%rip)                //@ hits=3
        addq    $7, other(%rip)                 //@ hits=3
        cmpb    $2, other(%rip)                 //@ hits=3
        jne     1f                              //@ hits=3
        push    number(%rip)                    //@ hits=3
        pop     other(%rip)                     //@ hits=3
        mov     other(%rip), %rdx               //@ hits=3
        cmp     %rcx, %rdx                      //@ hits=3
        jne     1f                              //@ hits=3
        lock xadd %rdx, other(%rip)             //@ hits=3
        lea     (%rip), %rax                    //@ hits=3
2:      lea     2b(%rip), %rcx                  //@ hits=3
        cmp     %rcx, %rax                      //@ hits=3
        jne     1f                              //@ hits=3
        imul    $3, number(%rip), %rdi          //@ hits=3
        lea     2b(%rip), %r11                  //@ hits=3
        mov     $1, %r10d                       //@ hits=3
        cmovz   number(%rip), %r10              //@ hits=3
        xor     %eax, %eax                      //@ hits=3
        ret                                     //@ hits=3
1:      mov     $1, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    rip_relative

/* Jumps: taken and not, short and near, by count. */
        function branches                       //@ function name=branches calls=3
        mov     $5, %ecx                        //@ hits=3
        xor     %edx, %edx                      //@ hits=3
1:      add     $1, %edx                        //@ hits=15
        loop    1b                              //@ hits=15
        jrcxz   2f                              //@ hits=3
        jmp     9f                              //@ hits=0
2:      jecxz   3f                              //@ hits=3
        jmp     9f                              //@ hits=0
3:      mov     $2, %ecx                        //@ hits=3
        jrcxz   8f                              //@ hits=3
        stc                                     //@ hits=3
        jnc     9f                              //@ hits=3
        jc      4f                              //@ hits=3
8:      jmp     9f                              //@ hits=0
        .fill   200, 1, 0x90
4:      cmp     $5, %edx                        //@ hits=3
        jne     9f                              //@ hits=3
        jl      9f                              //@ hits=3
        jge     5f                              //@ hits=3
        jmp     9f                              //@ hits=0
5:      jmp     6f                              //@ hits=3
        .fill   200, 1, 0x90
6:      cmp     $-1, %edx                       //@ hits=3
        loopne  7f                              //@ hits=3
        jmp     9f                              //@ hits=0
7:      cmp     $1, %ecx                        //@ hits=3
        jne     9f                              //@ hits=3
        cmp     %eax, %eax                      //@ hits=3
        loope   9f                              //@ hits=3
        xor     %eax, %eax                      //@ hits=3
        ret                                     //@ hits=3
9:      mov     $2, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    branches

/* Called below; checks the address it returns to, which must lie in the text and not in a copy of it. */
        function leaf                           //@ function name=leaf calls=12
        mov     (%rsp), %rax                    //@ hits=12
        sub     %r8, %rax                       //@ hits=12
        ret                                     //@ hits=12
        done    leaf

/* Calls, direct and through memory: %r8 holds the address that leaf must return to. */
        function calls                          //@ function name=calls calls=3
        lea     1f(%rip), %r8                   //@ hits=3
        call    leaf                            //@ hits=3
1:      test    %rax, %rax                      //@ hits=3
        jne     9f                              //@ hits=3
        lea     2f(%rip), %r8                   //@ hits=3
        call    *pointer(%rip)                  //@ hits=3
2:      test    %rax, %rax                      //@ hits=3
        jne     9f                              //@ hits=3
        lea     leaf(%rip), %rdx                //@ hits=3
        push    %rdx                            //@ hits=3
        push    $0                              //@ hits=3
        lea     3f(%rip), %r8                   //@ hits=3
        call    *8(%rsp)                        //@ hits=3
3:      lea     16(%rsp), %rsp                  //@ hits=3
        test    %rax, %rax                      //@ hits=3
        jne     9f                              //@ hits=3
        lea     4f(%rip), %r8                   //@ hits=3
        call    *%rdx                           //@ hits=3
4:      test    %rax, %rax                      //@ hits=3
        jne     9f                              //@ hits=3
        call    5f                              //@ hits=3
5:      pop     %rax                            //@ hits=3
        lea     5b(%rip), %rcx                  //@ hits=3
        sub     %rcx, %rax                      //@ hits=3
        jne     9f                              //@ hits=3
        ret                                     //@ hits=3
9:      mov     $3, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    calls

/* Jumps through a register and through a table. */
        function indirect                       //@ function name=indirect calls=3
        lea     1f(%rip), %rax                  //@ hits=3
        jmp     *%rax                           //@ hits=3
        jmp     9f                              //@ hits=0
1:      mov     $1, %ecx                        //@ hits=3
        lea     table(%rip), %rdx               //@ hits=3
        jmp     *(%rdx,%rcx,8)                  //@ hits=3
first_case:
        jmp     9f                              //@ hits=0
second_case:
        xor     %eax, %eax                      //@ hits=3
        ret                                     //@ hits=3
9:      mov     $4, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    indirect

/* Repeated string instructions. */
        function strings                        //@ function name=strings calls=3
        lea     source(%rip), %rsi              //@ hits=3
        lea     copy(%rip), %rdi                //@ hits=3
        mov     $4096, %ecx                     //@ hits=3
        rep movsb                               //@ hits=3
        test    %ecx, %ecx                      //@ hits=3
        jne     9f                              //@ hits=3
        lea     source(%rip), %rsi              //@ hits=3
        lea     copy(%rip), %rdi                //@ hits=3
        mov     $512, %ecx                      //@ hits=3
        repe cmpsq                              //@ hits=3
        jne     9f                              //@ hits=3
        lea     copy(%rip), %rdi                //@ hits=3
        mov     $512, %ecx                      //@ hits=3
        xor     %eax, %eax                      //@ hits=3
        rep stosq                               //@ hits=3
        cmpq    $0, copy+4088(%rip)             //@ hits=3
        jne     9f                              //@ hits=3
        ret                                     //@ hits=3
9:      mov     $5, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    strings

/* Flags: the trap flag is never seen, the others pass through. */
        function flags                          //@ function name=flags calls=3
        pushfq                                  //@ hits=3
        pop     %rax                            //@ hits=3
        test    $0x100, %eax                    //@ hits=3
        jne     9f                              //@ hits=3
        push    $0x8d7                          //@ hits=3
        popfq                                   //@ hits=3
        jno     9f                              //@ hits=3
        jnc     9f                              //@ hits=3
        jns     9f                              //@ hits=3
        jne     9f                              //@ hits=3
        jnp     9f                              //@ hits=3
        pushfq                                  //@ hits=3
        pop     %rcx                            //@ hits=3
        and     $0x9d5, %ecx                    //@ hits=3
        cmp     $0x8d5, %ecx                    //@ hits=3
        jne     9f                              //@ hits=3
        std                                     //@ hits=3
        cld                                     //@ hits=3
        xor     %eax, %eax                      //@ hits=3
        ret                                     //@ hits=3
9:      mov     $6, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    flags

/* A system call leaves the address behind it in %rcx and the flags in %r11. */
        function system_call                    //@ function name=system_call calls=3
        mov     $39, %eax                       //@ hits=3
        syscall                                 //@ hits=3
1:      lea     1b(%rip), %rdx                  //@ hits=3
        cmp     %rdx, %rcx                      //@ hits=3
        jne     9f                              //@ hits=3
        test    $0x100, %r11d                   //@ hits=3
        jne     9f                              //@ hits=3
        test    %eax, %eax                      //@ hits=3
        jle     9f                              //@ hits=3
        xor     %eax, %eax                      //@ hits=3
        ret                                     //@ hits=3
9:      mov     $7, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    system_call

/* Instructions that use the stack pointer in their own ways. The red zone below it must stay as it is. */
        function stack                          //@ function name=stack calls=3
        movq    $77, -8(%rsp)                   //@ hits=3
        movq    $78, -120(%rsp)                 //@ hits=3
        cmpq    $77, -8(%rsp)                   //@ hits=3
        jne     9f                              //@ hits=3
        cmpq    $78, -120(%rsp)                 //@ hits=3
        jne     9f                              //@ hits=3
        mov     %rsp, %rdx                      //@ hits=3
        push    %rsp                            //@ hits=3
        pop     %rax                            //@ hits=3
        cmp     %rax, %rdx                      //@ hits=3
        jne     9f                              //@ hits=3
        enter   $32, $0                         //@ hits=3
        leave                                   //@ hits=3
        cmp     %rsp, %rdx                      //@ hits=3
        jne     9f                              //@ hits=3
        xor     %eax, %eax                      //@ hits=3
        repz ret                                //@ hits=3
9:      mov     $8, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    stack

/* A ret that stays inside the function, as retpolines use it: it looks like an exit, so only the result is checked. */
        function returns_inside
        mov     %rsp, %rdx
        push    $5
        lea     2f(%rip), %rax
        push    %rax
        ret     $8
        nop
2:      cmp     %rsp, %rdx
        jne     9f
        xor     %eax, %eax
        ret
9:      mov     $10, %eax
        ret
        done    returns_inside

/* Vector registers and the x87 unit. */
        function vectors                        //@ function name=vectors calls=3
        movdqa  vector(%rip), %xmm0             //@ hits=3
        paddq   vector(%rip), %xmm0             //@ hits=3
        movq    %xmm0, %rax                     //@ hits=3
        cmp     $2, %rax                        //@ hits=3
        jne     9f                              //@ hits=3
        fildll  vector+8(%rip)                  //@ hits=3
        fistpll other(%rip)                     //@ hits=3
        cmpq    $2, other(%rip)                 //@ hits=3
        jne     9f                              //@ hits=3
        xor     %eax, %eax                      //@ hits=3
        ret                                     //@ hits=3
9:      mov     $9, %eax                        //@ hits=0
        ret                                     //@ hits=0
        done    vectors

/* add $imm32, %ebx is 81 c3 ..: a thread that resumes one byte late executes a ret. */
        function second_byte_ret                //@ function name=second_byte_ret calls=3
        endbr64                                 //@ hits=3
        push    %rbx                            //@ hits=3
        xor     %ebx, %ebx                      //@ hits=3
        add     $0x11223344, %ebx               //@ hits=3
        add     $0x00c300c3, %ebx               //@ hits=3
        mov     %ebx, %eax                      //@ hits=3
        pop     %rbx                            //@ hits=3
        sub     $0x11e53407, %eax               //@ hits=3
        ret                                     //@ hits=3
        done    second_byte_ret

        function main
        push    %rbx
        mov     $3, %ebx
1:      call    rip_relative
        test    %eax, %eax
        jne     2f
        call    branches
        test    %eax, %eax
        jne     2f
        call    calls
        test    %eax, %eax
        jne     2f
        call    indirect
        test    %eax, %eax
        jne     2f
        call    strings
        test    %eax, %eax
        jne     2f
        call    flags
        test    %eax, %eax
        jne     2f
        call    system_call
        test    %eax, %eax
        jne     2f
        call    stack
        test    %eax, %eax
        jne     2f
        call    returns_inside
        test    %eax, %eax
        jne     2f
        call    vectors
        test    %eax, %eax
        jne     2f
        call    second_byte_ret
        test    %eax, %eax
        jne     2f
        sub     $1, %ebx
        jne     1b
        xor     %eax, %eax
2:      pop     %rbx
        ret
        done    main

        .section .note.GNU-stack, "", @progbits
