# What compilers call without being asked. String instructions are avoided where they would be
# run a byte at a time.

.section .text.memory, "ax", @progbits
.globl memcpy
.balign 16
memcpy:
    movq %rdi, %rax
1:  cmpq $64, %rdx
    jb 2f
    movups (%rsi), %xmm0
    movups 16(%rsi), %xmm1
    movups 32(%rsi), %xmm2
    movups 48(%rsi), %xmm3
    movups %xmm0, (%rdi)
    movups %xmm1, 16(%rdi)
    movups %xmm2, 32(%rdi)
    movups %xmm3, 48(%rdi)
    addq $64, %rsi
    addq $64, %rdi
    subq $64, %rdx
    jmp 1b
2:  cmpq $8, %rdx
    jb 3f
    movq (%rsi), %rcx
    movq %rcx, (%rdi)
    addq $8, %rsi
    addq $8, %rdi
    subq $8, %rdx
    jmp 2b
3:  testq %rdx, %rdx
    jz 4f
    movzbl (%rsi), %ecx
    movb %cl, (%rdi)
    incq %rsi
    incq %rdi
    decq %rdx
    jmp 3b
4:  ret

.globl memmove
.balign 16
memmove:
    movq %rdi, %rcx
    subq %rsi, %rcx
    cmpq %rdx, %rcx             # unsigned: also if it lies below
    jae memcpy
    movq %rdi, %rax             # from the end: it is overwritten last
1:  cmpq $8, %rdx
    jb 2f
    movq -8(%rsi,%rdx), %rcx
    movq %rcx, -8(%rdi,%rdx)
    subq $8, %rdx
    jmp 1b
2:  testq %rdx, %rdx
    jz 3f
    movzbl -1(%rsi,%rdx), %ecx
    movb %cl, -1(%rdi,%rdx)
    decq %rdx
    jmp 2b
3:  ret

.globl memset
.balign 16
memset:
    movq %rdi, %r8
    movzbl %sil, %eax
    movabsq $0x0101010101010101, %rcx
    imulq %rcx, %rax
    movq %rax, %xmm0
    punpcklqdq %xmm0, %xmm0
1:  cmpq $64, %rdx
    jb 2f
    movups %xmm0, (%rdi)
    movups %xmm0, 16(%rdi)
    movups %xmm0, 32(%rdi)
    movups %xmm0, 48(%rdi)
    addq $64, %rdi
    subq $64, %rdx
    jmp 1b
2:  cmpq $8, %rdx
    jb 3f
    movq %rax, (%rdi)
    addq $8, %rdi
    subq $8, %rdx
    jmp 2b
3:  testq %rdx, %rdx
    jz 4f
    movb %al, (%rdi)
    incq %rdi
    decq %rdx
    jmp 3b
4:  movq %r8, %rax
    ret

.globl memcmp
.globl bcmp
.balign 16
memcmp:
bcmp:
1:  cmpq $8, %rdx
    jb 2f
    movq (%rdi), %rax
    cmpq (%rsi), %rax
    jne 2f
    addq $8, %rdi
    addq $8, %rsi
    subq $8, %rdx
    jmp 1b
2:  testq %rdx, %rdx
    jz 3f
    movzbl (%rdi), %eax
    movzbl (%rsi), %ecx
    subl %ecx, %eax
    jne 4f
    incq %rdi
    incq %rsi
    decq %rdx
    jmp 2b
3:  xorl %eax, %eax
4:  ret

.globl strlen
strlen:
    xorl %eax, %eax
1:  cmpb $0, (%rdi,%rax)
    je 2f
    incq %rax
    jmp 1b
2:  ret

.section .text
