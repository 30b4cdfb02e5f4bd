# The guest of busy_screen.py, a boot sector for GNU as. Keys choose what a window on its screen shows: `f` the film,
# `t` the text, `n` nothing new. Every other key turns the next of 64 marks beside the window around.
#
# A picture is drawn on the page that is not shown, and the pages are changed when it is whole: what is shown is never
# half of a picture, as with virtio-gpu's flush. FILM, TEXT, LINE_BYTES, WINDOW_*, MARK_*, FRAMES,
# FILM_STEP come from busy_screen.py.

        .set    MODE, 0x144             # 1024 x 768 in 32 bits: SeaBIOS's number
        .set    INFO, 0x8000            # what VESA says of it
        .set    LINE, 0x9000            # bytes of one line on the screen; this and the next are ours
        .set    SHOWN, 0x9004           # where the pictures are; 0 shows nothing new
        .set    STEP, 0x9008            # from one picture to the next
        .set    SEEN, 0x900c            # the last tick that was looked at
        .set    PICTURE, 0x9010         # which of FRAMES
        .set    MARK, 0x9014            # which is next
        .set    PAGE, 0x9018            # the line that the shown page begins with: 0 or HEIGHT
        .set    HEIGHT, 768
        .set    TICKS, 0x046c           # the BIOS counts them
        .set    KEY_HEAD, 0x041a        # the BIOS's keys wait from here to there
        .set    KEY_TAIL, 0x041c

        .code16
        .globl  _start
_start: cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        cld
        movw    $LINE, %di
        movw    $32, %cx
        rep stosw
        sti
        movw    $0x4f01, %ax
        movw    $MODE, %cx
        movw    $INFO, %di
        int     $0x10
        movw    $0x4f02, %ax
        movw    $(MODE | 0x4000), %bx   # with the frame buffer in one piece
        int     $0x10
        cmpw    $0x004f, %ax
        jne     dead
        movzwl  INFO + 0x10, %eax
        movl    %eax, LINE
        movb    $0x34, %al              # the timer ticks 25 times a second
        outb    %al, $0x43
        movw    $47727, %ax
        outb    %al, $0x40
        movb    %ah, %al
        outb    %al, $0x40
        movb    $'!', %al               # tells who waits that keys are read from here on
        outb    %al, $0xe9

next:   cli
        movw    KEY_HEAD, %ax
        cmpw    KEY_TAIL, %ax
        jne     key
        movl    TICKS, %eax
        cmpl    SEEN, %eax
        jne     tick
        sti                             # and nothing comes between this and the next
        hlt
        jmp     next
dead:   hlt
        jmp     dead

key:    sti
        xorb    %ah, %ah
        int     $0x16
        xorl    %ebx, %ebx
        cmpb    $'n', %al
        je      chosen
        movl    $FILM, %ebx
        movl    $(FILM_STEP * (LINE_BYTES + 4)), %edx
        cmpb    $'f', %al
        je      chosen
        movl    $TEXT, %ebx
        movl    $(16 * LINE_BYTES), %edx
        cmpb    $'t', %al
        jne     mark
chosen: movl    %ebx, SHOWN
        movl    %edx, STEP
        jmp     next

mark:   call    reach
        movl    MARK, %eax
        incb    MARK
        andb    $63, MARK
        movl    %eax, %edi
        shrl    $3, %edi
        shll    $5, %edi
        addl    $MARK_TOP, %edi
        imull   LINE, %edi
        andl    $7, %eax
        shll    $7, %eax
        leal    4 * MARK_LEFT(%eax, %edi), %edi
        addl    INFO + 0x28, %edi
        movb    $2, %bl                 # on both pages
1:      movb    $16, %dl
2:      movl    $16, %ecx
3:      notl    -4(%edi, %ecx, 4)
        decw    %cx
        jnz     3b
        addl    LINE, %edi
        decb    %dl
        jnz     2b
        movl    $(HEIGHT - 16), %eax
        imull   LINE, %eax
        addl    %eax, %edi
        decb    %bl
        jnz     1b
        jmp     next

tick:   movl    %eax, SEEN
        movl    SHOWN, %esi
        testl   %esi, %esi
        jz      next
        call    reach
        movl    PICTURE, %eax
        incb    PICTURE
        andb    $(FRAMES - 1), PICTURE
        imull   STEP, %eax
        addl    %eax, %esi
        xorw    $HEIGHT, PAGE
        movl    PAGE, %edi
        addl    $WINDOW_TOP, %edi
        imull   LINE, %edi
        addl    INFO + 0x28, %edi
        addl    $(4 * WINDOW_LEFT), %edi
        movw    $WINDOW_HEIGHT, %dx
1:      movl    $WINDOW_WIDTH, %ecx
        rep movsl (%esi), %es:(%edi)
        addl    $(LINE_BYTES - 4 * WINDOW_WIDTH), %esi
        addl    LINE, %edi
        subl    $(4 * WINDOW_WIDTH), %edi
        decw    %dx
        jnz     1b
        movw    $0x1ce, %dx             # QEMU's own registers: the ninth is the line to begin with
        movw    $9, %ax
        outw    %ax, %dx
        incw    %dx
        movw    PAGE, %ax
        outw    %ax, %dx
        jmp     next

# Lets the segments reach all memory; the BIOS takes that away. Interrupts are off after it.
reach:  cli
        pushl   %eax
        lgdt    table
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        movw    $8, %bx
        movw    %bx, %ds
        movw    %bx, %es
        andb    $0xfe, %al
        movl    %eax, %cr0
        xorw    %bx, %bx
        movw    %bx, %ds
        movw    %bx, %es
        popl    %eax
        ret

table:  .word   15
        .long   segments
        .balign 8
segments:
        .quad   0
        .quad   0x00cf92000000ffff      # data, from 0, 4 GiB
        .org    510
        .word   0xaa55
