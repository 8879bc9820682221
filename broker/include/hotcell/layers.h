// The layers of a worker's confinement, for messages and options. `hotcell policy` tells what each
// of them does.
#ifndef HOTCELL_LAYERS_H_
#define HOTCELL_LAYERS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hotcell {

// The layers, with the numbers that the worker has for them (protos/control.proto).
enum class Layer : int32_t {
  kNoNewPrivs = 1,
  kClosedFds = 2,
  kCapabilities = 3,
  kUserNamespace = 4,
  kMountNamespace = 5,
  kPidNamespace = 6,
  kNetNamespace = 7,
  kIpcNamespace = 8,
  kUtsNamespace = 9,
  kCgroupNamespace = 10,
  kRlimits = 11,
  kUndumpable = 12,
  kParentDeathSignal = 13,
  kSeccomp = 14,
  kLandlock = 15,
  kBoundingSet = 16,
  kSecurebits = 17,
  kSpeculation = 18,
  kDenyWriteExecute = 19,
  kSessionKeyring = 20,
  kDontdump = 21,
  kRunRlimits = 22,
  kOomScore = 23,
  kUserIds = 24,
};

enum class LayerState : int32_t {
  kAchieved = 1,
  kUnavailable = 2,  // this kernel or this caller has no such thing
  kFailed = 3,
  kPending = 4,  // set-up will apply it, or end the worker
};

struct LayerResult {
  Layer layer{};
  LayerState state{};
  int32_t error = 0;  // errno of the call that said no; 0: none did
};

// All there are, by number.
std::span<const Layer> KnownLayers();

// "no-new-privs"; "layer-99" for a number that is none.
std::string LayerName(Layer layer);
// The one of that name; nullopt: there is none.
std::optional<Layer> LayerFromName(std::string_view name);

// What a host that lacks the layer would have to have.
std::string_view LayerRemedy(Layer layer);

}  // namespace hotcell

#endif  // HOTCELL_LAYERS_H_
