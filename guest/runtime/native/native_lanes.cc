#include "guest/runtime/native/native_lanes.h"

#include <thread>

namespace hotcell::guest {

NativeLanes::NativeLanes(NativeFiles& files, uint32_t count, size_t buffer_count,
                         size_t buffer_size) {
  for (uint32_t i = 0; i < count; ++i) {
    channels_.push_back(std::make_unique<NativeChannel>(files, buffer_count, buffer_size));
  }
}

void NativeLanes::RunOnAll(Body& body) {
  std::vector<std::thread> others;
  for (uint32_t lane = 1; lane < count(); ++lane) {
    others.emplace_back([this, &body, lane] { body.Run(lane, *channels_[lane]); });
  }
  body.Run(0, *channels_[0]);
  for (std::thread& other : others) other.join();
}

}  // namespace hotcell::guest
