// cuBLAS: products by plain loops, with cuBLAS's checks of the arguments.
#include <cmath>
#include <cstring>
#include <mutex>
#include <set>
#include <unistd.h>
#include <vector>

#include "standin.h"

#define BLAS(name, ...) EXPORT int cublas##name(__VA_ARGS__)

namespace {
enum { NOT_INITIALIZED = 1, INVALID = 7, FAILED = 13 };

struct Handle {
    int device = current_device(), pointer_mode = 0, math_mode = 0;
    void *stream = nullptr;
    char *workspace = nullptr;
    size_t size = 0;
    pid_t process = getpid();
};
std::set<Handle *> handles;
std::mutex lock;

bool is_known(Handle *handle) {
    std::lock_guard guard(lock);
    return handles.count(handle) && handle->process == getpid();
}

// TF32 keeps ten bits of the mantissa.
template <class T> T rounded(T value, bool) { return value; }
template <> float rounded(float value, bool to_tf32) {
    if (!to_tf32 || !std::isfinite(value)) return value;
    unsigned bits;
    memcpy(&bits, &value, 4);
    bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
    memcpy(&value, &bits, 4);
    return value;
}

template <class T, class S> struct Product {
    bool flip_a, flip_b, tf32;
    int m, n, k;
    S alpha, beta;
    const T *a, *b;
    T *c;
    long long lda, ldb, ldc, stride_a, stride_b, stride_c;
    int batch;
    char *workspace;
    size_t size;

    static size_t extent(long long rows, long long columns, long long ld) {
        return rows && columns ? (ld * (columns - 1) + rows) * sizeof(T) : 0;
    }
    bool fits() const {
        for (int i = 0; i < batch; ++i)
            if (!within(a + i * stride_a, flip_a ? extent(k, m, lda) : extent(m, k, lda)) ||
                !within(b + i * stride_b, flip_b ? extent(n, k, ldb) : extent(k, n, ldb)) ||
                !within(c + i * stride_c, extent(m, n, ldc)))
                return false;
        return !workspace || within(workspace, size);
    }
    int operator()() const {
        if (!m || !n) return 0;
        if (!fits()) return 700;
        // The contents of the workspace after a product are undefined.
        if (workspace) memset(workspace, 0xff, std::min<size_t>(size, 1 << 16));
        std::vector<S> column(m), A((size_t)m * k);
        for (int i = 0; i < batch; ++i) {
            const T *a = this->a + i * stride_a, *b = this->b + i * stride_b;
            T *c = this->c + i * stride_c;
            for (int l = 0; l < k; ++l)
                for (int r = 0; r < m; ++r)
                    A[(size_t)l * m + r] =
                        rounded<S>(S(flip_a ? a[l + r * lda] : a[r + l * lda]), tf32);
            for (int j = 0; j < n; ++j) {
                std::fill(column.begin(), column.end(), S(0));
                for (int l = 0; l < k; ++l) {
                    S factor = rounded<S>(S(flip_b ? b[j + l * ldb] : b[l + j * ldb]), tf32);
                    const S *from = A.data() + (size_t)l * m;
                    for (int r = 0; r < m; ++r) column[r] += from[r] * factor;
                }
                for (int r = 0; r < m; ++r) {
                    T &to = c[r + j * ldc];
                    to = T(beta == S(0) ? alpha * column[r] : alpha * column[r] + beta * S(to));
                }
            }
        }
        return 0;
    }
};

template <class T, class S>
int multiply(Handle *handle, int op_a, int op_b, int m, int n, int k, const void *alpha,
             const void *a, int lda, long long stride_a, const void *b, int ldb,
             long long stride_b, const void *beta, void *c, int ldc, long long stride_c, int batch,
             bool tf32) {
    if (!is_known(handle)) return NOT_INITIALIZED;
    bool flip_a = op_a, flip_b = op_b;
    if (m < 0 || n < 0 || k < 0 || batch < 0 || lda < std::max(1, flip_a ? k : m) ||
        ldb < std::max(1, flip_b ? n : k) || ldc < std::max(1, m))
        return INVALID;
    if (standin_get("fail_product")) {
        long status = standin_get("fail_product");
        standin_set("fail_product", 0);
        return status;
    }
    Product<T, S> product{flip_a, flip_b, tf32 && standin_get("capability") >= 80, m, n, k,
                          *(const S *)alpha, *(const S *)beta, (const T *)a, (const T *)b, (T *)c,
                          lda, ldb, ldc, stride_a, stride_b, stride_c, batch, handle->workspace,
                          handle->size};
    if (handle->device != current_device()) return FAILED;
    return issue(handle->stream, product) ? FAILED : 0;
}
}  // namespace

