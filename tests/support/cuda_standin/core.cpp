// Devices, memory, streams, events and graphs: the CUDA runtime functions that CuPy calls.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <random>
#include <set>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "core.h"

std::mt19937 &dice();

namespace {
constexpr size_t PAGE = 4096, GUARD = 64 * PAGE;  // before and after each allocation
constexpr unsigned char CANARY = 0xff;  // NaN, to reveal reads

struct Block {
    char *mapped;
    size_t length, size;
    int device;
};

std::map<std::string, long> settings, counts;
long &sticky = settings["sticky"];
std::map<char *, Block> blocks;
std::set<Stream *> streams;
std::set<Event *> events;
std::set<Capture *> captures;
std::map<int, size_t> used;
int focused = -1;
thread_local int device = 0, last_error = 0;
thread_local bool has_context = false;
bool begun = false, forked = false;

int said(int status) {
    if (status) last_error = status;
    return status;
}

void settle() {
    static const bool once = [] {
        settings.insert({{"devices", 1},     {"memory", 8L << 30}, {"capability", 90},
                         {"driver", 13000}, {"runtime", 13000},   {"launch_error", 719}});
        std::string text = getenv("CUDA_STANDIN") ? getenv("CUDA_STANDIN") : "";
        for (size_t at = 0; at < text.size();) {
            size_t end = std::min(text.find(',', at), text.size()), is = text.find('=', at);
            settings[text.substr(at, is - at)] = atol(text.substr(is + 1, end - is - 1).c_str());
            at = end + 1;
        }
        pthread_atfork(nullptr, nullptr, [] { forked = begun; });
        return true;
    }();
    (void)once;
}

// Restrict access to the memory of one device, for its kernels; -1: no restriction, for copies.
void focus(int on) {
    if (settings["devices"] < 2 || on == focused) return;
    for (auto &[pointer, block] : blocks)
        mprotect(block.mapped + GUARD, block.length - 2 * GUARD,
                 on < 0 || on == block.device ? PROT_READ | PROT_WRITE : PROT_NONE);
    focused = on;
}

const Block *block_of(const void *pointer) {
    auto next = blocks.upper_bound((char *)pointer);
    if (next == blocks.begin()) return nullptr;
    --next;
    return (char *)pointer < next->first + next->second.size ? &next->second : nullptr;
}

bool is_damaged(char *pointer, const Block &block) {
    unsigned char *at = (unsigned char *)pointer + block.size;
    unsigned char *end = (unsigned char *)block.mapped + block.length - GUARD;
    for (; at < end; ++at)
        if (*at != CANARY) return true;
    return false;
}

// A write past the end of an allocation, but within its last page.
int check_bounds() {
    focus(-1);
    for (auto &[pointer, block] : blocks)
        if (is_damaged(pointer, block)) {
            fprintf(stderr, "cuda stand-in: a write past %zu bytes\n", block.size);
            return sticky = 700;
        }
    return 0;
}
}  // namespace

std::recursive_mutex everything;

EXPORT long standin_get(const char *name) {
    std::lock_guard lock(everything);
    settle();
    auto found = counts.find(name);
    return found != counts.end() ? found->second : settings[name];
}
EXPORT void standin_set(const char *name, long value) {
    std::lock_guard lock(everything);
    settle();
    focus(-1);
    settings[name] = value;
}
bool strikes(const char *name) {
    long &left = settings[name];
    return left > 0 && --left == 0;
}
void count(const char *kind, long by) {
    std::lock_guard lock(everything);
    counts[kind] += by;
}
int current_device() { return device; }
bool within(const void *pointer, size_t bytes) {
    const Block *block = block_of(pointer);
    if (!block) return false;
    auto start = (const char *)std::prev(blocks.upper_bound((char *)pointer))->first;
    return (const char *)pointer + bytes <= start + block->size;
}

int fails(int status) {
    if (status >= 700 && status != 701) sticky = status;
    return status;
}

// The error of a call that needs no context, or a context on that device.
int available(int on) {
    settle();
    if (forked) return 3;
    begun = true;
    if (settings["driver"] / 1000 < settings["runtime"] / 1000) return 35;
    if (settings["devices"] < 1) return 100;
    return on >= 0 && on < settings["busy"] ? 46 : 0;
}

// Make a device's context current. Since CUDA 12, cudaSetDevice does so too.
int use_context(int on) {
    std::lock_guard lock(everything);
    if (int status = available(on)) return status;
    if (sticky) return sticky;
    counts["context_" + std::to_string(on)] = 1;
    device = on;
    has_context = true;
    return 0;
}
int ready() { return use_context(device); }
void *current_context() { return has_context ? (void *)size_t(1 + device) : nullptr; }

