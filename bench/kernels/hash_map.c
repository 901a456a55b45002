// Open addressing: insertions, updates and look-ups of 64-bit keys.
#include "kernel.h"
#define SLOTS 65536u
typedef struct { u64 key; u64 value; } Slot;
static Slot slots[SLOTS];

static u32 place(u64 key) {
    u64 x = key * 0x9E3779B97F4A7C15ull;
    return (u32)(x >> 48);
}

static Slot *find(u64 key) {
    u32 at = place(key);
    while (slots[at].key != 0 && slots[at].key != key) at = (at + 1) % SLOTS;
    return &slots[at];
}

EXPORT(setup) void setup(void) {}

EXPORT(run) u32 run(u32 rounds) {
    u32 state = 12345, hits = 0;
    for (u32 round = 0; round < rounds; round++) {
        for (u32 i = 0; i < 32768; i++) {
            u64 key = (next(&state) & 0x7fff) + 1;
            Slot *slot = find(key);
            slot->key = key;
            slot->value += i;
            hits += find(key ^ 5)->key != 0;
        }
    }
    return hits;
}
