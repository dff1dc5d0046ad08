/* check.c - the counters of check.h and their report. */
#include "check.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#define MOST_SHOWN 40 /* a broken kernel fails thousands of checks */

static atomic_long checks, failures;
static char subject[200];

void about(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(subject, sizeof subject, format, values);
    va_end(values);
}

int check(int right, const char *file, int line, const char *format, ...)
{
    atomic_fetch_add(&checks, 1);
    if (right || atomic_fetch_add(&failures, 1) >= MOST_SHOWN)
        return right;
    va_list values;
    va_start(values, format);
    fprintf(stderr, "%s:%d: [%s] ", file, line, subject);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    return 0;
}

int report(void)
{
    printf("%ld checks, %ld failed\n", (long)checks, (long)failures);
    return failures > 0 || checks == 0;
}
