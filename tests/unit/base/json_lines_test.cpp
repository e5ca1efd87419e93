#include "base/json_lines.hpp"

#include <cmath>
#include <fstream>

#include "base/json.hpp"
#include "unit/base/expect_error.hpp"
#include "unit/base/file_size_limit.hpp"
#include "unit/base/scratch.hpp"

namespace ddls::json_lines_test {
namespace {

using test::Scratch;

void write_raw(const fs::path& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

TEST(JsonLines, KeepsTheOrderOfKeysAndIsWrittenAtOnce) {
  const Scratch scratch;
  JsonLines lines(scratch / "m.jsonl");
  lines.write(Json{{"phase", "train"}, {"step", 1}, {"a", 0.5}});
  EXPECT_EQ(read_file(scratch / "m.jsonl"), "{\"phase\":\"train\",\"step\":1,\"a\":0.5}\n");
  lines.write(Json{{"step", 2}, {"loss", NAN}});
  EXPECT_EQ(read_file(scratch / "m.jsonl"), "{\"phase\":\"train\",\"step\":1,\"a\":0.5}\n{\"step\":2,\"loss\":null}\n");
}

TEST(JsonLines, SurvivesBytesThatAreNotUtf8) {
  const Scratch scratch;
  JsonLines(scratch / "m.jsonl").write(Json{{"file", "a\xff"}});
  EXPECT_EQ(Json::parse(read_file(scratch / "m.jsonl"))["file"], "a\\xff");
}

TEST(JsonLines, RemovesATornLastLineOnOpening) {
  const Scratch scratch;
  write_raw(scratch / "m.jsonl", "{\"step\":1}\n{\"st");
  JsonLines(scratch / "m.jsonl").write(Json{{"step", 2}});
  EXPECT_EQ(read_file(scratch / "m.jsonl"), "{\"step\":1}\n{\"step\":2}\n");
  write_raw(scratch / "torn.jsonl", "{\"st");
  JsonLines(scratch / "torn.jsonl").write(Json{{"step", 2}});
  EXPECT_EQ(read_file(scratch / "torn.jsonl"), "{\"step\":2}\n");
}

TEST(JsonLines, SaysThatTheDiskIsFull) {
  const Scratch scratch;
  EXPECT_ERROR(JsonLines(scratch / "none/m.jsonl"), Exit::runtime,
               "cannot write " + (scratch / "none/m.jsonl").string() + ": No such file or directory");
  JsonLines lines(scratch / "m.jsonl");
  lines.write(Json{{"step", 1}});
  {
    const test::FileSizeLimit limit(20);
    EXPECT_ERROR(lines.write(Json{{"text", std::string(100, 'x')}}), Exit::runtime,
                 "cannot write " + (scratch / "m.jsonl").string() + ": File too large");
  }
  // The half-written record does not spoil what follows.
  JsonLines(scratch / "m.jsonl").write(Json{{"step", 2}});
  EXPECT_EQ(read_file(scratch / "m.jsonl"), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(DropRecordsAfter, DropsLaterStepsOfThisPhaseOnly) {
  const Scratch scratch;
  const fs::path path = scratch / "m.jsonl";
  const std::string kept =
      "{\"phase\":\"train\",\"step\":99}\n"
      "{\"phase\":\"train\",\"step\":100}\n"
      "{\"phase\":\"ratio\",\"step\":300}\n"
      "{\"note\":\"no phase\", \"step\":300}\n"
      "{\"phase\":\"train\"}\n";
  write_raw(path, kept + "{\"phase\":\"train\",\"step\":101}\n{\"phase\":\"train\",\"step\":200}\n");
  EXPECT_EQ(drop_records_after(path, "train", 100), 2);
  EXPECT_EQ(read_file(path), kept);
  EXPECT_EQ(drop_records_after(path, "train", 100), 0);
  EXPECT_EQ(read_file(path), kept);
}

TEST(DropRecordsAfter, RemovesTornAndDamagedLines) {
  const Scratch scratch;
  const fs::path path = scratch / "m.jsonl";
  write_raw(path, "{\"phase\":\"train\",\"step\":1}\nrubbish\n[1]\n{\"phase\":\"train\",\"step\":2}");
  EXPECT_EQ(drop_records_after(path, "train", 100), 3);
  EXPECT_EQ(read_file(path), "{\"phase\":\"train\",\"step\":1}\n");
}

TEST(DropRecordsAfter, NoFileIsNothingToDo) {
  const Scratch scratch;
  EXPECT_EQ(drop_records_after(scratch / "none", "train", 0), 0);
  EXPECT_FALSE(fs::exists(scratch / "none"));
  write_raw(scratch / "empty", "");
  EXPECT_EQ(drop_records_after(scratch / "empty", "train", 0), 0);
}

}  // namespace
}  // namespace ddls::json_lines_test
