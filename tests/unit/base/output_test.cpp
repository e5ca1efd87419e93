#include "base/output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "unit/base/expect_error.hpp"
#include "unit/base/scratch.hpp"

namespace ddls::output_test {
namespace {

using test::Scratch;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Descriptor 1 is `fd` for a while; closes `fd`.
class StandardOutput {
 public:
  explicit StandardOutput(int fd) : before_(dup(STDOUT_FILENO)) {
    dup2(fd, STDOUT_FILENO);
    close(fd);
  }
  ~StandardOutput() {
    dup2(before_, STDOUT_FILENO);
    close(before_);
  }

 private:
  int before_;
};

// A pipe that nobody reads.
int abandoned_pipe() {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  close(ends[0]);
  return ends[1];
}

TEST(NamedFile, AbsentAndRegularFilesAreReplacedWhole) {
  const Scratch scratch;
  const fs::path path = scratch / "x.json";
  write_named_file(path, "old and long");
  const int old = open(path.c_str(), O_RDONLY);
  write_named_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
  char bytes[20];
  EXPECT_EQ(read(old, bytes, sizeof bytes), 12);  // who reads the old one still does
  close(old);
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"x.json"});
}

TEST(NamedFile, LinksAreFollowedAndStay) {
  const Scratch scratch;
  make_folder(scratch / "here");
  make_folder(scratch / "there");
  write_file(scratch / "there/target", "old");
  fs::create_symlink("../there/again", scratch / "here/link");
  fs::create_symlink("target", scratch / "there/again");
  write_named_file(scratch / "here/link", "new");
  EXPECT_TRUE(fs::is_symlink(scratch / "here/link"));
  EXPECT_TRUE(fs::is_symlink(scratch / "there/again"));
  EXPECT_EQ(read_file(scratch / "there/target"), "new");
  EXPECT_EQ(names_in(scratch / "here"), std::vector<std::string>{"link"});
  EXPECT_EQ(names_in(scratch / "there"), (std::vector<std::string>{"again", "target"}));

  fs::create_symlink(scratch / "there/later", scratch / "here/dangling");
  write_named_file(scratch / "here/dangling", "made");
  EXPECT_TRUE(fs::is_symlink(scratch / "here/dangling"));
  EXPECT_EQ(read_file(scratch / "there/later"), "made");
}

TEST(NamedFile, ALoopOfLinksIsNamed) {
  const Scratch scratch;
  const std::string path = scratch / "a";
  fs::create_symlink("b", scratch / "a");
  fs::create_symlink("a", scratch / "b");
  EXPECT_ERROR(write_named_file(path, "x"), Exit::runtime,
               "cannot write " + path + ": Too many levels of symbolic links");
}

TEST(NamedFile, PlacesThatAreNoFiles) {
  const Scratch scratch;
  const std::string folder = scratch.path();
  EXPECT_ERROR(write_named_file(folder, "x"), Exit::runtime, "cannot write " + folder + ": Is a directory");
  EXPECT_ERROR(write_named_file(folder + "/", "x"), Exit::runtime, "cannot write " + folder + "/: Is a directory");
  EXPECT_ERROR(write_named_file(scratch / "none/x", "x"), Exit::runtime,
               "cannot write " + (scratch / "none/x").string() + ": No such file or directory");
  EXPECT_ERROR(check_named_file(scratch / "none/x"), Exit::runtime,
               "cannot write " + (scratch / "none/x").string() + ": No such file or directory");
  EXPECT_ERROR(check_named_file(folder), Exit::runtime, "cannot write " + folder + ": Is a directory");
  for (const fs::path& good : {scratch / "new", fs::path("new"), fs::path("/dev/stdout")}) check_named_file(good);
  EXPECT_TRUE(names_in(folder).empty());
}

TEST(NamedFile, APipeIsWrittenTo) {
  const Scratch scratch;
  const fs::path path = scratch / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = read_file(path); });
  write_named_file(path, "the result");
  reader.join();
  EXPECT_EQ(got, "the result");
  EXPECT_TRUE(fs::is_fifo(path));
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"pipe"});
}

