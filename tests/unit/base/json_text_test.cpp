#include "base/json_text.hpp"
#include "base/json.hpp"

#include <gtest/gtest.h>

namespace ddls::json_text_test {
namespace {

std::string bytes_of(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i)
    if (text.compare(i, 2, "\\x") == 0) {
      bytes += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else {
      bytes += text[i];
    }
  return bytes;
}

TEST(AsUtf8, text_stays_as_it_is) {
  for (const std::string text : {"", "plain", "a\\b \\xff", "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xED\x9F\xBF"}) {
    EXPECT_TRUE(is_utf8(text));
    EXPECT_EQ(as_utf8(text), text);
  }
}

TEST(AsUtf8, every_other_string_of_bytes_can_be_had_back) {
  for (const std::string bytes : {"\xff", "fo\xffo\\bar", "\xC3", "\xC3(", "\xE2\x82", "\xED\xA0\x80", "\xC0\xAF",
                                  "\xF4\x90\x80\x80", "\xE0\x80\xAF", "caf\xe9 \xC3\xA9", "\x80\x81\\x41"}) {
    EXPECT_FALSE(is_utf8(bytes));
    EXPECT_TRUE(is_utf8(as_utf8(bytes))) << as_utf8(bytes);
    EXPECT_EQ(bytes_of(as_utf8(bytes)), bytes);
  }
  EXPECT_EQ(as_utf8("caf\xe9 \xC3\xA9"), "caf\\xe9 \xC3\xA9");
}

TEST(JsonText, strings_and_keys_are_names) {
  const Json value{{"a\xff", {1, "b\xfe", nullptr, {{"c", true}}}}, {"plain", "\xC3\xA9"}};
  const Json read = Json::parse(json_text(value));
  EXPECT_EQ(read, (Json{{"a\\xff", {1, "b\\xfe", nullptr, {{"c", true}}}}, {"plain", "\xC3\xA9"}}));
  EXPECT_EQ(json_text(Json{{"plain", {1, 2.5}}}, 2), Json({{"plain", {1, 2.5}}}).dump(2));
}

}  // namespace
}  // namespace ddls::json_text_test
