// Threads of a block as fibers, in random order between two barriers.
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <mutex>
#include <random>
#include <sys/mman.h>
#include <vector>

#include "standin.h"

std::mt19937 &dice() {
    static std::mt19937 engine(standin_get("seed") ? standin_get("seed") : std::random_device()());
    return engine;
}

// Definitions for device.h.
extern "C" __attribute__((visibility("default"))) Dim threadIdx, blockIdx, blockDim, gridDim;
__attribute__((visibility("default"))) Dim threadIdx, blockIdx, blockDim, gridDim;
EXPORT char *standin_dynamic;
char *standin_dynamic;
EXPORT unsigned long long standin_laid[1024], standin_taken[1024];
unsigned long long standin_laid[1024], standin_taken[1024];

namespace {
constexpr size_t STACK = 128 << 10;
enum State { FRESH, READY, AT_BLOCK, AT_WARP, OVER };

struct Fibre {
    void *at;
    char *stack;
    State state;
    unsigned mask;
    Dim index;
};

std::vector<Fibre> fibres;
std::vector<char *> stacks;   // never freed
std::vector<char *> unused;   // of these
unsigned current;
void *scheduler;
const Entry *entry;
void **arguments;
sigjmp_buf escape;
volatile bool running;

// Saves the callee-saved registers and the stack pointer, and loads another fiber's.
extern "C" void standin_switch(void **from, void *to);
asm(R"(
.text
standin_switch:
    push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
    ret
)");

[[noreturn]] void body() {
    for (;;) {
        entry->call(arguments);
        fibres[current].state = OVER;
        standin_switch(&fibres[current].at, scheduler);
    }
}

char *a_stack() {
    if (unused.empty()) {
        stacks.push_back((char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        return stacks.back();
    }
    char *stack = unused.back();
    unused.pop_back();
    return stack;
}

void resume(unsigned number) {
    Fibre &fibre = fibres[number];
    if (fibre.state == FRESH) {
        fibre.stack = a_stack();
        void **top = (void **)(fibre.stack + STACK) - 2;
        *--top = nullptr;  // an unused return address; keeps the alignment of a call
        *--top = (void *)body;
        fibre.at = top - 6;
        fibre.state = READY;
    }
    current = number;
    threadIdx = fibre.index;
    standin_switch(&scheduler, fibre.at);
    if (fibre.state == OVER) unused.push_back(fibre.stack);
}

bool release() {
    bool any = false, all = true;
    for (auto &fibre : fibres) all &= fibre.state == AT_BLOCK || fibre.state == OVER;
    for (unsigned warp = 0; warp < fibres.size(); warp += 32) {
        unsigned end = std::min<unsigned>(warp + 32, fibres.size());
        for (unsigned i = warp; i < end; ++i) {
            if (all && fibres[i].state == AT_BLOCK) fibres[i].state = READY, any = true;
            if (fibres[i].state != AT_WARP) continue;
            bool there = true;
            for (unsigned j = warp; j < end; ++j)
                if (fibres[i].mask >> (j - warp) & 1)
                    there &= fibres[j].state == OVER ||
                             (fibres[j].state == AT_WARP && fibres[j].mask == fibres[i].mask);
            if (!there) continue;
            unsigned mask = fibres[i].mask;
            for (unsigned j = warp; j < end; ++j)
                if (mask >> (j - warp) & 1 && fibres[j].state == AT_WARP) {
                    fibres[j].state = READY, any = true;
                    standin_taken[j] = standin_laid[j];
                }
        }
    }
    return any;
}

bool run_block(std::vector<unsigned> &order) {
    for (unsigned i = 0; i < fibres.size(); ++i) {
        fibres[i] = {nullptr, nullptr, FRESH, 0,
                     {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y}};
        order[i] = i;
    }
    for (;;) {
        std::shuffle(order.begin(), order.end(), dice());
        for (unsigned number : order)
            if (fibres[number].state <= READY) resume(number);
        bool over = true;
        for (auto &fibre : fibres) over &= fibre.state == OVER;
        if (over) return true;
        if (!release()) return false;  // a barrier that some threads never reach
    }
}

void caught(int) {
    if (running) siglongjmp(escape, 1);
    signal(SIGSEGV, SIG_DFL);
}
}  // namespace

EXPORT void standin_barrier() {
    fibres[current].state = AT_BLOCK;
    standin_switch(&fibres[current].at, scheduler);
}

EXPORT void standin_warp_barrier(unsigned mask) {
    fibres[current].state = AT_WARP;
    fibres[current].mask = mask;
    standin_switch(&fibres[current].at, scheduler);
}

EXPORT unsigned standin_thread() { return current; }

int run_kernel(const Entry *kernel, Dim grid, Dim block, size_t dynamic, char *shared,
               char *shared_end, void **values) {
    entry = kernel, arguments = values, gridDim = grid, blockDim = block;
    std::vector<unsigned> order(block.x * block.y * block.z);
    fibres.resize(order.size());
    std::vector<char> memory(dynamic + 64);
    standin_dynamic = (char *)(((size_t)memory.data() + 63) / 64 * 64);
    unused = stacks;
    struct sigaction mine = {}, before[2];
    mine.sa_handler = caught;
    mine.sa_flags = SA_NODEFER;
    sigaction(SIGSEGV, &mine, &before[0]);
    sigaction(SIGBUS, &mine, &before[1]);
    int status = 0;
    running = true;
    if (sigsetjmp(escape, 0)) {
        status = 700;  // cudaErrorIllegalAddress
    } else {
        size_t blocks = (size_t)grid.x * grid.y * grid.z;
        // Blocks in order from a random start, upwards or downwards.
        size_t first = dice()() % blocks;
        bool down = dice()() & 1;
        for (size_t i = 0; i < blocks && !status; ++i) {
            size_t b = (first + (down ? blocks - i : i)) % blocks;
            blockIdx = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y),
                        unsigned(b / grid.x / grid.y)};
            // Shared memory is initially undefined: NaN.
            if (shared) memset(shared, 0xff, shared_end - shared);
            memset(standin_dynamic, 0xff, dynamic);
            if (!run_block(order)) status = 719;  // cudaErrorLaunchFailure
        }
    }
    running = false;
    sigaction(SIGSEGV, &before[0], nullptr);
    sigaction(SIGBUS, &before[1], nullptr);
    return status;
}
