// State that a forked child must not share with its parent, for applications that fork while they
// have an engine.
#ifndef HOTCELL_BROKER_HOST_PER_PROCESS_H_
#define HOTCELL_BROKER_HOST_PER_PROCESS_H_

#include <sys/types.h>
#include <unistd.h>

#include <atomic>

namespace hotcell::broker {

// A T of each process that has this object: the one that made it, and its children after fork(). A
// child starts with a new T. The parent's it cannot use, nor destroy: other threads, which the
// child does not have, may have held its locks or been about to change it. Thread-safe as far as T
// is.
template <typename T>
class PerProcess {
 public:
  PerProcess() : node_(new Node) {}
  ~PerProcess() {
    const Node* const node = node_.load();
    if (node->process == getpid()) delete node;
  }
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  T& operator*() {
    Node* node = node_.load(std::memory_order_acquire);
    if (node->process == getpid()) return node->value;
    Node* const own = new Node;
    // Another thread of the child's may have come first.
    if (node_.compare_exchange_strong(node, own)) return own->value;
    delete own;
    return node->value;
  }
  T* operator->() { return &**this; }

 private:
  struct Node {
    const pid_t process = getpid();
    T value{};
  };
  std::atomic<Node*> node_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_PER_PROCESS_H_
