// CUDA extensions of C++, for kernels compiled by g++. See README.md.
#pragma once
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __constant__ __attribute__((visibility("default")))
#define __managed__
// In a separate section, so that it can be reset to undefined values for each block.
#define __shared__ static __attribute__((section("standin_shared")))
#define __grid_constant__

struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
extern "C" {
extern uint3 threadIdx, blockIdx, blockDim, gridDim;
extern char *standin_dynamic;
extern unsigned long long standin_laid[1024], standin_taken[1024];
void standin_barrier();
void standin_warp_barrier(unsigned mask);
unsigned standin_thread();
}
const int warpSize = 32;

inline void __syncthreads() { standin_barrier(); }
inline void __syncwarp(unsigned mask = ~0u) { standin_warp_barrier(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

// Shuffles: each thread of the mask stores its value; all are stored when threads continue.
template <class T> T standin_shuffle(unsigned mask, T value, unsigned lane) {
    static_assert(sizeof(T) <= 8);
    unsigned me = standin_thread(), warp = me & ~31u;
    memcpy(&standin_laid[me], &value, sizeof(T));
    standin_warp_barrier(mask);
    T result;
    memcpy(&result, &standin_taken[warp | (lane & 31)], sizeof(T));
    return result;
}
inline unsigned standin_lane() { return standin_thread() & 31; }
template <class T> T __shfl_sync(unsigned m, T v, int lane, int width = 32) {
    unsigned me = standin_lane();
    return standin_shuffle(m, v, (me & ~(width - 1)) | (lane & (width - 1)));
}
template <class T> T __shfl_xor_sync(unsigned m, T v, int by, int width = 32) {
    unsigned me = standin_lane(), to = me ^ by;
    return standin_shuffle(m, v, (to & ~(width - 1)) > (me & ~(width - 1)) ? me : to);
}
template <class T> T __shfl_down_sync(unsigned m, T v, unsigned by, int width = 32) {
    unsigned me = standin_lane();
    return standin_shuffle(m, v, (me & (width - 1)) + by < (unsigned)width ? me + by : me);
}
template <class T> T __shfl_up_sync(unsigned m, T v, unsigned by, int width = 32) {
    unsigned me = standin_lane();
    return standin_shuffle(m, v, (me & (width - 1)) >= by ? me - by : me);
}
inline unsigned __ballot_sync(unsigned mask, int yes) {
    unsigned warp = standin_thread() & ~31u, result = 0;
    standin_laid[standin_thread()] = yes != 0;
    standin_warp_barrier(mask);
    for (int i = 0; i < 32; ++i)
        if (mask >> i & 1 && standin_taken[warp + i]) result |= 1u << i;
    return result;
}
inline int __any_sync(unsigned m, int yes) { return __ballot_sync(m, yes) != 0; }
inline int __all_sync(unsigned m, int yes) { return __ballot_sync(m, yes) == m; }

// Threads are cooperative, so a read and a write are not interrupted.
template <class T, class F> T standin_atomic(T *at, F f) {
    T old = *at;
    *at = f(old);
    return old;
}
#define STANDIN_ATOMIC(name, expression)                                                  \
    template <class T, class U> inline T name(T *at, U value) {                           \
        return standin_atomic(at, [&](T old) -> T { T v = T(value); return expression; }); \
    }
STANDIN_ATOMIC(atomicAdd, old + v)
STANDIN_ATOMIC(atomicSub, old - v)
STANDIN_ATOMIC(atomicMax, old < v ? v : old)
STANDIN_ATOMIC(atomicMin, v < old ? v : old)
STANDIN_ATOMIC(atomicExch, v)
STANDIN_ATOMIC(atomicOr, old | v)
STANDIN_ATOMIC(atomicAnd, old & v)
STANDIN_ATOMIC(atomicXor, old ^ v)
template <class T, class U, class V> inline T atomicCAS(T *at, U expected, V value) {
    return standin_atomic(at, [&](T old) -> T { return old == T(expected) ? T(value) : old; });
}

template <class To, class From> inline To standin_bits(From value) {
    static_assert(sizeof(To) == sizeof(From));
    To result;
    memcpy(&result, &value, sizeof(To));
    return result;
}
inline float __int_as_float(int i) { return standin_bits<float>(i); }
inline int __float_as_int(float f) { return standin_bits<int>(f); }
inline float __uint_as_float(unsigned i) { return standin_bits<float>(i); }
inline unsigned __float_as_uint(float f) { return standin_bits<unsigned>(f); }
inline double __longlong_as_double(long long i) { return standin_bits<double>(i); }
inline long long __double_as_longlong(double d) { return standin_bits<long long>(d); }
inline int __double2hiint(double d) { return int(__double_as_longlong(d) >> 32); }
inline int __double2loint(double d) { return int(__double_as_longlong(d)); }
inline double __hiloint2double(int hi, int lo) {
    return __longlong_as_double((long long)hi << 32 | (unsigned)lo);
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
template <class T> inline T __ldg(const T *at) { return *at; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __frcp_rn(float a) { return 1 / a; }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }

using std::abs; using std::acos; using std::acosh; using std::asin; using std::asinh;
using std::atan; using std::atan2; using std::atanh; using std::cbrt; using std::ceil;
using std::copysign; using std::cos; using std::cosh; using std::erf; using std::erfc;
using std::exp; using std::exp2; using std::expm1; using std::floor; using std::fma;
using std::fmax; using std::fmin; using std::fmod; using std::frexp; using std::hypot;
using std::isfinite; using std::isinf; using std::isnan; using std::ldexp; using std::lgamma;
using std::log; using std::log10; using std::log1p; using std::log2; using std::modf;
using std::nextafter; using std::pow; using std::rint; using std::round; using std::signbit;
using std::sin; using std::sinh; using std::sqrt; using std::tan; using std::tanh;
using std::tgamma; using std::trunc;
inline unsigned abs(unsigned x) { return x; }
inline unsigned long abs(unsigned long x) { return x; }
inline unsigned long long abs(unsigned long long x) { return x; }
template <class A, class B, class = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>>>
inline std::common_type_t<A, B> min(A a, B b) {
    if constexpr (std::is_floating_point_v<std::common_type_t<A, B>>) return fmin(a, b);
    else return b < a ? b : a;
}
template <class A, class B, class = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>>>
inline std::common_type_t<A, B> max(A a, B b) {
    if constexpr (std::is_floating_point_v<std::common_type_t<A, B>>) return fmax(a, b);
    else return a < b ? b : a;
}

#define STANDIN_VECTOR(T, name)                                                          \
    struct __align__(2 * sizeof(T)) name##2 { T x, y; };                                 \
    struct name##3 { T x, y, z; };                                                       \
    struct __align__(sizeof(T) < 8 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; };      \
    inline name##2 make_##name##2(T x, T y) { return {x, y}; }                           \
    inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                   \
    inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
STANDIN_VECTOR(float, float)
STANDIN_VECTOR(double, double)
STANDIN_VECTOR(int, int)
STANDIN_VECTOR(unsigned char, uchar)
STANDIN_VECTOR(long long, longlong)
struct uint2 { unsigned x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };

// Properties of a kernel needed by a launch.
struct standin_entry {
    void (*call)(void **);
    int count;
    const size_t *sizes;
};
template <auto kernel> struct standin_kernel;
template <class... A, void (*kernel)(A...)> struct standin_kernel<kernel> {
    template <size_t... I> static void spread(void **p, std::index_sequence<I...>) {
        kernel(*(A *)p[I]...);
    }
    static void call(void **p) { spread(p, std::index_sequence_for<A...>{}); }
    static constexpr size_t sizes[] = {sizeof(A)..., 0};
    static constexpr standin_entry entry = {call, sizeof...(A), sizes};
};
#define STANDIN_OFFER(symbol, kernel) \
    extern "C" __attribute__((visibility("default"), used)) const standin_entry symbol; \
    const standin_entry symbol = standin_kernel<kernel>::entry;

// Location of this source's shared memory, for all its kernels.
extern "C" {
extern char __start_standin_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_standin_shared[] __attribute__((weak, visibility("hidden")));
__attribute__((visibility("default"), used)) inline char *standin_shared_bounds(int end) {
    return end ? __stop_standin_shared : __start_standin_shared;
}
}
