#include "guest/formats/vmdk/descriptor_survey.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"

namespace hotcell::guest::vmdk {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";
constexpr std::string_view kDigits = "0123456789";
constexpr size_t kMaxQuoted = 100;  // bytes of the image in a message

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsLetter(char c) { return ToLower(c) >= 'a' && ToLower(c) <= 'z'; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), ToLower);
  return lower;
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

size_t SkipAny(std::string_view text, size_t from, std::string_view what) {
  return std::min(text.find_first_not_of(what, from), text.size());
}

bool IsAccess(std::string_view word) {
  return word == "RW" || word == "RDONLY" || word == "NOACCESS";
}

// ---- Mentions of keys where no line of theirs is ------------------------------------------------

// All of these take text in lower case.

bool MentionsHint(std::string_view text) {
  return text.find("parentfilenamehint") != std::string_view::npos;
}

bool MentionsType(std::string_view text) {
  return text.find("createtype") != std::string_view::npos;
}

bool MentionsParentCid(std::string_view text) {
  return text.find("parentcid") != std::string_view::npos;
}

// Whether `text` has "cid" before an equals sign or, with `words`, as a word of its own: names of
// files may well have the three letters.
bool MentionsCid(std::string_view text, bool words) {
  constexpr std::string_view kCid = "cid";
  for (size_t at = text.find(kCid); at != std::string_view::npos; at = text.find(kCid, at + 1)) {
    const size_t end = at + kCid.size();
    const size_t next = SkipAny(text, end, kWhiteSpace);
    if (next < text.size() && text[next] == '=') return true;
    const bool bounded =
        (at == 0 || !IsLetter(text[at - 1])) && (end == text.size() || !IsLetter(text[end]));
    if (words && bounded) return true;
  }
  return false;
}

// An access word, a number and the begin of another word.
bool MentionsExtent(std::string_view text) {
  for (const std::string_view access : {"rw", "rdonly", "noaccess"}) {
    for (size_t at = text.find(access); at != std::string_view::npos;
         at = text.find(access, at + 1)) {
      if (at != 0 && IsLetter(text[at - 1])) continue;
      const size_t end = at + access.size();
      size_t number = SkipAny(text, end, kWhiteSpace);
      if (number == end) continue;
      if (number < text.size() && (text[number] == '+' || text[number] == '-')) ++number;
      const size_t number_end = SkipAny(text, number, kDigits);
      const size_t type = SkipAny(text, number_end, kWhiteSpace);
      if (number_end != number && type < text.size() && IsLetter(text[type])) return true;
    }
  }
  return false;
}

std::string Excerpt(std::string_view text) {
  return text.size() <= kMaxQuoted ? std::string(text)
                                   : std::string(text.substr(0, kMaxQuoted)) + "...";
}

// Concerns about what `text` (a part of `line`) mentions. `words`: it is not within quotes.
void CheckMentions(std::string_view text, bool words, std::string_view line, Survey& survey) {
  const std::string lower = Lower(text);
  const auto add = [&](ConcernKind kind, std::string_view key) {
    survey.Add(kind, StrCat("vmdk: the descriptor has ", key, " where only some programs see it: '",
                            Excerpt(line), "'"));
  };
  if (MentionsHint(lower)) add(ConcernKind::kHiddenReference, "parentFileNameHint");
  if (MentionsExtent(lower)) add(ConcernKind::kHiddenReference, "an extent");
  if (MentionsParentCid(lower)) {
    add(ConcernKind::kHiddenReference, "parentCID");
  } else if (MentionsCid(lower, words)) {
    add(ConcernKind::kReadersDiffer, "CID");
  }
  if (MentionsType(lower)) add(ConcernKind::kReadersDiffer, "createType");
}

// ---- Lines --------------------------------------------------------------------------------------

// `text` without its quotes, if it has any; nothing when it is not one word or one quoted text.
std::optional<std::string_view> Unquote(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
    if (text.find('"') != std::string_view::npos) return std::nullopt;
    return text;
  }
  if (text.find_first_of("\" \t") != std::string_view::npos) return std::nullopt;
  return text;
}

// Keys that stand once, as they are spelt here, right before the equals sign.
constexpr std::array<std::string_view, 7> kKeys = {
    "version",         "encoding", "CID", "parentCID", "createType", "parentFileNameHint",
    "isNativeSnapshot"};

