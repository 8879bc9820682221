// How the library starts its threads, in applications whose stack limit may be small.
#ifndef HOTCELL_BROKER_HOST_THREAD_ATTRIBUTES_H_
#define HOTCELL_BROKER_HOST_THREAD_ATTRIBUTES_H_

#include <pthread.h>

#include <cstddef>

namespace hotcell::broker {

// Attributes for pthread_create(): a stack of the usual size, and of the one that our threads need
// where the usual one, which follows an inherited RLIMIT_STACK, is smaller.
class ThreadAttributes {
 public:
  ThreadAttributes() {
    constexpr size_t kNeeded = 1 << 20;
    pthread_attr_init(&attributes_);
    size_t size = 0;
    if (pthread_attr_getstacksize(&attributes_, &size) != 0 || size < kNeeded) {
      pthread_attr_setstacksize(&attributes_, kNeeded);
    }
  }
  ~ThreadAttributes() { pthread_attr_destroy(&attributes_); }
  ThreadAttributes(const ThreadAttributes&) = delete;
  ThreadAttributes& operator=(const ThreadAttributes&) = delete;

  const pthread_attr_t* get() const { return &attributes_; }

 private:
  pthread_attr_t attributes_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_THREAD_ATTRIBUTES_H_
