// Common declarations of the stand-in. See README.md.
#pragma once
#include <cstddef>
#include <functional>
#include <initializer_list>

#define EXPORT extern "C" __attribute__((visibility("default")))

#pragma GCC visibility push(default)
using Work = std::function<int()>;

struct Range {  // memory that an operation accesses
    const void *from;
    size_t bytes;
};

// A setting, changed by a test or by the environment variable CUDA_STANDIN.
EXPORT long standin_get(const char *name);
EXPORT void standin_set(const char *name, long value);
// Decrement `name`; true once, when it reaches zero.
bool strikes(const char *name);
// Count live objects of a kind, for tests of leaks.
void count(const char *kind, long by);

// Run work on a stream, or add it to the graph being captured there.
int issue(void *stream, Work work);
// 0, with a context on the thread's device; or the sticky error of all its calls.
int ready();
// Record an error if it is sticky.
int fails(int status);
// An error if a call synchronizes the device during a capture.
int synchronizes();
int current_device();
bool within(const void *pointer, size_t bytes);

// A kernel in compiled form.
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
