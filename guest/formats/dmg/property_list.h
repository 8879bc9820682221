// The block tables in the property list of a disk image.
#ifndef HOTCELL_GUEST_FORMATS_DMG_PROPERTY_LIST_H_
#define HOTCELL_GUEST_FORMATS_DMG_PROPERTY_LIST_H_

#include <cstddef>
#include <span>
#include <string>

#include "guest/formats/dmg/chunk_table.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::dmg {

// Finds the <data> elements of the array that belongs to the key "blkx" and decodes them into
// resources of a ChunkTable. It sees the document in pieces of any size and is no XML parser: it
// knows tags by their names, without attributes, and passes over all others, as Apple's tools write
// neither comments nor CDATA sections there.
class PropertyListScanner {
 public:
  enum class Scope : uint8_t {
    kBlkx,   // what is documented to be a block table
    kEvery,  // every <data> element, in which QEMU looks for one
  };
  explicit PropertyListScanner(ChunkTable& table, Scope scope = Scope::kBlkx)
      : table_(table), scope_(scope) {}

  Status Feed(std::span<const std::byte> bytes);
  // Errors if the document ends within a table.
  Status Finish();

  // Whether there was something that means nothing here and much to an XML parser, or the reverse:
  // comments, CDATA sections, entities, attributes of the tags that matter.
  bool has_odd_markup() const { return has_odd_markup_; }

 private:
  enum class State : uint8_t { kText, kTag, kData };

  Status EndTag();
  Status TakeBase64(char symbol);

  // Longer tags and keys than matter are cut.
  static constexpr size_t kMaxName = 16;

  ChunkTable& table_;
  const Scope scope_;
  bool has_odd_markup_ = false;
  State state_ = State::kText;
  std::string tag_;      // under way
  std::string key_;      // the last one
  bool in_key_ = false;  // its text is under way
  uint32_t arrays_ = 0;  // that are open, from the one of blkx on
  uint32_t bits_ = 0;    // decoded from base64, the last bit_count_ of which were not fed yet
  uint32_t bit_count_ = 0;
  bool padded_ = false;  // "=" was seen
};

}  // namespace hotcell::guest::dmg

#endif  // HOTCELL_GUEST_FORMATS_DMG_PROPERTY_LIST_H_
