// What an image says of itself beyond what every format has, in the order in which `info` prints
// it. A format fills the list in its Describe(), and that is all there is to do: what carries
// details to the broker, makes them printable and prints them is the same for all.
//
//   details.Text("compat", "1.1");
//   details.Number("refcount-bits", 16);
//   details.Dictionary("encrypt", [&] { details.Text("format", "luks"); });
//   details.List("extents", [&] {
//     details.Item([&] { details.Number("virtual-size", 512); });
//   });
#ifndef HOTCELL_GUEST_FORMATS_COMMON_DETAILS_H_
#define HOTCELL_GUEST_FORMATS_COMMON_DETAILS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/detail_key.h"

namespace hotcell::guest {

struct Detail {
  enum class Kind : uint8_t {
    kBoolean,
    kNumber,
    kText,        // words of the format's own
    kName,        // bytes as they stand in the image
    kFile,        // the same, a file's name that is relative to the image's folder
    kOwnFile,     // the name by which the user called the image
    kList,        // the details that follow one level deeper, which have no keys
    kDictionary,  // the details that follow one level deeper
    kBitmaps,     // the description's bitmaps, as a list
  };
  uint32_t depth = 0;
  std::string_view key;  // empty: an item of a list
  Kind kind = Kind::kBoolean;
  uint64_t number = 0;  // kNumber; kBoolean: 0 or 1
  std::string text;     // kText, kName, kFile
};

// A key of a detail, in QEMU's spelling for JSON: "compression-type"; in text it is printed with
// spaces. One that is none does not compile.
class DetailKey {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor)
  consteval DetailKey(const char* text) : text_(text) {
    if (!IsDetailKey(text_)) IsNoKey();
  }
  std::string_view text() const { return text_; }

 private:
  static void IsNoKey();  // nowhere defined, and not constexpr
  std::string_view text_;
};

class DetailList {
 public:
  // Every detail comes before those that it holds.
  const std::vector<Detail>& all() const { return details_; }

  void Bool(DetailKey key, bool value) { Add(key.text(), Detail::Kind::kBoolean, value ? 1 : 0); }
  void Number(DetailKey key, uint64_t value) { Add(key.text(), Detail::Kind::kNumber, value); }
  void Text(DetailKey key, std::string_view value) {
    Add(key.text(), Detail::Kind::kText, 0, value);
  }
  void Name(DetailKey key, std::string_view value) {
    Add(key.text(), Detail::Kind::kName, 0, value);
  }
  void File(DetailKey key, std::string_view value) {
    Add(key.text(), Detail::Kind::kFile, 0, value);
  }
  void OwnFile(DetailKey key) { Add(key.text(), Detail::Kind::kOwnFile); }
  // Once, in the place where the format has its bitmaps.
  void Bitmaps(DetailKey key) { Add(key.text(), Detail::Kind::kBitmaps); }

  // `fill` adds what is in it.
  template <typename Fill>
  void List(DetailKey key, Fill fill) {
    AddContainer(key.text(), Detail::Kind::kList, fill);
  }
  template <typename Fill>
  void Dictionary(DetailKey key, Fill fill) {
    AddContainer(key.text(), Detail::Kind::kDictionary, fill);
  }
  // Of a list: a dictionary, a text.
  template <typename Fill>
  void Item(Fill fill) {
    AddContainer({}, Detail::Kind::kDictionary, fill);
  }
  void TextItem(std::string_view value) { Add({}, Detail::Kind::kText, 0, value); }

 private:
  void Add(std::string_view key, Detail::Kind kind, uint64_t number = 0,
           std::string_view text = {}) {
    details_.push_back(
        {.depth = depth_, .key = key, .kind = kind, .number = number, .text = std::string(text)});
  }
  template <typename Fill>
  void AddContainer(std::string_view key, Detail::Kind kind, Fill& fill) {
    Add(key, kind);
    ++depth_;
    fill();
    --depth_;
  }

  std::vector<Detail> details_;
  uint32_t depth_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_DETAILS_H_
