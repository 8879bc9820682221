#include "tools/hotcell/json.h"

#include <utility>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

TEST(JsonTest, KeepsTheOrderOfKeys) {
  Json inner = Json::Array();
  inner.AppendString("x").Append(Json::Object());
  Json json = Json::Object();
  json.SetString("z", "1").SetNumber("a", UINT64_MAX).SetBool("m", true).Set("b", std::move(inner));
  EXPECT_EQ(json.Dump(),
            "{\n    \"z\": \"1\",\n    \"a\": 18446744073709551615,\n    \"m\": true,\n"
            "    \"b\": [\n        \"x\",\n        {}\n    ]\n}");
}

TEST(JsonTest, PrintsAsciiWhateverTheBytes) {
  Json json = Json::Object();
  json.SetString("name", "a\xff\x1b\"\u00e9");
  EXPECT_EQ(json.Dump(), "{\n    \"name\": \"a\\ufffd\\u001b\\\"\\u00e9\"\n}");
}

}  // namespace
}  // namespace hotcell::cli
