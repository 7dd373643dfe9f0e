// CUDA's half, as far as CuPy's float16 needs it.
#pragma once
struct __half_raw { unsigned short x; };
struct __half {
    _Float16 value;
    __half() = default;
    __half(float v) : value(v) {}
    explicit __half(double v) : value(v) {}
    explicit __half(const __half_raw &raw) { memcpy(&value, &raw, 2); }
    operator float() const { return value; }
    operator __half_raw() const { return standin_bits<__half_raw>(value); }
};
using half = __half;
inline unsigned short __half_as_ushort(half h) { return standin_bits<unsigned short>(h.value); }
inline half __ushort_as_half(unsigned short s) { return half(__half_raw{s}); }
