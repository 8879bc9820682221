#include "tools/hotcell/report/json.h"

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

TEST(JsonTest, PutsValuesOfEachKindIntoArraysAndObjects) {
  Json array = Json::Array();
  array.Append(Json::Bool(true))
      .Append(Json::Number(UINT64_MAX))
      .Append(Json::String("\xff"))
      .Append(Json::Array(1, [](size_t) { return Json::Number(7); }));
  Json json = Json::Object();
  json.Set("a", std::move(array)).Set("b", Json::Bool(false));
  EXPECT_EQ(json.Dump(),
            "{\n    \"a\": [\n        true,\n        18446744073709551615,\n        \"\\ufffd\",\n"
            "        [\n            7\n        ]\n    ],\n    \"b\": false\n}");
}

TEST(JsonTest, MakesAnArrayWhileItPrints) {
  size_t made = 0;
  const auto object_with = [&](std::string_view key, size_t count) {
    Json json = Json::Object();
    json.Set(key, Json::Array(count, [&made](size_t i) {
               ++made;
               Json element = Json::Object();
               element.SetNumber("n", i);
               return element;
             }));
    return json;
  };
  Json outer = object_with("a", 2);
  outer.Set("b", object_with("c", 1)).Set("d", object_with("e", 0));
  EXPECT_EQ(made, 0u);
  const std::string text = outer.Dump();
  EXPECT_EQ(made, 3u);
  EXPECT_EQ(text,
            "{\n    \"a\": [\n        {\n            \"n\": 0\n        },\n        {\n"
            "            \"n\": 1\n        }\n    ],\n    \"b\": {\n        \"c\": [\n"
            "            {\n                \"n\": 0\n            }\n        ]\n    },\n"
            "    \"d\": {\n        \"e\": []\n    }\n}");
}

}  // namespace
}  // namespace hotcell::cli