class TextSurvey {
 public:
  TextSurvey(DescriptorPlace place, Survey& survey) : place_(place), survey_(survey) {}

  void Run(std::string_view text) {
    CheckCharacters(text);
    CheckFirstCid(text);
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      CheckLine(Trim(line));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

 private:
  // What separates words for one program and belongs to them, or ends a line, for another.
  void CheckCharacters(std::string_view text) {
    bool quoted = false;
    for (size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<uint8_t>(text[i]);
      if (c == '"') quoted = !quoted;
      if (c == '\n') quoted = false;
      const bool line_end = c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
      if (line_end || c == '\t' || (c >= ' ' && c < 0x7f) || (c > 0x7f && quoted)) continue;
      survey_.Add(ConcernKind::kNotUnderstood,
                  StrCat("vmdk: the descriptor has the character ", Hex(c), " at ", i));
      return;
    }
  }

  // QEMU takes what follows the first "CID", be it a part of another word.
  void CheckFirstCid(std::string_view text) {
    const size_t first = text.find("CID");
    if (first == std::string_view::npos) return;
    const size_t line = text.rfind('\n', first) + 1;  // npos + 1 is the first line's begin
    if (!Trim(text.substr(line, first - line)).empty()) {
      survey_.Add(ConcernKind::kReadersDiffer,
                  "vmdk: 'CID' stands in the descriptor before the line that gives it");
    }
  }

  void CheckLine(std::string_view line) {
    if (line.empty()) return;
    if (line[0] == '#') return CheckMentions(line, /*words=*/true, line, survey_);
    const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
    if (IsAccess(word)) return CheckExtent(line, word);
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return NotUnderstood(line);
    CheckSetting(line, line.substr(0, equals), Trim(line.substr(equals + 1)));
  }

  void NotUnderstood(std::string_view line) {
    CheckMentions(line, /*words=*/true, line, survey_);
    survey_.Add(ConcernKind::kNotUnderstood,
                StrCat("vmdk: the descriptor's line '", Excerpt(line), "' is not understood"));
  }

  // What numbers and types say is compared with the header elsewhere.
  void CheckExtent(std::string_view line, std::string_view word) {
    const std::string_view rest = line.substr(word.size());
    const size_t open = rest.find('"');
    const size_t close = rest.rfind('"');
    const bool quoted = open != std::string_view::npos && close != open;
    // After the sectors comes the type, which a mention of an extent has as well.
    const std::string_view name = quoted ? rest.substr(open + 1, close - open - 1) : "";
    CheckMentions(name, /*words=*/false, line, survey_);
    if (!quoted) {
      if (place_ == DescriptorPlace::kEmbedded) NotUnderstoodExtent(line);
      return;
    }
    CheckMentions(rest.substr(0, open), /*words=*/true, line, survey_);
    CheckMentions(rest.substr(close + 1), /*words=*/true, line, survey_);
    if (name.find('"') != std::string_view::npos) return NotUnderstoodExtent(line);
    if (place_ != DescriptorPlace::kEmbedded) return;
    if (!Trim(rest.substr(close + 1)).empty()) NotUnderstoodExtent(line);
    if (name.find_first_of("/\\:") != std::string_view::npos) {
      survey_.Add(ConcernKind::kHiddenReference,
                  StrCat("vmdk: the embedded descriptor's extent '", Excerpt(name), "' is a path"));
    }
  }

  void NotUnderstoodExtent(std::string_view line) {
    survey_.Add(ConcernKind::kNotUnderstood, StrCat("vmdk: the descriptor's extent line '",
                                                    Excerpt(line), "' is not understood"));
  }

  void CheckSetting(std::string_view line, std::string_view key_text, std::string_view value_text) {
    const std::string key = Lower(Trim(key_text));
    const std::optional<std::string_view> value = Unquote(value_text);
    if (!value) return NotUnderstood(line);
    if (key.starts_with("ddb.")) return CheckDatabase(line, key, *value);
    if (key == "changetrackpath") {
      survey_.Add(ConcernKind::kHiddenReference,
                  StrCat("vmdk: the descriptor names the file of a change tracker, '",
                         Excerpt(*value), "'"));
      return CheckMentions(value_text, /*words=*/false, line, survey_);
    }
    const auto* const known =
        std::find_if(kKeys.begin(), kKeys.end(), [&](auto name) { return Lower(name) == key; });
    if (known == kKeys.end()) return NotUnderstood(line);
    CheckMentions(value_text, /*words=*/false, line, survey_);
    CheckKnown(line, key_text, *known, value_text, *value);
  }

  void CheckKnown(std::string_view line, std::string_view key_text, std::string_view key,
                  std::string_view value_text, std::string_view value) {
    const bool number = key == "version" || key == "CID" || key == "parentCID";
    const bool spelt = key_text == key && number == (value_text == value) &&
                       line.substr(key.size() + 1) == value_text;
    if (!spelt) {
      survey_.Add(ConcernKind::kReadersDiffer,
                  StrCat("vmdk: not all programs see the ", key, " of the descriptor's line '",
                         Excerpt(line), "'"));
    }
    if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) {
      survey_.Add(ConcernKind::kReadersDiffer,
                  StrCat("vmdk: the descriptor gives ", key, " twice"));
    } else {
      seen_.push_back(key);
    }
    if (key == "version" && (value.size() != 1 || value[0] < '1' || value[0] > '4')) {
      survey_.Add(ConcernKind::kNotUnderstood,
                  StrCat("vmdk: the descriptor is of version '", Excerpt(value), "'"));
    }
    if (key == "isNativeSnapshot" && Lower(value) != "no") {
      survey_.Add(ConcernKind::kHiddenReference,
                  "vmdk: the descriptor says that the disk is a storage system's snapshot");
    }
  }

