#include "base/files.hpp"

#include <sys/stat.h>

#include <fstream>

#include "unit/base/expect_error.hpp"
#include "unit/base/file_size_limit.hpp"
#include "unit/base/scratch.hpp"

namespace ddls::files_test {
namespace {

using test::FileSizeLimit;
using test::Scratch;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

// Permissions mean nothing to root, so a test run by root becomes somebody else for a while.
class NotRoot {
 public:
  NotRoot() : was_(geteuid()) {
    if (was_ == 0 && seteuid(65534) != 0) throw std::runtime_error("cannot become another user");
  }
  ~NotRoot() {
    if (was_ == 0 && seteuid(0) != 0) std::abort();
  }

 private:
  uid_t was_;
};

TEST(Files, WritesAndReadsBack) {
  const Scratch scratch;
  const std::string bytes("a\0b\nc", 5);
  write_file(scratch / "x", bytes);
  EXPECT_EQ(read_file(scratch / "x"), bytes);
  write_file(scratch / "x", "shorter");
  EXPECT_EQ(read_file(scratch / "x"), "shorter");
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"x"});
}

TEST(Files, ReadsBigFilesWhole) {
  const Scratch scratch;
  std::string bytes(3'000'001, 'x');
  for (size_t i = 0; i < bytes.size(); i += 7) bytes[i] = static_cast<char>(i);
  write_file(scratch / "x", bytes);
  EXPECT_EQ(read_file(scratch / "x"), bytes);
  EXPECT_EQ(sha256_of_file(scratch / "x"), sha256(bytes));
}

TEST(Files, WriteReplacesALeftoverOfAKilledRun) {
  const Scratch scratch;
  std::ofstream(scratch / "x.partial") << "a longer leftover";
  write_file(scratch / "x", "new");
  EXPECT_EQ(read_file(scratch / "x"), "new");
  EXPECT_FALSE(fs::exists(scratch / "x.partial"));
}

TEST(Files, AbsentFileIsMissing) {
  const Scratch scratch;
  const std::string path = scratch / "none";
  EXPECT_ERROR(read_file(path), Exit::missing, "cannot read " + path + ": No such file or directory");
  EXPECT_ERROR(sha256_of_file(path), Exit::missing, "cannot read " + path + ": No such file or directory");
  EXPECT_ERROR(read_file(scratch.path()), Exit::missing, "cannot read " + scratch.path().string() + ": Is a directory");
}

TEST(Files, UnreadableFileIsMissing) {
  const Scratch scratch;
  const std::string path = scratch / "secret";
  write_file(path, "x");
  chmod(scratch.path().c_str(), 0755);
  chmod(path.c_str(), 0000);
  const NotRoot user;
  if (geteuid() == 0) GTEST_SKIP();
  EXPECT_ERROR(read_file(path), Exit::missing, "cannot read " + path + ": Permission denied");
}

TEST(Files, NoFolderToWriteTo) {
  const Scratch scratch;
  const std::string path = scratch / "none/x";
  EXPECT_ERROR(write_file(path, "x"), Exit::runtime, "cannot write " + path + ".partial: No such file or directory");
  EXPECT_ERROR(sync_folder(scratch / "none"), Exit::runtime,
               "cannot open " + (scratch / "none").string() + ": No such file or directory");
}

TEST(Files, ReadOnlyFolder) {
  const Scratch scratch;
  chmod(scratch.path().c_str(), 0555);
  {
    const NotRoot user;
    EXPECT_ERROR(write_file(scratch / "x", "x"), Exit::runtime,
                 "cannot write " + (scratch / "x").string() + ".partial: Permission denied");
    EXPECT_ERROR(make_folder(scratch / "a/b"), Exit::runtime,
                 "cannot make folder " + (scratch / "a/b").string() + ": Permission denied");
  }
  chmod(scratch.path().c_str(), 0755);
  EXPECT_TRUE(names_in(scratch.path()).empty());
}

TEST(Files, FullDiskLeavesTheOldFileAndNoPartialOne) {
  const Scratch scratch;
  write_file(scratch / "x", "old");
  {
    const FileSizeLimit limit(4096);
    EXPECT_ERROR(write_file(scratch / "x", std::string(10'000, 'n')), Exit::runtime,
                 "cannot write " + (scratch / "x").string() + ".partial: File too large");
  }
  EXPECT_EQ(read_file(scratch / "x"), "old");
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"x"});
}

TEST(Files, TheSystemsReasonIsGiven) {
  AppendFile full("/dev/full");
  EXPECT_ERROR(full.append("x"), Exit::runtime, "cannot write /dev/full: No space left on device");
}

TEST(Files, AFailingProducerLeavesNothing) {
  const Scratch scratch;
  EXPECT_ERROR(write_file_by(scratch / "x",
                             [](const fs::path& partial) {
                               std::ofstream(partial) << "half";
                               fail(Exit::data, "no more");
                             }),
               Exit::data, "no more");
  EXPECT_TRUE(names_in(scratch.path()).empty());
}

TEST(Files, AProducerThatWritesNothingIsAnError) {
  const Scratch scratch;
  EXPECT_ERROR(write_file_by(scratch / "x", [](const fs::path&) {}), Exit::runtime,
               "cannot open " + (scratch / "x").string() + ".partial: No such file or directory");
}

TEST(Files, CannotReplaceAFolder) {
  const Scratch scratch;
  make_folder(scratch / "x/inner");
  const std::string path = scratch / "x";
  EXPECT_ERROR(write_file(path, "x"), Exit::runtime,
               "cannot rename " + path + ".partial to " + path + ": Is a directory");
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"x"});
}

TEST(Files, MakesFoldersWithParentsAndTwice) {
  const Scratch scratch;
  make_folder(scratch / "a/b/c");
  make_folder(scratch / "a/b/c");
  EXPECT_TRUE(fs::is_directory(scratch / "a/b/c"));
  sync_folder(scratch / "a/b/c");
  write_file(scratch / "file", "x");
  EXPECT_ERROR(make_folder(scratch / "file"), Exit::runtime,
               "cannot make folder " + (scratch / "file").string() + ": Not a directory");
}

TEST(Files, AppendsTruncatesAndRefusesToOverwrite) {
  const Scratch scratch;
  const std::string path = scratch / "log";
  {
    AppendFile file(path);
    file.append("one ");
  }
  {
    AppendFile file(path);
    file.append("two ");
    file.truncate(4);
    file.append("three");
    file.close();
    EXPECT_ERROR(file.append("x"), Exit::internal, path + " is closed");
  }
  EXPECT_EQ(read_file(path), "one three");
  EXPECT_ERROR(AppendFile(path, AppendFile::Open::must_be_new), Exit::runtime,
               "cannot write " + path + ": File exists");
}

TEST(Hashes, KnownAnswers) {
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex64(hash64(std::string_view(""))), "2d06800538d394c2");  // XXH3 of nothing
  EXPECT_NE(hash64(std::string_view("abc")), hash64(std::string_view("abd")));
  EXPECT_NE(hash64(std::string_view("abc"), 1), hash64(std::string_view("abc"), 2));
  EXPECT_EQ(hex64(0x1f), "000000000000001f");
}

}  // namespace
}  // namespace ddls::files_test
