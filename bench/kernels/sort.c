// Quicksort with insertion sort for short ranges, 64 Ki integers.
#include "kernel.h"
#define N 65536
static u32 data[N];

static void insertion(u32 *a, int n) {
    for (int i = 1; i < n; i++) {
        u32 x = a[i];
        int j = i;
        for (; j > 0 && a[j - 1] > x; j--) a[j] = a[j - 1];
        a[j] = x;
    }
}

static void quick(u32 *a, int n) {
    while (n > 16) {
        u32 p = a[n / 2];
        int i = 0, j = n - 1;
        for (;;) {
            while (a[i] < p) i++;
            while (a[j] > p) j--;
            if (i >= j) break;
            u32 t = a[i];
            a[i++] = a[j];
            a[j--] = t;
        }
        quick(a, j + 1);
        a += j + 1;
        n -= j + 1;
    }
    insertion(a, n);
}

EXPORT(setup) void setup(void) {}

EXPORT(run) u32 run(u32 rounds) {
    u32 sum = 0;
    for (u32 round = 0; round < rounds; round++) {
        u32 state = 99 + round;
        for (int i = 0; i < N; i++) data[i] = next(&state);
        quick(data, N);
        sum += data[N / 3];
    }
    return sum;
}
