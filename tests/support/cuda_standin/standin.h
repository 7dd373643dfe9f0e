// What the parts of the stand-in share. See README.md.
#pragma once
#include <cstddef>
#include <functional>
#include <initializer_list>

#define EXPORT extern "C" __attribute__((visibility("default")))

#pragma GCC visibility push(default)
using Work = std::function<int()>;

struct Range {  // memory that a piece of work touches
    const void *from;
    size_t bytes;
};

// A number that a test or the environment variable CUDA_STANDIN sets.
EXPORT long standin_get(const char *name);
EXPORT void standin_set(const char *name, long value);
// Count down `name`; true once, when it reaches zero.
bool strikes(const char *name);
// Count living things of a kind, for tests that look for leaks.
void count(const char *kind, long by);

// Run work on a stream, or put it into the graph that is being captured there.
int issue(void *stream, Work work);
// 0, and a context on the thread's device; or the error that every call on it gives now.
int ready();
// Make an error stay, if it is of those that do.
int fails(int status);
// An error if a call that waits for the whole device comes while a graph is captured.
int synchronises();
int current_device();
bool within(const void *pointer, size_t bytes);

// A kernel as the compiled text offers it.
struct Entry {
    void (*call)(void **);
    int count;
    const size_t *sizes;
};
struct Dim {
    unsigned x, y, z;
};
int run_kernel(const Entry *, Dim grid, Dim block, size_t dynamic, char *shared, char *shared_end,
               void **arguments);
#pragma GCC visibility pop
