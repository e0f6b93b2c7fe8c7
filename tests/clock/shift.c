/* Preloaded into a stage, it shifts the time of day by CLOCK_SHIFT_SECONDS, so that a test can live through two weeks in a
   minute. Time that only measures how long something took is left alone. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, id, now);
    const char *shift = getenv("CLOCK_SHIFT_SECONDS");
    if (!failed && shift && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += atol(shift);
    }
    return failed;
}
