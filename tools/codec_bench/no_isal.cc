#include "tools/codec_bench/codec.h"

namespace hotcell::codec_bench {

std::vector<Codec> IsalCodecs() { return {}; }

}  // namespace hotcell::codec_bench
