// The layers of a worker's confinement, for messages and options.
#ifndef HOTCELL_LAYERS_H_
#define HOTCELL_LAYERS_H_

#include <string>
#include <string_view>

#include "protos/control.pb.h"

namespace hotcell {

// "no-new-privs"; "layer-99" for a number that is none.
std::string LayerName(v1::Layer layer);

// What a host that lacks the layer would have to have.
std::string_view LayerRemedy(v1::Layer layer);

}  // namespace hotcell

#endif  // HOTCELL_LAYERS_H_
