// Spheres over a plane, one light, shadows and reflections, into a framebuffer.
#include "kernel.h"
#define W 128
#define H 96
#define SPHERES 6
typedef struct { double x, y, z; } Vec;
typedef struct { Vec centre; double radius; Vec colour; double mirror; } Sphere;
typedef struct { double distance; Vec normal; Vec colour; double mirror; } Hit;
static Sphere spheres[SPHERES];
static u32 pixels[W * H];

static Vec add(Vec a, Vec b) { return (Vec){a.x + b.x, a.y + b.y, a.z + b.z}; }
static Vec sub(Vec a, Vec b) { return (Vec){a.x - b.x, a.y - b.y, a.z - b.z}; }
static Vec scale(Vec a, double f) { return (Vec){a.x * f, a.y * f, a.z * f}; }
static double dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static Vec unit(Vec a) { return scale(a, 1 / __builtin_sqrt(dot(a, a))); }

static int hit(Vec from, Vec to, Hit *best) {
    best->distance = 1e30;
    for (int i = 0; i < SPHERES; i++) {
        Vec d = sub(from, spheres[i].centre);
        double b = dot(d, to), c = dot(d, d) - spheres[i].radius * spheres[i].radius;
        double q = b * b - c;
        if (q <= 0) continue;
        double t = -b - __builtin_sqrt(q);
        if (t < 1e-4 || t >= best->distance) continue;
        best->distance = t;
        best->normal = unit(add(d, scale(to, t)));
        best->colour = spheres[i].colour;
        best->mirror = spheres[i].mirror;
    }
    if (to.y < -1e-4) {
        double t = -from.y / to.y;
        if (t > 1e-4 && t < best->distance) {
            Vec p = add(from, scale(to, t));
            int odd = ((int)__builtin_floor(p.x) + (int)__builtin_floor(p.z)) & 1;
            best->distance = t;
            best->normal = (Vec){0, 1, 0};
            best->colour = odd ? (Vec){.9, .9, .9} : (Vec){.1, .1, .1};
            best->mirror = .2;
        }
    }
    return best->distance < 1e30;
}

static Vec trace(Vec from, Vec to, int depth) {
    Hit first, shadow;
    if (!hit(from, to, &first)) return (Vec){.3, .5, .9};
    Vec p = add(from, scale(to, first.distance));
    Vec light = unit(sub((Vec){5, 8, -6}, p));
    double shine = dot(first.normal, light);
    if (shine < 0 || hit(p, light, &shadow)) shine = 0;
    Vec colour = scale(first.colour, .1 + .9 * shine);
    if (depth == 0 || first.mirror == 0) return colour;
    Vec away = sub(to, scale(first.normal, 2 * dot(to, first.normal)));
    Vec seen = trace(p, away, depth - 1);
    return add(scale(colour, 1 - first.mirror), scale(seen, first.mirror));
}

static u32 byte(double x) { return x > 1 ? 255 : x < 0 ? 0 : (u32)(x * 255); }

EXPORT(setup) void setup(void) {
    for (int i = 0; i < SPHERES; i++)
        spheres[i] = (Sphere){{i * 1.3 - 3, 1 + i % 2, 4 + i % 3}, .8, {i / 6., 1 - i / 6., .5}, .3};
}

EXPORT(run) u32 run(u32 rounds) {
    u32 sum = 0;
    for (u32 round = 0; round < rounds; round++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                Vec to = unit((Vec){(x - W / 2.) / W, (H / 2. - y) / W, 1});
                Vec c = trace((Vec){0, 1.5, -3}, to, 3);
                u32 pixel = byte(c.x) << 16 | byte(c.y) << 8 | byte(c.z);
                pixels[y * W + x] = pixel;
                sum = sum * 31 + pixel;
            }
    return sum;
}
