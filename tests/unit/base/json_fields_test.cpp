#include "base/json_fields.hpp"
#include "base/json.hpp"

#include "expect_error.hpp"
#include "scratch.hpp"

namespace ddls::json_fields_test {
namespace {

const Json object = Json::parse(R"({"whole": 3, "part": 0.5, "text": "a", "yes": true, "none": null})");

TEST(JsonFields, ReadsTheTypeThatIsAskedFor) {
  EXPECT_EQ(json_field<int64_t>(object, "whole", "f"), 3);
  EXPECT_EQ(json_field<double>(object, "whole", "f"), 3.0);
  EXPECT_EQ(json_field<double>(object, "part", "f"), 0.5);
  EXPECT_EQ(json_field<std::string>(object, "text", "f"), "a");
  EXPECT_EQ(json_field<bool>(object, "yes", "f"), true);
  EXPECT_TRUE(json_field<Json>(object, "none", "f").is_null());
  EXPECT_EQ(json_field_or(object, "whole", int64_t{7}, "f"), 3);
  EXPECT_EQ(json_field_or(object, "absent", int64_t{7}, "f"), 7);
}

TEST(JsonFields, NamesFileAndKeyOtherwise) {
  EXPECT_ERROR(json_field<int64_t>(object, "part", "f"), Exit::data, "'f' is damaged: 'part' is 0.5");
  EXPECT_ERROR(json_field<int64_t>(object, "yes", "f"), Exit::data, "'f' is damaged: 'yes' is true");
  EXPECT_ERROR(json_field<double>(object, "text", "f"), Exit::data, "'f' is damaged: 'text' is \"a\"");
  EXPECT_ERROR(json_field<std::string>(object, "none", "f"), Exit::data, "'f' is damaged: 'none' is null");
  EXPECT_ERROR(json_field<bool>(object, "absent", "f"), Exit::data, "'f' is damaged: it has no 'absent'");
  EXPECT_ERROR(json_field<bool>(Json(5), "a", "f"), Exit::data, "'f' is damaged: it has no 'a'");
  EXPECT_ERROR(json_field_or(object, "text", 1.0, "f"), Exit::data, "'f' is damaged: 'text' is \"a\"");
  EXPECT_ERROR(json_field_or(Json(5), "a", 1.0, "f"), Exit::data, "'f' is damaged: it has no 'a'");
}

TEST(JsonFields, AFileHoldsOneObject) {
  const test::Scratch scratch;
  write_file(scratch / "good", "{\"a\": 1}\n");
  EXPECT_EQ(read_json_object(scratch / "good")["a"], 1);
  write_file(scratch / "list", "[1]");
  EXPECT_ERROR(read_json_object(scratch / "list"), Exit::data,
               fmt::format("'{}' does not hold a JSON object", (scratch / "list").string()));
  for (const char* text : {"", "{\"a\": 1", "{} {}", "\xff"}) {
    write_file(scratch / "bad", text);
    try {
      read_json_object(scratch / "bad");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::data);
      EXPECT_NE(std::string(error.what()).find("bad' is damaged"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace ddls::json_fields_test