int synchronizes() {
    for (Capture *capture : captures) capture->broken = true;
    return captures.empty() ? 0 : 900;
}

Stream *stream_of(void *handle) {
    static std::map<int, Stream> defaults;
    if ((size_t)handle <= 2) {
        Stream &stream = defaults[device];
        stream.device = device;
        return &stream;
    }
    return streams.count((Stream *)handle) ? (Stream *)handle : nullptr;
}

int run(int on, const Work &work) {
    focus(on);
    int status = work();
    focus(-1);
    return fails(status);
}

int issue_on(void *handle, Work work, bool is_kernel) {
    if (int status = ready()) return status;
    Stream *stream = stream_of(handle);
    if (!stream || (is_kernel && stream->device != device)) return 400;
    if (Capture *capture = stream->capture) {
        if (capture->broken) return 901;
        capture->graph->push_back({std::move(work), stream->last, device});
        stream->last = {capture->graph->size() - 1};
        return 0;
    }
    if ((size_t)handle <= 1)
        for (Capture *capture : captures)
            if (!capture->origin->non_blocking) return capture->broken = true, 906;
    return run(is_kernel ? stream->device : -1, work);
}
int issue(void *handle, Work work) {
    std::lock_guard lock(everything);
    return issue_on(handle, std::move(work), true);
}

#define CUDA(name, ...) EXPORT int cuda##name(__VA_ARGS__)
#define BEGIN                         \
    std::lock_guard lock(everything); \
    if (int status = ready()) return said(status);

// Versions and devices

CUDA(DriverGetVersion, int *version) { settle(); return *version = settings["driver"], 0; }
CUDA(RuntimeGetVersion, int *version) { settle(); return *version = settings["runtime"], 0; }
CUDA(GetLastError) { int status = last_error; last_error = 0; return sticky ? sticky : status; }
CUDA(PeekAtLastError) { return sticky ? sticky : last_error; }
CUDA(GetDeviceCount, int *number) {
    std::lock_guard lock(everything);
    *number = 0;
    if (int status = available()) return said(status);
    return *number = settings["devices"], 0;
}
CUDA(GetDevice, int *number) {
    return *number = device, said(available());
}
CUDA(SetDevice, int number) {
    std::lock_guard lock(everything);
    if (int status = available()) return said(status);
    return said(number < 0 || number >= settings["devices"] ? 101 : use_context(number));
}
CUDA(DeviceSynchronize) { BEGIN int s = synchronizes(); return said(s ? s : check_bounds()); }
CUDA(DeviceGetAttribute, int *value, int attribute, int number) {
    std::lock_guard lock(everything);
    settle();
    if (number < 0 || number >= settings["devices"]) return said(101);
    int capability = settings["capability"];
    static const std::map<int, int> values = {
        {1, 1024}, {8, 48 << 10}, {10, 32}, {12, 65536}, {16, 8}, {38, 4 << 20}, {39, 2048},
        {81, 228 << 10}, {82, 65536}, {97, 227 << 10}};
    auto found = values.find(attribute);
    *value = attribute == 75   ? capability / 10
             : attribute == 76 ? capability % 10
             : found == values.end() ? 0 : found->second;
    return 0;
}
struct Properties {  // the first fields of CUDA 13's cudaDeviceProp
    char name[256];
    unsigned char uuid[16];
    char luid[8];
    unsigned mask;
    size_t memory, shared;
    int registers, warp;
    size_t pitch;
    int threads, threads_dim[3], grid[3];
    size_t constant;
    int major, minor;
    size_t texture[2];
    int processors;
};
CUDA(GetDeviceProperties, Properties *p, int number) {
    std::lock_guard lock(everything);
    settle();
    if (number < 0 || number >= settings["devices"]) return said(101);
    memset((void *)p, 0, 760);
    int capability = settings["capability"];
    strcpy(p->name, "CUDA stand-in");
    // Two processes see the same GPU, like two ranks on one machine.
    memset(p->uuid, 'a' + number + settings["first_device"], sizeof p->uuid);
    p->memory = settings["memory"], p->shared = 48 << 10, p->registers = 65536, p->warp = 32;
    p->threads = 1024, p->threads_dim[0] = p->threads_dim[1] = 1024, p->threads_dim[2] = 64;
    p->grid[0] = 0x7fffffff, p->grid[1] = p->grid[2] = 65535, p->constant = 65536;
    p->major = capability / 10, p->minor = capability % 10, p->processors = 8;
    return 0;
}
CUDA(DeviceCanAccessPeer, int *can, int, int) { return *can = 0, 0; }
CUDA(DeviceGetPCIBusId, char *id, int length, int number) {
    return snprintf(id, length, "0000:%02x:00.0", number), 0;
}
CUDA(DeviceGetLimit, size_t *value, int) { BEGIN return *value = 8 << 20, 0; }
CUDA(DeviceSetLimit, int, size_t) { BEGIN return 0; }
CUDA(ProfilerStart) { return 0; }
CUDA(ProfilerStop) { return 0; }

