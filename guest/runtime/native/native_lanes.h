// Lanes as threads of this process, each with a NativeChannel.
#ifndef HOTCELL_GUEST_RUNTIME_NATIVE_NATIVE_LANES_H_
#define HOTCELL_GUEST_RUNTIME_NATIVE_NATIVE_LANES_H_

#include <atomic>
#include <memory>
#include <vector>

#include "guest/runtime/common/lanes.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {

class NativeLanes : public Lanes {
 public:
  // `files` outlives the lanes. count is at least 1.
  NativeLanes(NativeFiles& files, uint32_t count,
              size_t buffer_count = NativeChannel::kDefaultBufferCount,
              size_t buffer_size = NativeChannel::kDefaultBufferSize);

  uint64_t total() const { return total_; }  // bytes of virtual disk
  uint64_t done() const { return done_; }

  uint32_t count() const override { return static_cast<uint32_t>(channels_.size()); }
  NativeChannel& main_channel() override { return *channels_[0]; }
  void RunOnAll(Body& body) override;
  void SetTotal(uint64_t bytes) override { total_ = bytes; }
  void AddDone(uint64_t bytes) override { done_ += bytes; }

 private:
  std::vector<std::unique_ptr<NativeChannel>> channels_;
  std::atomic<uint64_t> total_ = 0;
  std::atomic<uint64_t> done_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_NATIVE_NATIVE_LANES_H_
