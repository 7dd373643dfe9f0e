// CUDA's bfloat16, as far as CuPy's needs it.
#pragma once
struct __nv_bfloat16_raw { unsigned short x; };
struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float v) {
        unsigned u = __float_as_uint(v);
        bits = v != v ? 0x7fff : (u + 0x7fff + (u >> 16 & 1)) >> 16;
    }
    explicit __nv_bfloat16(double v) : __nv_bfloat16(float(v)) {}
    explicit __nv_bfloat16(const __nv_bfloat16_raw &raw) : bits(raw.x) {}
    operator float() const { return __uint_as_float(unsigned(bits) << 16); }
    operator __nv_bfloat16_raw() const { return {bits}; }
};
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short s) {
    return __nv_bfloat16(__nv_bfloat16_raw{s});
}
