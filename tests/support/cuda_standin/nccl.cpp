// NCCL between processes of one machine: each message is a file in shared memory.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

#include "standin.h"

#define NCCL(name, ...) EXPORT int nccl##name(__VA_ARGS__)

namespace {
struct Id {
    char text[128];
};
struct Comm {
    std::string name;
    int size, rank, device;
    std::map<std::pair<int, int>, long> messages;
    bool aborted;
};
struct Message {
    Comm *comm;
    int peer;
    char *at;
    size_t bytes;
    void *stream;
    bool is_sent;
};
thread_local int depth = 0;
thread_local std::vector<Message> group;

size_t size_of(int type) {
    static const size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
    return sizes[type];
}

int pass(const Message &m) {
    Comm &comm = *m.comm;
    if (!within(m.at, m.bytes)) return 700;
    int from = m.is_sent ? comm.rank : m.peer, to = m.is_sent ? m.peer : comm.rank;
    std::string path = comm.name + "-" + std::to_string(from) + "-" + std::to_string(to) + "-" +
                       std::to_string(comm.messages[{from, to}]++);
    // A message of this rank to itself with the same number has not been read yet.
    if (from == to && m.is_sent) --comm.messages[{from, to}];
    if (m.is_sent) {
        std::ofstream(path + ".part", std::ios::binary).write(m.at, m.bytes);
        return rename((path + ".part").c_str(), path.c_str()) ? 719 : 0;
    }
    while (access(path.c_str(), R_OK))
        if (comm.aborted) return 0;
        else usleep(50);
    std::ifstream(path, std::ios::binary).read(m.at, m.bytes);
    return unlink(path.c_str()), 0;
}

int pass_all(std::vector<Message> messages) {
    for (auto &m : messages)
        if (m.comm->device != current_device()) return 5;
    if (messages.empty()) return 0;
    auto work = [=] {
        for (bool sent : {true, false})
            for (auto &m : messages)
                if (m.is_sent == sent)
                    if (int status = pass(m)) return status;
        return 0;
    };
    return issue(messages[0].stream, work) ? 1 : 0;
}

int add(const Message &message) {
    if (message.peer < 0 || message.peer >= message.comm->size) return 4;
    group.push_back(message);
    return 0;
}
}  // namespace

EXPORT const char *ncclGetErrorString(int status) {
    return status == 1 ? "unhandled cuda error" : status == 6 ? "remote error" : "invalid usage";
}
NCCL(GetVersion, int *version) { return *version = 22707, 0; }
NCCL(GetUniqueId, Id *id) {
    snprintf(id->text, sizeof id->text, "/dev/shm/cuda-standin-%08x%08x", std::random_device()(),
             std::random_device()());
    return 0;
}
NCCL(CommInitRank, Comm **comm, int size, Id id, int rank) {
    if (ready() || rank < 0 || rank >= size) return 4;
    *comm = new Comm{id.text, size, rank, current_device(), {}, false};
    count("comms", 1);
    return 0;
}
NCCL(CommInitRankConfig, Comm **comm, int size, Id id, int rank, void *) {
    return ncclCommInitRank(comm, size, id, rank);
}
NCCL(CommDestroy, Comm *comm) { delete comm; count("comms", -1); return 0; }
NCCL(CommAbort, Comm *comm) { comm->aborted = true; count("comms", -1); return 0; }
NCCL(CommGetAsyncError, Comm *, int *error) { return *error = standin_get("nccl_error"), 0; }
NCCL(CommCuDevice, Comm *comm, int *device) { return *device = comm->device, 0; }
NCCL(CommUserRank, Comm *comm, int *rank) { return *rank = comm->rank, 0; }
NCCL(CommCount, Comm *comm, int *size) { return *size = comm->size, 0; }
NCCL(GroupStart) { return ++depth, 0; }
NCCL(GroupEnd) {
    if (!depth) return 5;
    if (--depth) return 0;
    std::vector<Message> messages;
    messages.swap(group);
    return pass_all(messages);
}
NCCL(Send, char *at, size_t n, int type, int peer, Comm *comm, void *stream) {
    ncclGroupStart();
    int status = add({comm, peer, at, n * size_of(type), stream, true});
    return ncclGroupEnd() ?: status;
}
NCCL(Recv, char *at, size_t n, int type, int peer, Comm *comm, void *stream) {
    ncclGroupStart();
    int status = add({comm, peer, at, n * size_of(type), stream, false});
    return ncclGroupEnd() ?: status;
}
NCCL(AllGather, char *from, char *to, size_t n, int type, Comm *comm, void *stream) {
    ncclGroupStart();
    for (int peer = 0; peer < comm->size; ++peer) {
        size_t bytes = n * size_of(type);
        add({comm, peer, from, bytes, stream, true});
        add({comm, peer, to + peer * bytes, bytes, stream, false});
    }
    return ncclGroupEnd();
}