TEST(NamedFile, DevicesStayDevices) {
  const Scratch scratch;
  const fs::path null = scratch / "null", full = scratch / "full";  // never the system's own
  if (mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0 ||
      mknod(full.c_str(), S_IFCHR | 0666, makedev(1, 7)) != 0 || access(null.c_str(), W_OK) != 0)
    GTEST_SKIP() << "no devices can be made here";
  const int opens = open(null.c_str(), O_WRONLY);
  if (opens < 0) GTEST_SKIP() << "devices cannot be used here";
  close(opens);
  write_named_file(null, "x");
  fs::create_symlink("null", scratch / "link");
  write_named_file(scratch / "link", "x");
  EXPECT_ERROR(write_named_file(full, "x"), Exit::runtime,
               "cannot write " + full.string() + ": No space left on device");
  for (const fs::path& device : {null, full}) EXPECT_TRUE(fs::is_character_file(device));
  EXPECT_EQ(names_in(scratch.path()), (std::vector<std::string>{"full", "link", "null"}));
}

TEST(NamedFile, DescriptorsAreWrittenToWhereTheyStand) {
  const Scratch scratch;
  const fs::path path = scratch / "out";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(write(fd, "before ", 7), 7);
  for (const char* form : {"/proc/self/fd/{}", "/dev/fd/{}"})
    write_named_file(fmt::format(fmt::runtime(form), fd), "named ");
  ASSERT_EQ(write(fd, "after", 5), 5);
  {
    const StandardOutput redirected(fd);
    write_named_file("/dev/stdout", " last");
  }
  EXPECT_EQ(read_file(path), "before named named after last");
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"out"});
  EXPECT_ERROR(write_named_file("/proc/self/fd/999", "x"), Exit::runtime,
               "cannot write /proc/self/fd/999: Bad file descriptor");
}

TEST(NamedFile, AReaderThatHasGoneIsNoError) {
  const int fd = abandoned_pipe();
  write_named_file(fmt::format("/dev/fd/{}", fd), "x");  // neither an error nor SIGPIPE, which would end this test
  close(fd);
}

TEST(Result, AllOfItOrAnError) {
  const Scratch scratch;
  {
    const StandardOutput file(open((scratch / "out").c_str(), O_WRONLY | O_CREAT, 0600));
    print_result("one ");
    print_result("two");
  }
  EXPECT_EQ(read_file(scratch / "out"), "one two");
  const StandardOutput full(open("/dev/full", O_WRONLY));
  EXPECT_ERROR(print_result("x"), Exit::runtime, "cannot write the result to standard output: No space left on device");
}

TEST(Result, AReaderThatHasGoneIsNoError) {
  const StandardOutput pipe(abandoned_pipe());
  print_result(std::string(100'000, 'x'));
}

TEST(Result, ANonBlockingPipeIsWaitedFor) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  const std::string text(1'000'000, 'x');
  std::string got;
  std::thread reader([&] { got = read_file(fmt::format("/proc/self/fd/{}", ends[0])); });
  {
    const StandardOutput pipe(ends[1]);
    print_result(text);
  }
  reader.join();
  close(ends[0]);
  EXPECT_EQ(got, text);
}

TEST(Result, AClosedStandardOutputIsNotAnothersFile) {
  const Scratch scratch;
  const pid_t child = fork();
  if (child == 0) {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    keep_standard_descriptors();
    const int other = open((scratch / "other").c_str(), O_WRONLY | O_CREAT, 0600);
    int code = other > STDERR_FILENO ? 1 : 2;
    try {
      print_result("x");
    } catch (const Error& error) {
      code = code == 1 && error.code() == Exit::runtime ? 0 : 3;
    }
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(scratch / "other"), "");
}

}  // namespace
}  // namespace ddls::output_test