// Memory

CUDA(Malloc, void **pointer, size_t size) {
    BEGIN
    *pointer = nullptr;
    if (!size) return 0;
    for (Capture *capture : captures)
        if (capture->mode == 0 || (capture->mode == 1 && capture->owner == pthread_self()))
            return capture->broken = true, said(900);
    if (strikes("fail_malloc") || used[device] + size > (size_t)settings["memory"]) return said(2);
    // It ends before pages without access.
    size_t length = (size + PAGE - 1) / PAGE * PAGE + 2 * GUARD;
    char *mapped = (char *)mmap(nullptr, length, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return said(2);
    mprotect(mapped + GUARD, length - 2 * GUARD, PROT_READ | PROT_WRITE);
    char *start = mapped + GUARD + ((length - 2 * GUARD - size) & ~size_t(255));
    memset(start, 0xff, size);  // NaN
    memset(start + size, CANARY, mapped + length - GUARD - start - size);
    blocks[start] = {mapped, length, size, device};
    used[device] += size;
    ++counts["allocations"];
    *pointer = start;
    return 0;
}
CUDA(Free, void *pointer) {
    BEGIN
    if (!pointer) return 0;
    if (int status = synchronizes()) return said(status);
    auto found = blocks.find((char *)pointer);
    if (found == blocks.end()) return said(1);
    bool damaged = is_damaged(found->first, found->second);
    used[found->second.device] -= found->second.size;
    munmap(found->second.mapped, found->second.length);
    blocks.erase(found);
    --counts["allocations"];
    return damaged ? said(sticky = 700) : 0;
}
CUDA(MallocManaged, void **pointer, size_t size, unsigned) { return cudaMalloc(pointer, size); }
CUDA(MallocAsync, void **pointer, size_t size, void *) { return cudaMalloc(pointer, size); }
CUDA(FreeAsync, void *pointer, void *) { return cudaFree(pointer); }
CUDA(HostAlloc, void **pointer, size_t size, unsigned) {
    BEGIN return posix_memalign(pointer, 512, size) ? said(2) : 0;
}
CUDA(FreeHost, void *pointer) { free(pointer); return 0; }
CUDA(HostRegister, void *, size_t, unsigned) { BEGIN return 0; }
CUDA(HostUnregister, void *) { BEGIN return 0; }
CUDA(MemGetInfo, size_t *available, size_t *total) {
    BEGIN
    *total = settings["memory"];
    *available = *total > used[device] ? *total - used[device] : 0;
    return 0;
}
struct Attributes { int type, device; void *there, *here; long reserved[8]; };
CUDA(PointerGetAttributes, Attributes *attributes, const void *pointer) {
    BEGIN
    const Block *block = block_of(pointer);
    *attributes = {block ? 2 : 0, block ? block->device : -2, block ? (void *)pointer : nullptr,
                   block ? nullptr : (void *)pointer, {}};
    return 0;
}
static int copy(void *to, const void *from, size_t size, int kind, void *stream) {
    BEGIN
    auto work = [=] {
        // 1: to the device; 2: from it; 3: within; 4: by the addresses.
        bool fits = (block_of(to) ? within(to, size) : kind == 0 || kind == 2 || kind == 4) &&
                    (block_of(from) ? within(from, size) : kind == 0 || kind == 1 || kind == 4);
        if (!fits) return 1;
        memmove(to, from, size);
        return 0;
    };
    return said(size ? issue_on(stream, work, false) : 0);
}
CUDA(Memcpy, void *to, const void *from, size_t size, int kind) {
    return copy(to, from, size, kind, nullptr);
}
CUDA(MemcpyAsync, void *to, const void *from, size_t size, int kind, void *stream) {
    return copy(to, from, size, kind, stream);
}
CUDA(MemcpyPeer, void *to, int, const void *from, int, size_t size) {
    return copy(to, from, size, 3, nullptr);
}
CUDA(MemcpyPeerAsync, void *to, int, const void *from, int, size_t size, void *stream) {
    return copy(to, from, size, 3, stream);
}
CUDA(Memcpy2DAsync, char *to, size_t step, const char *from, size_t step_from, size_t width,
     size_t height, int kind, void *stream) {
    for (size_t i = 0; i < height; ++i)
        if (int status = copy(to + i * step, from + i * step_from, width, kind, stream))
            return status;
    return 0;
}
CUDA(Memcpy2D, char *to, size_t step, const char *from, size_t step_from, size_t width,
     size_t height, int kind) {
    return cudaMemcpy2DAsync(to, step, from, step_from, width, height, kind, nullptr);
}
CUDA(MemsetAsync, void *to, int value, size_t size, void *stream) {
    BEGIN
    auto work = [=] { return within(to, size) ? memset(to, value, size), 0 : 1; };
    return said(size ? issue_on(stream, work, false) : 0);
}
CUDA(Memset, void *to, int value, size_t size) { return cudaMemsetAsync(to, value, size, nullptr); }

// Streams and events

CUDA(StreamCreateWithPriority, void **handle, unsigned flags, int priority) {
    BEGIN
    auto stream = new Stream;
    stream->device = device, stream->non_blocking = flags & 1, stream->priority = priority;
    streams.insert(stream);
    ++counts["streams"];
    *handle = stream;
    return 0;
}
CUDA(StreamCreateWithFlags, void **handle, unsigned flags) {
    return cudaStreamCreateWithPriority(handle, flags, 0);
}
CUDA(StreamCreate, void **handle) { return cudaStreamCreateWithPriority(handle, 0, 0); }
CUDA(StreamDestroy, void *handle) {
    BEGIN
    Stream *stream = (Stream *)handle;
    if (!streams.erase(stream)) return said(400);
    if (stream->capture) stream->capture->broken = true;
    --counts["streams"];
    delete stream;
    return 0;
}
CUDA(StreamGetFlags, void *handle, unsigned *flags) {
    BEGIN return *flags = stream_of(handle) && stream_of(handle)->non_blocking, 0;
}
CUDA(StreamGetPriority, void *, int *priority) { BEGIN return *priority = 0, 0; }
CUDA(StreamSynchronize, void *handle) {
    BEGIN
    Stream *stream = stream_of(handle);
    if (!stream) return said(400);
    if (stream->capture) return stream->capture->broken = true, said(900);
    return said(check_bounds());
}
CUDA(StreamQuery, void *handle) { return cudaStreamSynchronize(handle); }
CUDA(LaunchHostFunc, void *handle, void (*function)(void *), void *data) {
    { BEGIN if (!stream_of(handle)) return said(400); if (stream_of(handle)->capture) return said(801); }
    function(data);
    return 0;
}
CUDA(StreamAddCallback, void *handle, void (*function)(void *, int, void *), void *data, unsigned) {
    { BEGIN if (!stream_of(handle)) return said(400); if (stream_of(handle)->capture) return said(900); }
    function(handle, 0, data);
    return 0;
}
CUDA(EventCreateWithFlags, void **handle, unsigned) {
    BEGIN
    auto event = new Event;
    event->device = device;
    events.insert(event);
    ++counts["events"];
    *handle = event;
    return 0;
}
CUDA(EventCreate, void **handle) { return cudaEventCreateWithFlags(handle, 0); }
CUDA(EventDestroy, void *handle) {
    BEGIN
    if (!events.erase((Event *)handle)) return said(400);
    --counts["events"];
    delete (Event *)handle;
    return 0;
}
CUDA(EventRecord, void *handle, void *stream_handle) {
    BEGIN
    Stream *stream = stream_of(stream_handle);
    Event *event = (Event *)handle;
    if (!stream || !events.count(event) || stream->device != event->device) return said(400);
    event->capture = stream->capture, event->nodes = stream->last;
    event->number = stream->capture ? stream->capture->number : 0;
    event->time = std::chrono::duration<double, std::milli>(
                      std::chrono::steady_clock::now().time_since_epoch()).count();
    return 0;
}
CUDA(StreamWaitEvent, void *handle, void *event_handle, unsigned) {
    BEGIN
    Stream *stream = stream_of(handle);
    Event *event = (Event *)event_handle;
    if (!stream || !events.count(event)) return said(400);
    if (!event->capture) {
        if (stream->capture) return stream->capture->broken = true, said(905);  // isolation
        return 0;
    }
    if (!captures.count(event->capture) || event->capture->number != event->number) return 0;
    if (stream->capture && stream->capture != event->capture) return said(902);  // merge
    stream->capture = event->capture;
    event->capture->streams.insert(stream);
    stream->last.insert(event->nodes.begin(), event->nodes.end());
    return 0;
}
CUDA(EventQuery, void *handle) {
    BEGIN
    Event *event = (Event *)handle;
    if (!events.count(event)) return said(400);
    if (captures.count(event->capture)) return event->capture->broken = true, said(907);
    return 0;
}
CUDA(EventSynchronize, void *handle) {
    int status = cudaEventQuery(handle);
    BEGIN return said(status ? status : check_bounds());
}
CUDA(EventElapsedTime, float *milliseconds, void *from, void *to) {
    BEGIN return *milliseconds = float(((Event *)to)->time - ((Event *)from)->time), 0;
}

// Graphs

CUDA(StreamBeginCapture, void *handle, int mode) {
    BEGIN
    Stream *stream = stream_of(handle);
    if (!stream) return said(400);
    if ((size_t)handle <= 1) return said(900);
    if (stream->capture) return said(1);
    static long number = 0;
    auto capture = new Capture;
    capture->graph = std::make_shared<Nodes>();
    capture->origin = stream, capture->mode = mode, capture->owner = pthread_self();
    capture->number = ++number;
    capture->streams.insert(stream);
    captures.insert(capture);
    ++counts["captures"];
    stream->capture = capture, stream->last.clear();
    return 0;
}
CUDA(StreamIsCapturing, void *handle, int *status) {
    BEGIN
    Stream *stream = stream_of(handle);
    if (!stream) return said(400);
    return *status = stream->capture ? 1 + stream->capture->broken : 0, 0;
}
CUDA(StreamEndCapture, void *handle, void **graph) {
    BEGIN
    Stream *stream = stream_of(handle);
    *graph = nullptr;
    if (!stream) return said(400);
    Capture *capture = stream->capture;
    if (!capture) return said(1);
    if (capture->origin != stream) return said(904);
    if (capture->mode != 2 && capture->owner != pthread_self()) return said(908);
    // Nodes that do not precede the origin's end were forked and never joined.
    auto &nodes = *capture->graph;
    std::set<size_t> seen(stream->last);
    for (size_t i = nodes.size(); i-- > 0;)
        if (seen.count(i)) seen.insert(nodes[i].after.begin(), nodes[i].after.end());
    int status = capture->broken ? 901 : seen.size() < nodes.size() ? 904 : 0;
    for (Stream *other : capture->streams)
        if (streams.count(other)) other->capture = nullptr, other->last.clear();
    captures.erase(capture);
    if (!status) {
        *graph = new Graph{capture->graph};
        ++counts["graphs"];
    }
    delete capture;
    return said(status);
}
CUDA(GraphDestroy, Graph *graph) { return delete graph, count("graphs", -1), 0; }
CUDA(GraphInstantiate, Graph **made, Graph *graph, unsigned long long) {
    BEGIN
    if (strikes("fail_instantiate")) return said(2);
    *made = new Graph(*graph);
    ++counts["instances"];
    return 0;
}
CUDA(GraphExecDestroy, Graph *graph) { return delete graph, count("instances", -1), 0; }
CUDA(GraphUpload, Graph *, void *handle) { BEGIN return said(stream_of(handle) ? 0 : 400); }
CUDA(GraphLaunch, Graph *graph, void *handle) {
    BEGIN
    Stream *stream = stream_of(handle);
    if (!stream || stream->device != device) return said(400);
    if (stream->capture) return said(801);
    if (strikes("fail_launch")) return said(fails(settings["launch_error"]));
    // Any order that the dependencies allow, so that a missing dependency shows.
    auto &nodes = *graph->nodes;
    std::vector<size_t> missing(nodes.size()), next;
    std::vector<std::vector<size_t>> followers(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
        for (size_t before : nodes[i].after) followers[before].push_back(i);
        if (!(missing[i] = nodes[i].after.size())) next.push_back(i);
    }
    while (!next.empty()) {
        std::swap(next[dice()() % next.size()], next.back());
        size_t i = next.back();
        next.pop_back();
        if (int status = run(nodes[i].device, nodes[i].work)) return said(status);
        for (size_t follower : followers[i])
            if (!--missing[follower]) next.push_back(follower);
    }
    return 0;
}
