// Driver functions: modules, launches, names of errors; and redirection of CuPy's runtime.
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <map>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "core.h"

namespace {
struct Module {
    void *library;
    int device;
};
struct Function {
    const Entry *entry;
    Module *module;
    int dynamic_limit = 48 << 10;
};
const std::map<int, std::pair<const char *, const char *>> ERRORS = {
    {0, {"Success", "no error"}},
    {1, {"InvalidValue", "invalid argument"}},
    {2, {"MemoryAllocation", "out of memory"}},
    {3, {"InitializationError", "initialization error"}},
    {35, {"InsufficientDriver", "CUDA driver version is insufficient for CUDA runtime version"}},
    {46, {"DevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"}},
    {100, {"NoDevice", "no CUDA-capable device is detected"}},
    {101, {"InvalidDevice", "invalid device ordinal"}},
    {209, {"NoKernelImageForDevice", "no kernel image is available for execution on the device"}},
    {400, {"InvalidResourceHandle", "invalid resource handle"}},
    {500, {"SymbolNotFound", "named symbol not found"}},
    {700, {"IllegalAddress", "an illegal memory access was encountered"}},
    {701, {"LaunchOutOfResources", "too many resources requested for launch"}},
    {719, {"LaunchFailure", "unspecified launch failure"}},
    {801, {"NotSupported", "operation not supported"}},
    {900, {"StreamCaptureUnsupported", "operation not permitted when stream is capturing"}},
    {901, {"StreamCaptureInvalidated", "operation failed due to a previous error during capture"}},
    {902, {"StreamCaptureMerge", "operation would result in a merge of separate capture sequences"}},
    {904, {"StreamCaptureUnjoined", "capturing stream has unjoined work"}},
    {905, {"StreamCaptureIsolation",
           "dependency created on uncaptured work in another stream"}},
    {906, {"StreamCaptureImplicit", "operation would make the legacy stream depend on a capturing "
                                    "blocking stream"}},
    {907, {"CapturedEvent", "operation not permitted on an event last recorded in a capturing "
                            "stream"}},
    {908, {"StreamCaptureWrongThread",
           "attempt to terminate a thread-local capture sequence from another thread"}},
};
const char *name_of(int status, const char *prefix) {
    static std::map<std::pair<int, std::string>, std::string> names;
    auto found = ERRORS.find(status);
    auto &name = names[{status, prefix}];
    name = found == ERRORS.end() ? "unrecognized error code" : prefix + std::string(found->second.first);
    return name.c_str();
}
const char *text_of(int status) {
    auto found = ERRORS.find(status);
    return found == ERRORS.end() ? "unrecognized error code" : found->second.second;
}
}  // namespace

#define CU(name, ...) EXPORT int cu##name(__VA_ARGS__)

EXPORT const char *cudaGetErrorName(int status) { return name_of(status, "cudaError"); }
EXPORT const char *cudaGetErrorString(int status) { return text_of(status); }
CU(GetErrorName, int status, const char **name) { return *name = name_of(status, "CUDA_ERROR_"), 0; }
CU(GetErrorString, int status, const char **text) { return *text = text_of(status), 0; }
CU(DriverGetVersion, int *version) { return *version = standin_get("driver"), 0; }
CU(Init, unsigned) { return available(); }
CU(DevicePrimaryCtxRelease_v2, int) { return 0; }
CU(CtxGetCurrent, void **context) { return *context = current_context(), available(); }
CU(CtxSetCurrent, void *) { return ready(); }
CU(CtxGetDevice, int *device) { return *device = current_device(), available(); }
CU(StreamGetCtx, void *, void **context) { return *context = (void *)size_t(1 + current_device()), 0; }

