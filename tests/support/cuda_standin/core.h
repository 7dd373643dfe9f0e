// Streams, events and graphs, for core.cpp and driver.cpp.
#pragma once
#include <memory>
#include <mutex>
#include <pthread.h>
#include <set>
#include <vector>

#include "standin.h"

struct Stream;
struct Node {
    Work work;
    std::set<size_t> after;
    int device;
};
using Nodes = std::vector<Node>;
struct Graph {
    std::shared_ptr<Nodes> nodes;
};
struct Capture {
    std::shared_ptr<Nodes> graph;
    Stream *origin;
    std::set<Stream *> streams;
    int mode;
    pthread_t owner;
    long number;
    bool broken = false;
};
struct Stream {
    int device = 0, priority = 0;
    bool non_blocking = false;
    Capture *capture = nullptr;
    std::set<size_t> last;  // the nodes that the next one depends on
};
struct Event {
    int device = 0;
    Capture *capture = nullptr;
    long number = 0;
    std::set<size_t> nodes;
    double time = 0;
};

extern std::recursive_mutex everything;
int available(int device = -1);
void *current_context();
