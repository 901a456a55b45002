// Product of two matrices of doubles, 128 x 128.
#include "kernel.h"
#define N 128
static double a[N][N], b[N][N], c[N][N];

EXPORT(setup) void setup(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = i + j;
            b[i][j] = i - j;
        }
}

EXPORT(run) u32 run(u32 rounds) {
    for (u32 round = 0; round < rounds; round++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
    return (u32)(int)c[7][9];
}
