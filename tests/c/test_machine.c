/* test_machine.c - the choice of the target and of the number of threads. */
#include <string.h>

#include "check.h"
#include "lstmc.h"

static void check_targets(void)
{
    about("targets");
    char before[20];
    strncpy(before, lstmc_target(), sizeof before - 1);
    before[sizeof before - 1] = 0;
    CHECK(lstmc_has_target("baseline"));
    CHECK(!lstmc_has_target("no such target"));
    CHECK(!lstmc_has_target(""));
    CHECK(!lstmc_has_target(NULL));
    static const char *const names[] = {"baseline", "avx2", "avx512", "amx",
                                        "no such target"};
    for (int k = 0; k < 4; ++k) {
        const char *was = lstmc_target();
        const int has = lstmc_has_target(names[k]),
                  status = lstmc_choose_target(names[k]);
        CHECK(status == (has ? LSTMC_OK : LSTMC_NO_TARGET));
        CHECK_SAY(strcmp(lstmc_target(), has ? names[k] : was) == 0,
                  "asked for %s on top of %s, got %s", names[k], was, lstmc_target());
    }
    CHECK(lstmc_choose_target(NULL) == LSTMC_OK);
    CHECK(lstmc_choose_target(before) == LSTMC_OK);
}

/* The argument, then what was set, then the machine under its quota. */
static void check_threads(void)
{
    about("threads");
    const int machine = lstmc_threads(0);
    CHECK(machine >= 1);
    if (!lstmc_has_openmp()) {
        lstmc_set_threads(3);
        CHECK(lstmc_threads(0) == 1 && lstmc_threads(5) == 1);
        return;
    }
    CHECK(lstmc_threads(5) == 5);
    lstmc_set_threads(3);
    CHECK(lstmc_threads(0) == 3);
    CHECK(lstmc_threads(2) == 2);
    lstmc_set_quota(1);
    CHECK(lstmc_threads(0) == 3);
    lstmc_set_threads(0);
    CHECK(lstmc_threads(0) <= machine);
    lstmc_set_quota(0);
    CHECK(lstmc_threads(0) == machine);
    lstmc_set_threads(-4);
    CHECK(lstmc_threads(0) == machine);
}

void test_machine(void)
{
    check_targets();
    check_threads();
}
