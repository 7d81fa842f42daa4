/* Proves: a program that talks with a terminal does so under lineprof as without it: its own line editing in raw mode,
           Ctrl-C, Ctrl-Z and fg are its business.
   Build: cc -g -O0
   Role: terminal

   "raw": reads keys in raw mode and answers each with its number; q ends it with 7.
   "busy": runs until a SIGINT, which it answers with "interrupted"; then it exits with 9. It says
   when it has been continued. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static void on_continue(int signal)
{
    static const char text[] = "continued\n";
    (void)signal;
    if (write(1, text, sizeof text - 1) < 0)
        _exit(3);
}

static int work(int n)
{
    int value = n;
    value += 1;
    return value;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1 && strcmp(argv[1], "raw") == 0) {
        struct termios before, raw;
        char key = 0;
        if (tcgetattr(0, &before) != 0)
            return 2;
        raw = before;
        raw.c_lflag &= ~(ICANON | ECHO | ISIG);
        tcsetattr(0, TCSANOW, &raw);
        puts("keys please");
        while (key != 'q' && read(0, &key, 1) == 1)
            printf("key %d\n", work(key) - 1);
        tcsetattr(0, TCSANOW, &before);
        return 7;
    }
    signal(SIGINT, on_interrupt);
    signal(SIGCONT, on_continue);
    puts("working");
    for (int n = 0; !interrupted; n = work(n) % 1000)
        ;
    puts("interrupted");
    return 9;
}
