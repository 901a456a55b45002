// Binary search tree (treap) with nodes from a pool: insertions and look-ups.
#include "kernel.h"
#define NODES 20000
typedef struct Node { u32 key, priority, value; struct Node *left, *right; } Node;
static Node pool[NODES];
static u32 used;

static Node *rotate_right(Node *n) {
    Node *l = n->left;
    n->left = l->right;
    l->right = n;
    return l;
}

static Node *rotate_left(Node *n) {
    Node *r = n->right;
    n->right = r->left;
    r->left = n;
    return r;
}

static Node *insert(Node *n, u32 key, u32 priority) {
    if (!n) {
        Node *new = &pool[used++];
        new->key = key;
        new->priority = priority;
        new->value = 1;
        new->left = new->right = 0;
        return new;
    }
    if (key == n->key) {
        n->value++;
    } else if (key < n->key) {
        n->left = insert(n->left, key, priority);
        if (n->left->priority > n->priority) n = rotate_right(n);
    } else {
        n->right = insert(n->right, key, priority);
        if (n->right->priority > n->priority) n = rotate_left(n);
    }
    return n;
}

EXPORT(setup) void setup(void) {}

EXPORT(run) u32 run(u32 rounds) {
    u32 found = 0;
    for (u32 round = 0; round < rounds; round++) {
        Node *root = 0;
        u32 state = 7 + round;
        used = 0;
        for (u32 i = 0; i < NODES; i++) {
            u32 key = next(&state) % 50000;
            root = insert(root, key, next(&state));
        }
        for (u32 i = 0; i < 50000; i++) {
            Node *n = root;
            while (n && n->key != i) n = i < n->key ? n->left : n->right;
            found += n ? n->value : 0;
        }
    }
    return found;
}