  // The disk data base says how a virtual machine sees the disk; but some of its entries are names.
  void CheckDatabase(std::string_view line, std::string_view key, std::string_view value) {
    CheckMentions(line, /*words=*/false, line, survey_);
    const bool names = key.find("parent") != std::string_view::npos ||
                       key.find("sidecar") != std::string_view::npos;
    // VirtualBox gives a disk without a parent the UUID of zeroes.
    if (names && value.find_first_not_of("0-") != std::string_view::npos) {
      survey_.Add(
          ConcernKind::kHiddenReference,
          StrCat("vmdk: the descriptor names what the disk needs in '", Excerpt(line), "'"));
    }
  }

  const DescriptorPlace place_;
  Survey& survey_;
  std::vector<std::string_view> seen_;  // of kKeys
};

}  // namespace

void SurveyDescriptor(std::string_view text, DescriptorPlace place, Survey& survey) {
  TextSurvey(place, survey).Run(text.substr(0, text.find('\0')));
}

void SurveyNeighbours(std::string_view bytes, std::string_view where, Survey& survey) {
  const std::string lower = Lower(bytes);
  const auto add = [&](ConcernKind kind, std::string_view key) {
    survey.Add(kind, StrCat("vmdk: ", where, " has ", key,
                            ", which some programs take for the descriptor's"));
  };
  if (MentionsHint(lower)) add(ConcernKind::kHiddenReference, "parentFileNameHint");
  if (MentionsExtent(lower)) add(ConcernKind::kHiddenReference, "an extent");
  if (MentionsParentCid(lower)) add(ConcernKind::kHiddenReference, "parentCID");
  // The letters alone may stand in any data.
  if (MentionsCid(lower, /*words=*/false)) add(ConcernKind::kReadersDiffer, "CID");
  if (MentionsType(lower)) add(ConcernKind::kReadersDiffer, "createType");
  if (lower.find("# disk descriptor") != std::string_view::npos) {
    add(ConcernKind::kReadersDiffer, "the first line of a descriptor");
  }
}

bool LooksLikeDescriptor(std::string_view head) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  constexpr std::string_view kVersion = "version";
  if (head.starts_with(kByteOrderMark)) head.remove_prefix(kByteOrderMark.size());
  while (true) {
    head.remove_prefix(SkipAny(head, 0, kWhiteSpace));
    const std::string_view line = head.substr(0, head.find_first_of("\r\n"));
    std::string lower = Lower(line);
    if (!line.starts_with('#')) {
      if (!lower.starts_with(kVersion)) return false;
      const size_t next = SkipAny(lower, kVersion.size(), kWhiteSpace);
      return next < lower.size() && lower[next] == '=';
    }
    std::erase_if(lower, [](char c) { return kWhiteSpace.find(c) != std::string_view::npos; });
    if (lower.starts_with("#diskdescriptor")) return true;
    head.remove_prefix(line.size());
  }
}

}  // namespace hotcell::guest::vmdk
