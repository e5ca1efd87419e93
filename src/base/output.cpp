#include "base/output.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <optional>
#include <system_error>

#include "base/error.hpp"

namespace ddls {
namespace {

// While it lives, a write to a pipe without a reader says EPIPE to this thread, and no signal ends the process.
class NoBrokenPipeSignal {
 public:
  NoBrokenPipeSignal() {
    sigemptyset(&only_);
    sigaddset(&only_, SIGPIPE);
    sigset_t waiting;
    sigpending(&waiting);
    waited_ = sigismember(&waiting, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &only_, &before_);
  }
  ~NoBrokenPipeSignal() {
    const timespec at_once{};
    if (!waited_)
      while (sigtimedwait(&only_, nullptr, &at_once) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipeSignal(const NoBrokenPipeSignal&) = delete;
  NoBrokenPipeSignal& operator=(const NoBrokenPipeSignal&) = delete;

 private:
  sigset_t only_{}, before_{};
  bool waited_ = false;
};

// Returns the system's error number; 0: all is written.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put >= 0) {
      bytes.remove_prefix(static_cast<size_t>(put));
    } else if (errno == EAGAIN) {  // somebody who shares the pipe has made it non-blocking
      pollfd ready{fd, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// write_all to what is no file of ours, down to the disk where there is one: some file systems tell of a full disk only
// then.
int write_through(int fd, std::string_view bytes) {
  const NoBrokenPipeSignal quiet;
  const int error = write_all(fd, bytes);
  if (error == EPIPE) return 0;
  struct stat what {};
  if (error == 0 && fstat(fd, &what) == 0 && S_ISREG(what.st_mode) && fsync(fd) != 0 && errno != EINVAL) return errno;
  return error;
}

// Where a path leads.
struct Destination {
  fs::path path;                       // behind all symbolic links but those of the system's /proc
  bool replaceable = true;             // a regular file, or nothing yet
  std::optional<int> descriptor = {};  // of this process: /dev/stdout, /dev/fd/N, /proc/self/fd/N
};

bool lies_in_proc(const fs::path& folder) {
  struct statfs system {};
  return statfs(folder.c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

// FOLDER/N in /proc, where FOLDER holds the descriptors of this process. Opened anew a file would be written from its
// start.
std::optional<int> own_descriptor(const fs::path& folder, const std::string& name) {
  std::error_code ignored;
  int fd = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), fd);
  if (error != std::errc() || end != name.data() + name.size() || folder.filename() != "fd" ||
      !fs::equivalent(folder.parent_path(), "/proc/self", ignored))
    return std::nullopt;
  return fd;
}

Destination destination_of(const fs::path& named) {
  constexpr int most_links = 40;  // as the kernel
  fs::path at = named;
  for (int links = 0; links <= most_links; ++links) {
    if (!at.has_filename()) fail(Exit::runtime, "cannot write {}: {}", named.string(), system_text(EISDIR));
    std::error_code error;
    const fs::path folder = fs::canonical(at.has_parent_path() ? at.parent_path() : fs::path("."), error);
    if (error) fail(Exit::runtime, "cannot write {}: {}", named.string(), error.message());
    if (lies_in_proc(folder)) return {at, false, own_descriptor(folder, at.filename().string())};
    struct stat what {};
    if (lstat(at.c_str(), &what) != 0) {
      if (errno == ENOENT) return {at};
      fail(Exit::runtime, "cannot write {}: {}", named.string(), system_text(errno));
    }
    if (S_ISDIR(what.st_mode)) fail(Exit::runtime, "cannot write {}: {}", named.string(), system_text(EISDIR));
    if (!S_ISLNK(what.st_mode)) return {at, S_ISREG(what.st_mode)};
    const fs::path target = fs::read_symlink(at, error);
    if (error) fail(Exit::runtime, "cannot write {}: {}", named.string(), error.message());
    at = folder / target;  // an absolute target stands alone
  }
  fail(Exit::runtime, "cannot write {}: {}", named.string(), system_text(ELOOP));
}

}  // namespace

void write_named_file(const fs::path& path, std::string_view bytes) {
  const Destination to = destination_of(path);
  if (to.replaceable) return write_file(to.path, bytes);
  const int fd = to.descriptor.value_or(-1) >= 0 ? *to.descriptor
                                                 : open(to.path.c_str(), O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC);
  int error = fd < 0 ? errno : write_through(fd, bytes);
  if (fd >= 0 && !to.descriptor && ::close(fd) != 0 && error == 0) error = errno;
  if (error != 0) fail(Exit::runtime, "cannot write {}: {}", path.string(), system_text(error));
}

void check_named_file(const fs::path& path) {
  const Destination to = destination_of(path);
  if (to.descriptor) return;
  const fs::path folder = to.path.has_parent_path() ? to.path.parent_path() : fs::path(".");
  if (access((to.replaceable ? folder : to.path).c_str(), W_OK) != 0)
    fail(Exit::runtime, "cannot write {}: {}", path.string(), system_text(errno));
}

void print_result(std::string_view text) {
  const int error = write_through(STDOUT_FILENO, text);
  if (error != 0) fail(Exit::runtime, "cannot write the result to standard output: {}", system_text(error));
}

void keep_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    // The lowest free number is `fd`, as those below are taken. The wrong way round: to use it stays an error.
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      return;
}

}  // namespace ddls
