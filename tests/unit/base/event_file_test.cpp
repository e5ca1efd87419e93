#include "base/event_file.hpp"

#include <bit>
#include <map>

#include "unit/base/expect_error.hpp"
#include "unit/base/scratch.hpp"

namespace ddls::event_file_test {
namespace {

using test::Scratch;

uint64_t unsigned_at(std::string_view bytes, size_t at, int size) {
  uint64_t value = 0;
  for (int i = size - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return value;
}

uint64_t unmasked(uint64_t masked) {
  const auto rotated = static_cast<uint32_t>(masked) - 0xA282EAD8u;
  return std::rotl(rotated, 15);
}

// CRC32C bit by bit, as its definition says, beside the table of the code under test.
uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
  }
  return ~crc;
}

// The messages of a file; checks lengths and checksums on the way.
std::vector<std::string> records_of(const fs::path& path) {
  const std::string bytes = read_file(path);
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    const uint64_t length = unsigned_at(bytes, at, 8);
    EXPECT_EQ(unmasked(unsigned_at(bytes, at + 8, 4)), slow_crc32c(std::string_view(bytes).substr(at, 8)));
    records.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(records.back().size(), length);
    EXPECT_EQ(unmasked(unsigned_at(bytes, at + 12 + length, 4)), slow_crc32c(records.back()));
    at += length + 16;
  }
  return records;
}

// The fields of one protobuf message: numbers as they are, texts and messages as bytes.
struct Message {
  std::map<int, uint64_t> numbers;
  std::map<int, std::string> texts;

  explicit Message(std::string_view bytes) {
    size_t at = 0;
    const auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.at(at++));
        value |= static_cast<uint64_t>(byte & 0x7F) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < bytes.size()) {
      const uint64_t key = varint();
      const int field = static_cast<int>(key >> 3);
      switch (key & 7) {
        case 0:
          numbers[field] = varint();
          break;
        case 1:
          numbers[field] = unsigned_at(bytes, at, 8), at += 8;
          break;
        case 5:
          numbers[field] = unsigned_at(bytes, at, 4), at += 4;
          break;
        case 2: {
          const uint64_t length = varint();
          texts[field] = bytes.substr(at, length);
          at += length;
          break;
        }
        default:
          throw std::runtime_error("unknown wire type");
      }
    }
  }
};

TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283u);
}

TEST(EventFile, StartsWithTheVersion) {
  const Scratch scratch;
  const EventFile file(scratch / "tensorboard", "train");
  EXPECT_EQ(file.path().parent_path(), scratch / "tensorboard");
  EXPECT_TRUE(file.path().filename().string().starts_with("events.out.tfevents."));
  EXPECT_TRUE(file.path().filename().string().ends_with(".train"));
  const auto records = records_of(file.path());
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(Message(records[0]).texts.at(3), "brain.Event:2");
}

TEST(EventFile, ScalarsReadBack) {
  const Scratch scratch;
  EventFile file(scratch.path(), "x");
  file.scalar("loss/generator", 0.75, 300, 1234.5);
  file.scalar("loss/generator", -2, int64_t{1} << 40, 1235.5);
  EXPECT_EQ(records_of(file.path()).size(), 1u);  // collected until the flush
  file.flush();
  const auto records = records_of(file.path());
  ASSERT_EQ(records.size(), 3u);
  const Message event(records[1]);
  EXPECT_EQ(std::bit_cast<double>(event.numbers.at(1)), 1234.5);
  EXPECT_EQ(event.numbers.at(2), 300u);
  const Message value(Message(event.texts.at(5)).texts.at(1));
  EXPECT_EQ(value.texts.at(1), "loss/generator");
  EXPECT_EQ(std::bit_cast<float>(static_cast<uint32_t>(value.numbers.at(2))), 0.75f);
  EXPECT_EQ(Message(records[2]).numbers.at(2), uint64_t{1} << 40);
}

TEST(EventFile, ImagesReadBack) {
  const Scratch scratch;
  const std::string png = "\x89PNG" + std::string(1000, '\0');
  EventFile file(scratch.path(), "x");
  file.image("samples", png, 28, 300, 3, 7, 1.0);
  file.flush();
  const Message value(Message(Message(records_of(file.path()).at(1)).texts.at(5)).texts.at(1));
  EXPECT_EQ(value.texts.at(1), "samples");
  const Message image(value.texts.at(4));
  EXPECT_EQ(image.numbers.at(1), 28u);
  EXPECT_EQ(image.numbers.at(2), 300u);
  EXPECT_EQ(image.numbers.at(3), 3u);
  EXPECT_EQ(image.texts.at(4), png);
}

TEST(EventFile, ARestartIsASessionLog) {
  const Scratch scratch;
  EventFile file(scratch.path(), "x");
  file.restarted_at(500, 1.0);
  file.flush();
  const Message event(records_of(file.path()).at(1));
  EXPECT_EQ(event.numbers.at(2), 500u);
  EXPECT_EQ(Message(event.texts.at(7)).numbers.at(1), 1u);  // START
}

TEST(EventFile, TwoFilesOfOneSecondDiffer) {
  const Scratch scratch;
  const EventFile one(scratch.path(), "x"), two(scratch.path(), "x");
  EXPECT_NE(one.path(), two.path());
}

TEST(EventFile, ClosingFlushes) {
  const Scratch scratch;
  fs::path path;
  {
    EventFile file(scratch.path(), "x");
    path = file.path();
    file.scalar("a", 1, 1);
  }
  EXPECT_EQ(records_of(path).size(), 2u);
}

TEST(EventFile, AFileInPlaceOfTheFolderIsAnError) {
  const Scratch scratch;
  write_file(scratch / "file", "x");
  EXPECT_ERROR(EventFile(scratch / "file", "x"), Exit::runtime,
               "cannot make folder " + (scratch / "file").string() + ": Not a directory");
}

}  // namespace
}  // namespace ddls::event_file_test