BLAS(Create_v2, Handle **handle) {
    if (ready() || standin_get("fail_create")) return NOT_INITIALIZED;
    std::lock_guard guard(lock);
    handles.insert(*handle = new Handle);
    count("cublas", 1);
    return 0;
}
BLAS(Destroy_v2, Handle *handle) {
    if (!is_known(handle)) return NOT_INITIALIZED;
    std::lock_guard guard(lock);
    handles.erase(handle);
    if (handle->device != current_device()) return 0;  // counted as a leak; CuPy does so at exit
    count("cublas", -1);
    delete handle;
    return synchronizes() ? FAILED : 0;  // like cuBLAS
}
BLAS(SetStream_v2, Handle *handle, void *stream) {
    if (!is_known(handle)) return NOT_INITIALIZED;
    // This resets the workspace.
    return handle->stream = stream, handle->workspace = nullptr, handle->size = 0, 0;
}
BLAS(GetStream_v2, Handle *handle, void **stream) { return *stream = handle->stream, 0; }
BLAS(SetWorkspace_v2, Handle *handle, char *workspace, size_t size) {
    if (!is_known(handle)) return NOT_INITIALIZED;
    return handle->workspace = workspace, handle->size = size, 0;
}
BLAS(GetVersion_v2, Handle *, int *version) { return *version = 130000, 0; }
BLAS(SetPointerMode_v2, Handle *handle, int mode) { return handle->pointer_mode = mode, 0; }
BLAS(GetPointerMode_v2, Handle *handle, int *mode) { return *mode = handle->pointer_mode, 0; }
BLAS(SetMathMode, Handle *handle, int mode) { return handle->math_mode = mode, 0; }
BLAS(GetMathMode, Handle *handle, int *mode) { return *mode = handle->math_mode, 0; }

BLAS(GemmStridedBatchedEx, Handle *handle, int op_a, int op_b, int m, int n, int k,
     const void *alpha, const void *a, int type_a, int lda, long long sa, const void *b, int,
     int ldb, long long sb, const void *beta, void *c, int type_c, int ldc, long long sc,
     int batch, int compute, int) {
    if (!is_known(handle)) return NOT_INITIALIZED;
    if (type_a != type_c) return 15;
    bool tf32 = compute == 77 || ((handle->math_mode & 3) == 3 && compute == 68);
    if (type_a == 0)
        return multiply<float, float>(handle, op_a, op_b, m, n, k, alpha, a, lda, sa, b, ldb, sb,
                                      beta, c, ldc, sc, batch, tf32);
    if (type_a == 1)
        return multiply<double, double>(handle, op_a, op_b, m, n, k, alpha, a, lda, sa, b, ldb, sb,
                                        beta, c, ldc, sc, batch, false);
    if (type_a == 2 && compute == 68)
        return multiply<_Float16, float>(handle, op_a, op_b, m, n, k, alpha, a, lda, sa, b, ldb, sb,
                                         beta, c, ldc, sc, batch, false);
    return 15;
}
BLAS(GemmEx, Handle *handle, int op_a, int op_b, int m, int n, int k, const void *alpha,
     const void *a, int type_a, int lda, const void *b, int type_b, int ldb, const void *beta,
     void *c, int type_c, int ldc, int compute, int algorithm) {
    return cublasGemmStridedBatchedEx(handle, op_a, op_b, m, n, k, alpha, a, type_a, lda, 0, b,
                                      type_b, ldb, 0, beta, c, type_c, ldc, 0, 1, compute,
                                      algorithm);
}
#define OF_TYPE(letter, T, type, compute)                                                          \
    BLAS(letter##gemm_v2, Handle *h, int x, int y, int m, int n, int k, const T *alpha, const T *a, \
         int lda, const T *b, int ldb, const T *beta, T *c, int ldc) {                              \
        return cublasGemmEx(h, x, y, m, n, k, alpha, a, type, lda, b, type, ldb, beta, c, type,     \
                            ldc, compute, -1);                                                      \
    }                                                                                               \
    BLAS(letter##gemmStridedBatched, Handle *h, int x, int y, int m, int n, int k, const T *alpha,  \
         const T *a, int lda, long long sa, const T *b, int ldb, long long sb, const T *beta, T *c, \
         int ldc, long long sc, int batch) {                                                        \
        return cublasGemmStridedBatchedEx(h, x, y, m, n, k, alpha, a, type, lda, sa, b, type, ldb,  \
                                          sb, beta, c, type, ldc, sc, batch, compute, -1);          \
    }
OF_TYPE(S, float, 0, 68)
OF_TYPE(D, double, 1, 70)