CU(ModuleLoadData, Module **module, const char *image) {
    std::lock_guard lock(everything);
    if (int status = ready()) return status;
    const char start[] = "CUDA stand-in ";
    if (strncmp(image, start, sizeof start - 1)) return 209;
    void *library = dlopen(image + sizeof start - 1, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fprintf(stderr, "cuda stand-in: %s\n", dlerror()), 209;
    *module = new Module{library, current_device()};
    count("modules", 1);
    return 0;
}
CU(ModuleLoad, Module **, const char *) { return 801; }
CU(ModuleUnload, Module *) { return count("modules", -1), 0; }  // a graph may still use its kernels
CU(ModuleGetFunction, Function **function, Module *module, const char *name) {
    auto entry = (const Entry *)dlsym(module->library, (std::string("standin_entry_") + name).c_str());
    if (!entry) return 500;
    *function = new Function{entry, module};
    return 0;
}
CU(ModuleGetGlobal_v2, void **pointer, size_t *bytes, Module *module, const char *name) {
    Dl_info info;
    ElfW(Sym) *symbol = nullptr;
    if (!(*pointer = dlsym(module->library, name))) return 500;
    dladdr1(*pointer, &info, (void **)&symbol, RTLD_DL_SYMENT);
    return *bytes = symbol ? symbol->st_size : 0, 0;
}
CU(FuncGetAttribute, int *value, int attribute, Function *function) {
    char *from = (char *)dlsym(function->module->library, "standin_shared_size");
    *value = attribute == 0 ? 1024 : attribute == 1 && from ? int(*(size_t *)from) : 0;
    return 0;
}
CU(FuncSetAttribute, Function *function, int attribute, int value) {
    if (attribute == 8) {
        if (value > 227 << 10) return 1;
        function->dynamic_limit = value;
    }
    return 0;
}
CU(OccupancyMaxActiveBlocksPerMultiprocessor, int *blocks, Function *, int, size_t) {
    return *blocks = 1, 0;
}
CU(OccupancyMaxPotentialBlockSize, int *grid, int *block, Function *, size_t (*)(int), size_t, int) {
    return *grid = 8, *block = 256, 0;
}

CU(LaunchKernel, Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
   unsigned bz, unsigned shared, void *stream, void **values, void **) {
    std::lock_guard lock(everything);
    if (int status = ready()) return status;
    if (!gx || !gy || !gz || !bx || !by || !bz || gx > 0x7fffffff || gy > 65535 || gz > 65535 ||
        (size_t)bx * by * bz > 1024 || bz > 64 || (int)shared > function->dynamic_limit)
        return 1;
    if (function->module->device != current_device()) return 400;
    if (strikes("fail_launch")) return fails(standin_get("launch_error"));
    const Entry *entry = function->entry;
    // Copied like in a launch, so that a graph keeps the arguments of its capture.
    auto kept = std::make_shared<std::vector<std::unique_ptr<char[]>>>();
    for (int i = 0; i < entry->count; ++i) {
        kept->emplace_back(new char[entry->sizes[i] + 16]);
        memcpy(kept->back().get(), values[i], entry->sizes[i]);
    }
    auto bounds = (char *(*)(int))dlsym(function->module->library, "standin_shared_bounds");
    return issue(stream, [=] {
        std::vector<void *> pointers;
        for (auto &value : *kept) pointers.push_back(value.get());
        return run_kernel(entry, {gx, gy, gz}, {bx, by, bz}, shared, bounds(0), bounds(1),
                          pointers.data());
    });
}
CU(LaunchCooperativeKernel, Function *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
   unsigned, void *, void **) {
    return 801;
}

namespace {
int unsupported() { return 801; }
}  // namespace

// CuPy's wheel contains the runtime. Redirect the calls of a loaded library: each
// function named cuda... starts with a jump. Returns their number; functions missing here
// report that they are not supported.
EXPORT int standin_take_over(const char *path) {
    struct link_map *map;
    FILE *file = fopen(path, "rb");
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD), *self = dlopen("libcuda.so.1", RTLD_NOW);
    if (!file || !library || dlinfo(library, RTLD_DI_LINKMAP, &map)) return -1;
    std::string text;
    char part[65536];
    for (size_t n; (n = fread(part, 1, sizeof part, file));) text.append(part, n);
    fclose(file);
    auto header = (Elf64_Ehdr *)text.data();
    auto sections = (Elf64_Shdr *)(text.data() + header->e_shoff);
    int changed = 0;
    for (int i = 0; i < header->e_shnum; ++i) {
        if (sections[i].sh_type != SHT_SYMTAB) continue;
        auto names = text.data() + sections[sections[i].sh_link].sh_offset;
        auto symbol = (Elf64_Sym *)(text.data() + sections[i].sh_offset);
        for (auto end = symbol + sections[i].sh_size / sizeof *symbol; symbol < end; ++symbol) {
            const char *name = names + symbol->st_name;
            if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || strncmp(name, "cuda", 4) ||
                name[4] < 'A' || name[4] > 'Z' || symbol->st_size < 14)
                continue;
            void *ours = dlsym(self, name);
            auto target = (unsigned char *)(map->l_addr + symbol->st_value);
            auto page = (unsigned char *)((size_t)target & ~size_t(4095));
            mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
            memcpy(target, "\xff\x25\0\0\0\0", 6);  // jmp *0(%rip)
            void *to = ours ? ours : (void *)unsupported;
            memcpy(target + 6, &to, 8);
            mprotect(page, 8192, PROT_READ | PROT_EXEC);
            ++changed;
        }
    }
    return changed;
}
